"""What the fuzzers found, as JSON and as a table."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from tests.fuzz.run import Report

MAX_SHOWN = 40


def as_json(report: Report) -> dict[str, Any]:
    """Everything."""
    return {
        "machine": report.machine,
        "plan": asdict(report.plan),
        "rest": {
            "calls": report.rest.calls,
            "operations": report.rest.operations,
            "operations_that_accepted_something": len(report.rest.accepted),
            "statuses": dict(report.rest.statuses.most_common()),
            "failed": dict(report.rest.failed.most_common()),
            "failures": report.rest.failures,
        },
        "grpc": {
            "calls": report.grpc.calls,
            "rpcs": report.grpc.rpcs,
            "rpcs_that_accepted_something": len(report.grpc.accepted),
            "codes": dict(report.grpc.codes.most_common()),
            "failed": dict(report.grpc.failed.most_common()),
            "failures": report.grpc.failures,
        },
        "exceptions": report.exceptions,
    }


def printed(report: Report) -> str:
    """The table, and the first failures."""
    rest, grpc = report.rest, report.grpc
    lines = [
        f"{'':<6}{'called':>10}{'calls':>9}{'failures':>10}",
        f"{'REST':<6}{rest.operations:>10}{rest.calls:>9}{sum(rest.failed.values()):>10}",
        f"{'gRPC':<6}{grpc.rpcs:>10}{grpc.calls:>9}{sum(grpc.failed.values()):>10}",
        "",
        f"REST answers: {counted(rest.statuses)}; {len(rest.accepted)} operations did something",
        f"gRPC answers: {counted(grpc.codes)}; {len(grpc.accepted)} rpcs did something",
    ]
    for name, failed in (("REST", rest.failed), ("gRPC", grpc.failed)):
        lines += [f"{name}: {count:>5} x {what}" for what, count in failed.most_common(MAX_SHOWN)]
    for process, told in report.exceptions.items():
        lines += [f"{process} logged: {each}" for each in told[:10]]
    return "\n".join(lines)


def counted(counts: Counter[str]) -> str:
    """`OK 265, NOT_FOUND 12`."""
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"
