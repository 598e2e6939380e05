"""A few kills under load, and proof that losses are seen; `python -m tests.chaos` kills many times."""

import asyncpg
import pytest
from crm_local.testing import Platform, platform_for_tests

from tests.chaos.cycles import Cycle
from tests.chaos.reckoning import Found, reckon
from tests.chaos.report import Report, printed
from tests.chaos.run import Plan, run_chaos, run_on
from tests.chaos.writing import Ledger

# What a saboteur does to a service's database -> what the reckoning says of it.
SABOTAGE = {
    ("customer", "DELETE FROM interactions WHERE id = (SELECT id FROM interactions LIMIT 1)"): ("interaction", -1),
    ("scoring", "DELETE FROM accounts WHERE id = (SELECT id FROM accounts LIMIT 1)"): ("accounts known to scoring", -1),
    ("scoring", "UPDATE account_days SET payments = payments + 1 WHERE payments > 0"): (
        "payments added up by scoring",
        1,
    ),
    ("customer", "DELETE FROM tasks WHERE id = (SELECT id FROM tasks WHERE rule_id IS NOT NULL LIMIT 1)"): (
        "task of a rule",
        -1,
    ),
    ("customer", "UPDATE notifications SET count = count + 1"): ("notice of a rule", 1),
    ("scoring", "UPDATE approvals SET state = 'PENDING' WHERE id = (SELECT id FROM approvals LIMIT 1)"): (
        "approval",
        -1,
    ),
    (
        "customer",
        """
        INSERT INTO timeline_entries
        SELECT (jsonb_populate_record(each, jsonb_build_object('id', gen_random_uuid()))).*
        FROM timeline_entries AS each WHERE kind = 'CASE_CREATED' LIMIT 1
        """,
    ): ("timeline", 1),
}


@pytest.mark.platform
@pytest.mark.parametrize("processes", [("customer", "postgres"), ("gateway", "nats")], ids="-".join)
async def test_nothing_is_lost_or_doubled_when_processes_are_killed(processes: tuple[str, ...]) -> None:
    report: Report = await run_chaos(Plan(cycles=2, seconds=300, writers=4, seed=7, processes=processes))
    assert {cycle.disturbance for cycle in report.cycles} == set(processes)
    assert not report.errors, printed(report)


@pytest.mark.platform
async def test_what_is_missing_or_doubled_is_seen() -> None:
    async with platform_for_tests() as platform:
        report = await run_on(platform, Plan(cycles=1, seconds=300, writers=4, seed=3, processes=("gateway",)))
        assert not report.errors, printed(report)
        for service, statement in SABOTAGE:
            await sabotage(platform, service, statement)
        found, _ = await reckon(platform, report.ledger, seconds=0)
    for what, off in SABOTAGE.values():
        assert (found.missing if off < 0 else found.doubled)[what] > 0, (what, found.told)


async def sabotage(platform: Platform, service: str, statement: str) -> None:
    connection = await asyncpg.connect(platform.superuser_url(f"crm_{service}"))
    try:
        status = await connection.execute(statement)
    finally:
        await connection.close()
    assert not status.endswith(" 0"), f"{statement} changed nothing"


def test_a_report_with_a_loss_a_refusal_or_a_long_wait_is_not_good() -> None:
    def report(*, found: Found | None = None, ready: float | None = 1.0, refused: str = "") -> Report:
        ledger = Ledger(refused=[refused] if refused else [])
        ledger.acknowledged["account"] = 1
        return Report({}, 1, 1.0, 1.0, [Cycle("nats", ready)], ledger, found or Found())

    lost = Found()
    lost.compare("account", {"a": 1, "b": 1}, {"a": 2})
    assert (lost.missing["account"], lost.doubled["account"]) == (1, 1)
    assert report().problems == []
    assert len(report(found=lost).problems) == 2
    assert report(ready=None).errors
    assert (report(ready=11.0).errors, len(report(ready=11.0).problems)) == ([], 1)
    assert report(refused="case: 400").errors
