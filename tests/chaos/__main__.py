"""Kill, freeze, cut off, fill up and set back what runs, under load: nothing is lost and nothing doubled.

python -m tests.chaos [--cycles N] [--seconds S] [--writers N] [--seed N] [--only PROCESS ...]

A round kills each process once, then two and three at once; it freezes some for up to 22 seconds, cuts all sessions of
a database, leaves PostgreSQL no byte on its disk (as root), takes from the broker what it stored in its last seconds,
and moves the clock of all services to and fro (with libfaketime).

Writes build/chaos.json; ends with 1 when something is missing, doubled, refused or not ready again in time.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from crm_local.settings import PROCESSES

from tests.any_day import folders, moves_the_clock, shifted
from tests.chaos.disturbances import CLOCK_FILE, OWN_MOUNTS
from tests.chaos.report import printed
from tests.chaos.run import Plan, run_chaos

RESULT = Path("build/chaos.json")


def plan_of(arguments: Sequence[str]) -> Plan:
    """How much is asked for."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="tests.chaos", description="Disturb a platform under load.")
    parser.add_argument("--cycles", type=int, default=usual.cycles, help="how many disturbances")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="no further one after so long")
    parser.add_argument("--writers", type=int, default=usual.writers, help="how many write at the same time")
    parser.add_argument("--seed", type=int, default=usual.seed, help="what happens when")
    parser.add_argument("--only", nargs="+", choices=PROCESSES, default=PROCESSES, help="only kill, and only these")
    given = parser.parse_args(arguments)
    return Plan(max(1, given.cycles), min(780.0, given.seconds), max(1, given.writers), given.seed, tuple(given.only))


def main(arguments: Sequence[str]) -> int:
    """Run and report; 1 when it is not good enough, 130 when somebody lost patience."""
    become_movable()
    try:
        report = asyncio.run(run_chaos(plan_of(arguments)))
    except KeyboardInterrupt:
        return 130
    finally:
        if CLOCK_FILE in os.environ:
            Path(os.environ[CLOCK_FILE]).unlink(missing_ok=True)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    print(printed(report))
    return int(bool(report.problems))


def become_movable() -> None:
    """Start anew with a clock that can be moved while it runs, where libfaketime can do that on this machine."""
    if CLOCK_FILE in os.environ:
        return
    file = Path(tempfile.mkstemp(prefix="guanxi-clock-")[1])
    file.write_text("+0\n")
    for folder in folders():
        environment = shifted(dict(os.environ), folder, timedelta(0), os.environ.get("TZ", ""))
        # Read from the file, and read again after a second; an empty zone would be one, too.
        del environment["FAKETIME"]
        environment |= {CLOCK_FILE: str(file), "FAKETIME_CACHE_DURATION": "1"}
        environment = {name: value for name, value in environment.items() if value or name != "TZ"}
        if moves_the_clock(environment, datetime.now(UTC)):
            command = [sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
            if os.geteuid() == 0 and (unshare := shutil.which("unshare")):
                command = [unshare, "--mount", "--propagation", "private", *command]
                environment[OWN_MOUNTS] = "1"
            os.execve(command[0], command, environment)
    print("clocks stay as they are: there is no libfaketime")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
