"""A few kills under load; `python -m tests.chaos` does many."""

import pytest

from tests.chaos.report import Report, printed
from tests.chaos.run import Plan, run_chaos


@pytest.mark.platform
@pytest.mark.parametrize("processes", [("customer", "postgres"), ("gateway", "nats")], ids="-".join)
async def test_nothing_is_lost_or_doubled_when_processes_are_killed(processes: tuple[str, ...]) -> None:
    report: Report = await run_chaos(Plan(cycles=2, seconds=60, writers=4, seed=7, processes=processes))
    assert {cycle.process for cycle in report.cycles} == set(processes)
    assert not report.problems, printed(report)
