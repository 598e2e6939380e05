"""Rules that set one another off: what follows from what is told, and ends."""

import asyncio
from datetime import timedelta

import pytest
from crm_kit.automation import running
from crm_kit.automation.rules.model import StopReason
from crm_kit.automation.runs.model import State

from tests.service.automating import STOPPED_LOOP, SUCCEEDED, Rule, Rules, action, on, settled, told_in
from tests.service.running import Running, User
from tests.service.sales.conftest import CreateLead


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


async def test_a_rule_is_done_when_its_own_change_leaves_it_nothing_to_change(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    rule = await rules.active(user, action("update", source="set"), trigger=on("CREATED", "UPDATED"))
    await create()
    events = await settled(sales, user.tenant_id)
    assert [[each.rule_id for each in event.causes] for event in events] == [[], [rule.id]]
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, list(run.causes)) == (SUCCEEDED, [])


async def test_rules_that_go_round_in_a_circle_stop_and_are_named_in_order(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    first = await rules.active(
        user, action("update", source="b"), display_name="一", trigger=on("UPDATED", "CREATED"), filter="source = a"
    )
    second = await rules.active(
        user, action("update", source="a"), display_name="二", trigger=on("UPDATED"), filter="source = b"
    )
    await create(source="a")
    events = await settled(sales, user.tenant_id)
    stopped, ran = await rules.runs_of(user, first)
    assert (ran.state, stopped.state, stopped.reason) == (SUCCEEDED, STOPPED_LOOP, "AUTOMATION_LOOP")
    assert [(each.rule_id, each.display_name) for each in stopped.causes] == [
        (first.id, "一"),
        (second.id, "二"),
        (first.id, "一"),
    ]
    assert stopped.causes[0].collection == "leads"
    assert [each.display_name for each in (await rules.runs_of(user, second))[0].causes] == ["一"]
    assert [len(each.causes) for each in events] == [0, 1, 2]


async def test_a_verb_that_would_set_its_rule_off_for_ever_is_called_once(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    """Each time it is put back, somebody else gets it."""
    rule = await rules.active(user, action("return", reason="不属于本区域"), trigger=on("CREATED", "RETURNED"))
    await create()
    await settled(sales, user.tenant_id)
    runs = await rules.runs_of(user, rule)
    assert [each.state for each in runs].count(SUCCEEDED) == 1
    assert len(runs) == 2


async def test_five_rules_set_one_another_off_and_no_sixth(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    chain = [
        await rules.active(
            user, action("update", source=f"s{at + 1}"), trigger=on("CREATED", "UPDATED"), filter=f"source = s{at}"
        )
        for at in range(6)
    ]
    await create(source="s0")
    await settled(sales, user.tenant_id)
    ends = [await rules.runs_of(user, each) for each in chain]
    assert [[run.state for run in runs] for runs in ends] == [[SUCCEEDED]] * 5 + [[STOPPED_LOOP]]
    assert ends[5][0].reason == "AUTOMATION_TOO_DEEP"
    assert [each.rule_id for each in ends[5][0].causes] == [each.id for each in chain]


async def test_of_what_follows_from_one_write_so_much_sets_rules_off_and_no_more(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    """However broad it gets, and whoever handles it at once; what the write itself sets off does not count."""
    monkeypatch.setattr(running, "MAX_FOLLOWING", 2)
    changes = [action("update", source=f"s{at}") for at in range(5)]
    direct = [await rules.active(user, *changes), *[await rules.active(user, changes[4]) for _ in range(2)]]
    broad = await rules.active(
        user, action("update", campaign="{{record.etag}}"), trigger=on("UPDATED", changed=("source",))
    )
    for _ in range(2):
        lead = await create()
        await rules.ran(user, direct[0])
        told = [each for each in await told_in(sales, user.tenant_id) if each.aggregate_id == lead.id]
        apply = sales.service.automation.apply
        await asyncio.gather(*(apply(each) for each in told * 2), return_exceptions=True)
        events = await settled(sales, user.tenant_id)
        runs = [each for each in await rules.runs_of(user, broad) if each.record_id == lead.id]
        assert sorted(each.state for each in runs) == [SUCCEEDED] * 2 + [STOPPED_LOOP] * 3
        stopped = {(each.reason, each.causes[0].rule_id) for each in runs if each.state == STOPPED_LOOP}
        assert stopped == {("AUTOMATION_TOO_MANY", direct[0].id)}
        (root,) = {each.root_event_id for each in runs}
        assert next(each.id for each in events if each.aggregate_id == lead.id) == root
        assert len(await rules.runs(user, f'root_event_id = "{root}"')) == 8
    assert {run.state for each in direct for run in await rules.runs_of(user, each)} == {SUCCEEDED}


async def test_a_rule_that_is_stopped_again_and_again_becomes_inactive(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    monkeypatch.setattr(running, "LIMITS", {State.STOPPED_LOOP: (3, StopReason.LOOP)})
    rule = await rules.active(user, action("update", source="b"), trigger=on("UPDATED", "CREATED"), filter="source = a")
    await rules.active(user, action("update", source="a"), trigger=on("UPDATED"), filter="source = b")
    for _ in range(3):
        assert (await rules.get(user, rule)).state == Rule.STATE_ACTIVE
        await create(source="a")
        await settled(sales, user.tenant_id)
    stopped = await rules.get(user, rule)
    assert (stopped.state, stopped.stop_reason) == (Rule.STATE_INACTIVE, Rule.STOP_REASON_LOOP)
    assert [each.id for each in await rules.listed(user, filter="stop_reason = LOOP")] == [rule.id]
    assert (await rules.changes(user, rule))[0] == "DEACTIVATED"


async def test_a_rule_that_fails_again_and_again_becomes_inactive_and_what_is_long_ago_does_not_count(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    monkeypatch.setattr(running, "LIMITS", {State.FAILED: (2, StopReason.FAILURES)})
    rule = await rules.active(user, action("qualify"))
    with monkeypatch.context() as patched:
        patched.setattr(running, "WITHIN", timedelta(0))
        for _ in range(3):
            await create()
            await settled(sales, user.tenant_id)
    assert (await rules.get(user, rule)).state == Rule.STATE_ACTIVE
    await create()
    await settled(sales, user.tenant_id)
    stopped = await rules.get(user, rule)
    assert (stopped.state, stopped.stop_reason) == (Rule.STATE_INACTIVE, Rule.STOP_REASON_FAILURES)
    assert {each.reason for each in await rules.runs_of(user, rule)} == {"ILLEGAL_STATE"}


async def test_what_failed_before_a_rule_was_activated_again_does_not_stop_it(
    monkeypatch: pytest.MonkeyPatch, sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    """Who has corrected it within the hour is not stopped by the first run that fails."""
    monkeypatch.setattr(running, "LIMITS", {State.FAILED: (2, StopReason.FAILURES)})
    rule = await rules.active(user, action("qualify"))
    for state in (Rule.STATE_ACTIVE, Rule.STATE_INACTIVE):
        await create()
        await settled(sales, user.tenant_id)
        assert (await rules.get(user, rule)).state == state
    await rules.does("Activate", user, await rules.get(user, rule))
    for state in (Rule.STATE_ACTIVE, Rule.STATE_INACTIVE):
        await create()
        await settled(sales, user.tenant_id)
        assert (await rules.get(user, rule)).state == state


async def test_what_another_service_tells_of_it_carries_the_chain_on(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    """What is written on an event follows from what that followed from."""
    await rules.active(user, action("update", source="x"))
    await create()
    (_, updated) = await settled(sales, user.tenant_id)
    assert updated in await told_in(sales, user.tenant_id)
    assert [each.collection for each in updated.causes] == ["leads"]
