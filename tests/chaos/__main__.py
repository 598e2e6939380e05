"""Kill -9 whatever runs, again and again, under load: nothing may be lost and nothing doubled.

python -m tests.chaos [--cycles N] [--seconds S] [--writers N] [--seed N] [--only PROCESS ...]

Writes build/chaos.json; ends with 1 when something is missing, doubled, refused or not ready again in time.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson
from crm_local.settings import PROCESSES

from tests.chaos.report import printed
from tests.chaos.run import Plan, run_chaos

RESULT = Path("build/chaos.json")


def plan_of(arguments: Sequence[str]) -> Plan:
    """How much is asked for."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="tests.chaos", description="Kill processes under load.")
    parser.add_argument("--cycles", type=int, default=usual.cycles, help="how many kills")
    parser.add_argument("--seconds", type=float, default=usual.seconds, help="no further kill after so long")
    parser.add_argument("--writers", type=int, default=usual.writers, help="how many write at the same time")
    parser.add_argument("--seed", type=int, default=usual.seed, help="which process is killed when")
    parser.add_argument("--only", nargs="+", choices=PROCESSES, default=PROCESSES, help="kill only these")
    given = parser.parse_args(arguments)
    return Plan(max(1, given.cycles), min(780.0, given.seconds), max(1, given.writers), given.seed, tuple(given.only))


def main(arguments: Sequence[str]) -> int:
    """Run and report; 1 when it is not good enough, 130 when somebody lost patience."""
    try:
        report = asyncio.run(run_chaos(plan_of(arguments)))
    except KeyboardInterrupt:
        return 130
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2))
    print(printed(report))
    return int(bool(report.problems))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
