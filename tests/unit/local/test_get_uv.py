"""deploy/local/get-uv.sh with stand-ins for Python and uv: which way it takes on which machine."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "local" / "get-uv.sh"
TOOLS = ("bash", "mkdir", "ln", "grep", "cp")

# Answers like a Python whose abilities are named in $ABILITIES; installs a uv by venv or by pip.
PYTHON = """#!/bin/bash
case "$*" in
  *version_info*) [[ $ABILITIES == *new* ]] ;;
  --version) echo "Python 3.9.2" ;;
  "-c import ensurepip") [[ $ABILITIES == *venv* ]] ;;
  "-m venv "*) mkdir -p "$3/bin"; cp "$PIP" "$3/bin/pip" ;;
  "-m pip --version") [[ $ABILITIES == *pip* ]] ;;
  "-m pip install "*" --target "*) mkdir -p "${@: -2:1}/bin"; cp "$UV" "${@: -2:1}/bin/uv" ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""
PIP = """#!/bin/bash
cp "$UV" "${0%pip}uv"
"""
NEW_UV = "#!/bin/bash\necho 'uv --group'\n"


class Machine:
    """A machine with these programs only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)
        self.program(self.bin / "python3", PYTHON)
        self.program(folder / "pip", PIP)
        self.program(folder / "new-uv", NEW_UV)

    def program(self, file: Path, text: str) -> None:
        file.write_text(text)
        file.chmod(0o755)

    def get_uv(self, abilities: str, python: str = "python3") -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.bin),
            "ABILITIES": abilities,
            "PIP": str(self.folder / "pip"),
            "UV": str(self.folder / "new-uv"),
        }
        command = [str(self.bin / "bash"), str(SCRIPT), python, "tools"]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    @property
    def uv(self) -> Path:
        return self.folder / "tools" / "bin" / "uv"

    def uv_works(self) -> bool:
        environment = {"PATH": str(self.bin)}
        ran = subprocess.run([self.uv], env=environment, capture_output=True, text=True, check=False)
        return ran.stdout == "uv --group\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("abilities", ["new venv pip", "new venv", "new pip"])
def test_uv_comes_by_venv_or_by_pip(machine: Machine, abilities: str) -> None:
    result = machine.get_uv(abilities)
    assert (result.returncode, result.stderr) == (0, "")
    assert machine.uv_works()
    assert (machine.folder / "tools" / "venv").exists() is ("venv" in abilities)


def test_a_uv_that_is_here_is_used(machine: Machine) -> None:
    machine.program(machine.bin / "uv", NEW_UV)
    assert machine.get_uv("new").returncode == 0
    assert machine.uv_works()
    assert machine.uv.readlink() == machine.bin / "uv"


@pytest.mark.parametrize("text", ["echo 'uv: no version is chosen' >&2; exit 127", "echo '--old-options'"])
def test_a_uv_that_does_not_run_or_is_too_old_is_passed_over(machine: Machine, text: str) -> None:
    machine.program(machine.bin / "uv", f"#!/bin/bash\n{text}\n")
    assert machine.get_uv("new venv").returncode == 0
    assert machine.uv_works()


def test_a_second_time_changes_nothing(machine: Machine) -> None:
    assert machine.get_uv("new venv").returncode == 0
    assert machine.get_uv("new venv").returncode == 0
    assert machine.uv_works()


@pytest.mark.parametrize(
    ("abilities", "python", "told"),
    [
        ("new venv", "python9", "no python9 here"),
        ("venv pip", "python3", "Python 3.9.2 is too old"),
        ("new", "python3", "apt-get install -y python3-venv"),
    ],
)
def test_what_is_missing_is_told_in_one_line(machine: Machine, abilities: str, python: str, told: str) -> None:
    result = machine.get_uv(abilities, python)
    assert result.returncode == 1
    assert told in result.stderr
    assert result.stderr.count("\n") == 1
    assert not machine.uv.exists()
