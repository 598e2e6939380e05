"""What most processes never use is not loaded at their start: docs/adr/0019 says what each would take."""

import subprocess
import sys
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

NEEDED_LATER = ("openpyxl", "httpcore", "opentelemetry.sdk", "opentelemetry.exporter", "pydantic", "alembic")


def loaded_by(module: str) -> set[str]:
    """Everything that a process has which has imported the module."""
    code = f"import sys, {module}; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(told.stdout.split())


@pytest.mark.parametrize("service", ["customer", "sales", "service_desk", "scoring"])
def test_a_service_starts_without_what_few_need(service: str) -> None:
    assert loaded_by(f"crm_{service}.app").isdisjoint(NEEDED_LATER)


def test_the_gateway_starts_without_what_few_need_and_without_what_only_services_do() -> None:
    # FastAPI brings pydantic.
    needed_later = {*NEEDED_LATER, "protovalidate", "sqlalchemy"} - {"pydantic"}
    assert loaded_by("crm_gateway.__main__").isdisjoint(needed_later)


def installed_with(package: str) -> set[str]:
    """The package and all that it needs, as an image has them."""
    found: set[str] = set()
    wanted = [package]
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            needed = (Requirement(each) for each in requires(name) or ())
            wanted += [
                each.name.lower() for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    return found


@pytest.mark.parametrize("package", ["crm-customer", "crm-sales", "crm-service-desk", "crm-scoring", "crm-gateway"])
def test_no_image_has_what_benchmarks_leave_out(package: str) -> None:
    there = installed_with(package)
    assert "structlog" in there
    assert "rich" not in there
