"""What became of records, for answers."""

from collections.abc import Iterable, Mapping
from typing import Any

from crm.resource.v1 import jobs_pb2 as pb

from crm_kit.database.connections import Record
from crm_kit.jobs.trying import Problem

_OUTCOMES = pb.JobResult.Outcome


def result_to_pb(row: Record) -> pb.JobResult:
    """Of a row of the results' list."""
    return pb.JobResult(
        position=row["position"],
        record_id=str(row["record_id"]),
        outcome=_OUTCOMES.Value(f"OUTCOME_{row['outcome']}"),
        record_etag=row["record_etag"] or "",
        reason=row["reason"] or "",
        detail=row["detail"] or "",
        violations=_violations(row["violations"] or ()),
    )


def problem_to_pb(problem: Problem) -> pb.JobResult:
    """Of a record that was tried."""
    result = problem.result
    return pb.JobResult(
        position=problem.position,
        record_id=str(problem.record_id),
        outcome=_OUTCOMES.Value(f"OUTCOME_{result.outcome}"),
        reason=result.reason or "",
        detail=result.detail or "",
        violations=[
            pb.JobResult.Violation(field=each.field, rule=each.rule, detail=each.detail) for each in result.violations
        ],
    )


def _violations(stored: Iterable[Mapping[str, Any]]) -> list[pb.JobResult.Violation]:
    return [pb.JobResult.Violation(**each) for each in stored]
