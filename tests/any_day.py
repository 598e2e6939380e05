"""Runs tests as if it were another day: `make test-any-day`.

    python -m tests.any_day [--at "2028-02-29 23:30"] [--zone Asia/Kathmandu] [pytest's arguments]

The date and time are those of clocks on the wall in the zone, which becomes the machine's. libfaketime moves the
clock of pytest and of all that it starts: services, gateway, commands. PostgreSQL and NATS stay where they are, so
it shows too what compares the clock of one machine with that of another. Time passes as fast as ever.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from subprocess import run
from zoneinfo import ZoneInfo

# In London it is the evening of the last day of 2027, in Beijing the year is new and it is before office hours.
AT, ZONE = "2028-01-01 10:00", "Pacific/Kiritimati"
PARALLEL = "@tests/parallel.args"
LIBRARY = "libfaketime.so.1"
# Where the package from PyPI has it, which is built for one kind of machine, and Debian's.
PACKAGED = "vendor/libfaketime/src"
INSTALLED = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/local/lib/faketime")
TOLD = "import time; print(time.time())"
DATED = re.compile(r"datetime import .*\bdate\b|[Zz]one|today")
MOVED_WITHIN = timedelta(minutes=5)


def shifted(environment: dict[str, str], folder: Path, shift: timedelta, zone: str) -> dict[str, str]:
    """The environment of a process whose clock is ahead by `shift` of whole seconds, in this zone."""
    return environment | {
        "TZ": zone,
        # The name alone, found in the folder: the linker takes a space in a path for the end of it.
        "LD_PRELOAD": LIBRARY,
        "LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(folder), environment.get("LD_LIBRARY_PATH", "")))),
        "FAKETIME": f"{shift // timedelta(seconds=1):+d}",
        # Timeouts and pauses go by the monotonic clock, dates of files by the kernel's.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


def folders() -> list[Path]:
    """Where libfaketime may be."""
    spec = find_spec("libfaketime")
    packaged = [Path(spec.origin).parent / PACKAGED] if spec and spec.origin else []
    installed = [folder for place in INSTALLED for folder in Path("/").glob(place.lstrip("/"))]
    return [folder for folder in (*packaged, *installed) if (folder / LIBRARY).exists()]


def moves_the_clock(environment: dict[str, str], moment: datetime) -> bool:
    """Whether a process of this environment believes that it is this moment."""
    told = run([sys.executable, "-I", "-S", "-c", TOLD], env=environment, capture_output=True, text=True, check=False)
    return bool(told.stdout) and abs(datetime.fromtimestamp(float(told.stdout), UTC) - moment) < MOVED_WITHIN


def main() -> None:
    """Become pytest, at that time in that zone."""
    parser = argparse.ArgumentParser(prog="python -m tests.any_day", description="Tests as on another day.")
    parser.add_argument("--at", default=AT, help=f"what clocks in the zone show; {AT} when not given")
    parser.add_argument("--zone", default=ZONE, help=f"the machine's time zone; {ZONE} when not given")
    options, arguments = parser.parse_known_args()
    become_pytest(options.at, options.zone, arguments or [*dated_tests(), PARALLEL])


def dated_tests() -> list[str]:
    """What speaks of days or zones, and the story; `TESTS=tests` takes the rest as well."""
    files = (path for folder in ("tests/unit", "tests/service") for path in Path(folder).rglob("test_*.py"))
    return ["tests/e2e", *sorted(str(path) for path in files if DATED.search(path.read_text()))]


def become_pytest(at: str, zone: str, arguments: Sequence[str]) -> None:
    """End with a message where no clock can be moved."""
    moment = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo(zone))
    shift = moment - datetime.now(UTC)
    for folder in folders():
        environment = shifted(dict(os.environ), folder, shift, zone)
        if moves_the_clock(environment, moment):
            print(f"as if it were {moment:%A, %-d %B %Y %H:%M} in {zone} ({moment.astimezone(UTC):%F %H:%M} UTC)")
            sys.stdout.flush()
            os.execve(sys.executable, [sys.executable, "-m", "pytest", *arguments], environment)
    sys.exit(
        "libfaketime moves no clock on this machine; on Debian: apt-get install -y faketime"
        f" (looked in {', '.join(map(str, folders())) or 'nothing'})"
    )


if __name__ == "__main__":
    main()
