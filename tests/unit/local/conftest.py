import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from crm_local.settings import GATEWAY, SERVICES
from crm_local.testing import throwaway_folder

PROCESSES = (*SERVICES, GATEWAY)
# Such as the settings, by which the runner knows what to pass on.
REST_IS_REAL = "import pkgutil\n\n__path__ = pkgutil.extend_path(__path__, __name__)\n"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Unlike tmp_path, one that PostgreSQL's user can reach."""
    with throwaway_folder() as folder:
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Children that are started as `python -m crm_customer` and so on are stand-ins."""
    source = Path(__file__).with_name("stand_in.py")
    for process in PROCESSES:
        package = tmp_path / "stand_ins" / f"crm_{process}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(REST_IS_REAL)
        shutil.copy(source, package / "__main__.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "stand_ins"))
    return tmp_path / "stand_ins"
