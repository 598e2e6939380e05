"""What `make resource` writes passes every check as it comes; tried on a copy of the repository.

With one service in the suite, with all of them by `make scaffold-check`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
PACKAGES = ("libs/protos/generated", "libs/kit", *(f"services/{name}" for name in SERVICES), "gateway", "deploy/local")
# The noun for each, or noun and plural where that is not a regular one; and the plural that is expected.
NOUNS = {
    "customer": (("NAME=spokes_person", "PLURAL=spokes_people", "CHINESE=发言人"), "spokes_people"),
    "sales": (("NAME=quote", "CHINESE=报价单"), "quotes"),
    "scoring": (("NAME=risk_policy", "CHINESE=风险策略"), "risk_policies"),
    "service_desk": (("NAME=service_contract", "CHINESE=服务合同"), "service_contracts"),
}
OTHERWISE = (("NAME=tax_box", "CHINESE=税务箱"), "tax_boxes")
TRIED = {service: NOUNS.get(service, OTHERWISE) for service in os.environ.get("SCAFFOLD", "customer").split()}
TESTS = [f"tests/service/{service}/test_{plural}.py" for service, (_, plural) in TRIED.items()]
# Tests that know of every permission and reason in the contract.
OF_ALL = ("tests/unit/customer/test_built_in_roles.py", "tests/unit/gateway/test_texts.py")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository without its history, with the same tools, and with a new resource in the services tried."""
    folder = tmp_path_factory.mktemp("copy") / "guanxi"
    left_out = shutil.ignore_patterns(".git", ".venv", ".tools", ".run", "build", "__pycache__", ".ruff_cache")
    shutil.copytree(ROOT, folder, ignore=left_out)
    for tools in (".venv", ".tools"):
        (folder / tools).symlink_to(ROOT / tools)
    for service, (names, _) in TRIED.items():
        run(folder, "make", "resource", f"SERVICE={service}", *names)
    return folder


def run(folder: Path, *command: str | Path, code: int = 0) -> str:
    """Run a command in the copy, whose own code goes before what is installed; all that it said."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    path = os.pathsep.join(str(folder / package) for package in PACKAGES)
    done = subprocess.run(
        command, cwd=folder, env=inherited | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def written(folder: Path) -> dict[Path, bytes]:
    """All that a commit would have."""
    parts = ("proto", "services", "gateway", "tests", "docs")
    files = [path for part in parts for path in (folder / part).rglob("*") if "__pycache__" not in path.parts]
    return {path: path.read_bytes() for path in files if path.is_file()}


def test_what_is_written_passes_the_style_the_walls_and_the_contract_rules(copy: Path) -> None:
    assert "contracts: well" in run(copy, "make", "lint")


def test_what_is_written_is_typed(copy: Path) -> None:
    rooms = [folder for _, plural in TRIED.values() for folder in copy.glob(f"services/**/{plural}")]
    assert len(rooms) == len(TRIED)
    run(copy, sys.executable, "-m", "mypy", *rooms, *TESTS)


def test_the_tests_that_are_written_pass_and_so_do_those_of_all_resources(copy: Path) -> None:
    run(copy, sys.executable, "-m", "pytest", *TESTS, *OF_ALL)


def test_a_second_time_nothing_is_changed_and_that_is_said(copy: Path) -> None:
    before = written(copy)
    for service, (names, plural) in TRIED.items():
        told = run(copy, "make", "resource", f"SERVICE={service}", *names, code=2)
        noun = names[0].removeprefix("NAME=")
        found = f"there is proto/crm/{service}/v1/{plural}.proto; nothing was changed"
        assert f"{service} cannot have a new {noun}: {found}" in told
    assert written(copy) == before
