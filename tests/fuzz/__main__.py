"""Fuzz the running platform, over REST from its OpenAPI and over gRPC from its descriptors.

python -m tests.fuzz [--seconds S] [--seed N] [--only rest|grpc]

Nothing may answer with an internal error, a broken answer or a trace of the inside. Writes build/fuzz.json; ends
with 1 when something did.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from tests.fuzz.report import as_json, printed
from tests.fuzz.run import Plan, run_fuzz

RESULT = Path("build/fuzz.json")


def plan_of(arguments: Sequence[str]) -> Plan:
    """How much is asked for."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Fuzz REST and gRPC.")
    parser.add_argument("--seconds", type=float, default=120.0, help="for both together, at most 800")
    parser.add_argument("--seed", type=int, default=1, help="the same seed sends the same")
    parser.add_argument("--only", choices=("rest", "grpc"), help="one of the two")
    given = parser.parse_args(arguments)
    # The token that is used throughout holds for a quarter of an hour.
    seconds = min(800.0, max(2.0, given.seconds))
    return Plan(seconds, given.seed, rest=given.only != "grpc", grpc=given.only != "rest")


def main(arguments: Sequence[str]) -> int:
    """Run and report; 1 when something was found, 130 when somebody lost patience."""
    try:
        report = asyncio.run(run_fuzz(plan_of(arguments)))
    except KeyboardInterrupt:
        return 130
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2))
    print(printed(report))
    return int(bool(report.failures))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
