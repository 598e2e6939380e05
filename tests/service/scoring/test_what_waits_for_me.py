"""What waits for somebody: how they may decide, how many there are, and what records and roles are called."""

from typing import Any
from uuid import UUID

import pytest
from crm.resource.v1 import approvals_pb2 as pb
from crm.resource.v1 import events_pb2
from crm.resource.v1.approvals_pb2_grpc import ApprovalServiceStub
from crm_kit.directory.projection import project_role
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

from tests.service.approving import ALL, Approval, Desk, asks, new_role, set_roles, stand_in, step
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import READER, People, asked, told
from tests.service.scoring.business import new_account

APPROVE, REJECT = Approval.Opinion.DECISION_APPROVE, Approval.Opinion.DECISION_REJECT
BOTH = [APPROVE, REJECT]


async def decisions(desk: Desk, by: User, approval: Approval) -> list[Any]:
    """How somebody may decide, which one record, the list and what waits say alike."""
    found = list((await desk.get(by, approval)).your_decisions)
    listed = {each.id: list(each.your_decisions) for each in await desk.listed(by)}
    assert listed[approval.id] == found
    assert (approval.id in await desk.waiting(by)) == bool(found)
    for decision in BOTH:
        name = Approval.Opinion.Decision.Name(decision).removeprefix("DECISION_")
        filtered = await desk.listed(by, filter=f"state = PENDING AND your_decisions:{name}")
        assert (approval.id in {each.id for each in filtered}) == (decision in found)
    return found


async def summary(scoring: Running, by: User, *group_by: str, **fields: Any) -> pb.SummarizeApprovalsResponse:
    request = pb.SummarizeApprovalsRequest(collection="credit_limits", group_by=group_by, **fields)
    stub: Any = ApprovalServiceStub(scoring.channel)
    answer: pb.SummarizeApprovalsResponse = await stub.SummarizeApprovals(request, metadata=by.metadata)
    return answer


async def test_who_is_asked_and_owns_the_record_finds_it_among_what_waits_and_may_say_no_alone(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    await desk.policy(user, asks(step(user, people.boss)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    assert await decisions(desk, user, approval) == [REJECT]
    assert await decisions(desk, people.boss, approval) == BOTH
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(user, approval)
    # The submitter sees it, and it does not wait for them.
    assert list(approval.your_decisions) == []
    assert await decisions(desk, people.rep, approval) == []
    rejected = await desk.reject(user, approval)
    assert (rejected.state, list(rejected.your_decisions)) == (Approval.STATE_REJECTED, [])
    assert await decisions(desk, people.boss, approval) == []


async def test_an_answer_says_what_is_left_to_the_caller_and_an_event_nothing_of_them(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    await desk.policy(user, asks(step(people.boss, people.other, mode=ALL), step(people.boss)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    first = await desk.approve(people.boss, approval)
    assert list(first.your_decisions) == await decisions(desk, people.boss, approval) == []
    second = await desk.approve(people.other, approval)
    assert (second.current_step, list(second.your_decisions)) == (2, [])
    assert await decisions(desk, people.boss, approval) == BOTH
    handed = await desk.reassign(people.boss, approval, people.other)
    assert list(handed.your_decisions) == await decisions(desk, people.boss, approval) == []
    assert await decisions(desk, people.other, approval) == BOTH
    for name in ("ApprovalSubmitted", "ApprovalOpinionGiven", "ApprovalReassigned"):
        for event in await told(scoring, user, name):
            payload = getattr(events_pb2, name)()
            assert event.payload.Unpack(payload)
            assert list(payload.approval.your_decisions) == []
    for change in await desk.changes(user, approval):
        assert "your_decisions" not in {each.field for each in change.fields}


async def test_roles_and_deputies_decide_as_far_as_those_for_whom_they_stand(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    role = await new_role(scoring, user.tenant_id)
    await set_roles(scoring, people.boss, role)
    await desk.policy(user, asks(step(user, roles=(role,))))
    of_boss, of_owner, blind = [await scoring.user(user.tenant_id, grants=READER) for _ in range(3)]
    await stand_in(scoring, of_boss, people.boss)
    await stand_in(scoring, of_owner, user)
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    assert await decisions(desk, people.boss, approval) == BOTH
    assert await decisions(desk, of_boss, approval) == BOTH
    assert await decisions(desk, of_owner, approval) == [REJECT]
    assert await decisions(desk, blind, approval) == []
    # Who may not read it any more has no deputy who decides.
    await set_roles(scoring, people.boss, await new_role(scoring, user.tenant_id, {}), version=3)
    assert await desk.waiting(of_boss) == []


async def test_approvals_are_counted_and_added_up_as_far_as_the_caller_sees_them(
    scoring: Running, desk: Desk, user: User, people: People
) -> None:
    await desk.policy(user, asks(step(people.boss)))
    made = []
    for amount in (2000, 3000, 4000):
        account = await new_account(scoring, user.tenant_id, user)
        made.append(await desk.submit(people.rep, asked(account, amount)))
    await desk.approve(people.boss, made[0])
    assert (await desk.count(people.boss), await desk.count(people.boss, "state = PENDING")) == (3, 2)
    assert await desk.count(people.boss, "state = PENDING AND your_decisions:APPROVE") == 2
    assert await desk.count(people.other, "your_decisions:APPROVE") == 0
    by_state = await summary(scoring, people.boss, "state", sum=["amount"])
    told_of = {
        group.key["state"]: (group.count, [(each.amount.amount, each.amount.currency_code) for each in group.sums])
        for group in by_state.groups
    }
    assert told_of == {"PENDING": (2, [("7000.00", "CNY")]), "APPROVED": (1, [("2000.00", "CNY")])}
    by_submitter = await summary(scoring, people.boss, "submitter_id", filter="state = PENDING")
    assert [group.names["submitter_id"] for group in by_submitter.groups] == ["somebody"]
    # Whoever may submit and not read counts what they have submitted, and what another tenant has is nobody's.
    writer = await scoring.user(user.tenant_id, grants={"credit.write": READER["credit.read"]})
    assert await desk.count(writer) == 0
    await desk.submit(writer, asked(await new_account(scoring, user.tenant_id, user), 9000))
    assert (await desk.count(writer), (await summary(scoring, writer)).total_count) == (1, 1)
    assert await desk.count(await scoring.user()) == 0
    tried = {"group_by": summary(scoring, user, "comment"), "sum": summary(scoring, user, sum=["verb"])}
    for field, asked_for in tried.items():
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await asked_for
        assert refusal.fields == [f"{field}[0]"]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await desk.count(user, "comment = x")


async def test_records_and_roles_are_called_by_their_names(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    role = new_id()
    async with scoring.unit_of_work(user.tenant_id) as work:
        project_role(work, id=role, display_name="Finance", grants={}, version=1)
    rows = asks(step(people.boss, roles=(role,)), role_ids=[str(role)]), asks(step(people.boss))
    policy = await desk.policy(user, *rows)
    assert list(policy.rows[0].role_names) == list(policy.rows[0].steps[0].role_names) == ["Finance"]
    policies = await desk.policies(user)
    assert list(policies[0].rows[0].steps[0].role_names) == ["Finance"]
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    assert approval.record_name != ""
    assert {each.record_name for each in await desk.listed(people.boss)} == {approval.record_name}


@pytest.mark.usefixtures("policy")
async def test_summarizing_takes_groups_of_what_there_is(scoring: Running, user: User) -> None:
    assert list((await summary(scoring, user, "state", "verb", "overdue")).groups) == []


async def test_what_waits_for_somebody_is_counted_by_the_values_of_a_field_with_their_names(
    scoring: Running, desk: Desk, user: User, people: People
) -> None:
    await desk.policy(user, asks(step(people.boss)))
    other = await scoring.user(user.tenant_id, grants=READER | {"credit.write": Scope.ALL})
    for each in (people.rep, people.rep, other):
        await desk.submit(each, asked(await new_account(scoring, user.tenant_id, user), 5000))
    waiting = await desk.facets(people.boss, "submitter_id", "your_decisions:APPROVE")
    found = [(each.value, each.name, each.count) for each in waiting.values]
    assert found == [(str(people.rep.id), "somebody", 2), (str(other.id), "somebody", 1)]
    assert (waiting.total_count, waiting.exact, waiting.truncated) == (3, True, False)
    # Who is asked of nothing has nothing to count, and who submits without reading counts their own.
    outsider = await scoring.user(user.tenant_id, grants=READER)
    assert (await desk.facets(outsider, "state", "your_decisions:APPROVE")).total_count == 0
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.facets(people.boss, "comment")
    assert refusal.fields == ["field"]
