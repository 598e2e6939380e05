"""Every service is known wherever services are named; what lacks one says which file to put it in."""

import re
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
from crm_gateway.settings import Settings
from crm_local.settings import SERVICES

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_what_is_started_here_are_the_services_that_there_are() -> None:
    assert sorted(SERVICES) == FOLDERS, "Ports in deploy/local/crm_local/settings.py"


def test_the_gateway_knows_an_address_of_every_service() -> None:
    assert sorted(Settings().addresses) == FOLDERS, "<service>_address in gateway/crm_gateway/settings.py"


@pytest.mark.parametrize("service", FOLDERS)
def test_every_service_has_a_contract_and_a_fixture(service: str) -> None:
    assert (ROOT / f"proto/crm/{service}/v1/events.proto").is_file(), f"proto/crm/{service}/v1/events.proto"
    assert f"async def {service}(servers" in read("tests/service/conftest.py"), "tests/service/conftest.py"


@pytest.mark.parametrize("service", FOLDERS)
def test_every_service_is_built_and_typed(service: str) -> None:
    project = tomllib.loads(read("pyproject.toml"))
    distribution = f"crm-{service.replace('_', '-')}"
    assert distribution in project["tool"]["uv"]["sources"], "tool.uv.sources in pyproject.toml"
    assert f"services/{service}" in project["tool"]["mypy"]["mypy_path"], "tool.mypy.mypy_path in pyproject.toml"
    local = tomllib.loads(read("deploy/local/pyproject.toml"))
    assert distribution in local["project"]["dependencies"], "dependencies in deploy/local/pyproject.toml"


@pytest.mark.parametrize("service", FOLDERS)
def test_every_service_stands_between_walls(service: str) -> None:
    walls = ConfigParser()
    walls.read_string(read(".importlinter"))
    package = f"crm_{service}"
    for section, key in (
        ("importlinter", "root_packages"),
        ("importlinter:contract:services", "modules"),
        ("importlinter:contract:kit", "forbidden_modules"),
        ("importlinter:contract:wire", "source_modules"),
    ):
        assert package in walls[section][key].split(), f"{key} of [{section}] in .importlinter"
    circles = [walls[name]["ancestors"].split() for name in walls if walls[name].get("type") == "acyclic_siblings"]
    assert [package] in circles, f"a contract of type acyclic_siblings for {package} in .importlinter"


@pytest.mark.parametrize("service", FOLDERS)
def test_every_service_is_deployed(service: str) -> None:
    name = service.replace("_", "-")
    address = f"CRM_{service.upper()}_ADDRESS="
    assert re.search(rf"^FROM process AS {name}$", read("deploy/images/Dockerfile"), re.MULTILINE), (
        "deploy/images/Dockerfile"
    )
    assert address in read("deploy/k8s/base/config.env"), "deploy/k8s/base/config.env"
    for file in ("base/kustomization.yaml", "release/kustomization.yaml", "overlays/production/kustomization.yaml"):
        assert re.search(rf"\b{name}\b", read(f"deploy/k8s/{file}")), f"deploy/k8s/{file}"
