"""Who decides instead of those whom a policy names: the leaders of teams, and whom an approval is reassigned to."""

from typing import TYPE_CHECKING, Any

import pytest
from crm.resource.v1.approval_policies_pb2 import ApprovalPolicy
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.identity.access import Scope

from tests.service.approving import ALL, Approval, Desk, asks, new_role, set_roles, step
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import READER, People, asked, told
from tests.service.scoring.business import new_account
from tests.service.scoring.credit import read

if TYPE_CHECKING:
    from uuid import UUID

    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub

WRITER = READER | {"credit.write": Scope.ALL}
SUBMITTER, OWNER = ApprovalPolicy.PARTY_SUBMITTER, ApprovalPolicy.PARTY_OWNER


@pytest.mark.usefixtures("policy")
async def test_who_is_asked_has_somebody_else_decide_and_the_reason_is_kept(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await desk.reassign(people.boss, approval, people.other, comment=" ")
    handed = await desk.reassign(people.boss, approval, people.other, etag=approval.etag, key="once")
    assert await desk.reassign(people.boss, approval, people.other, etag=approval.etag, key="once") == handed
    assert list(handed.steps[0].user_ids) == [str(people.other.id)]
    (entry,) = handed.reassignments
    assert (entry.step, list(entry.from_ids), entry.to_user_id) == (1, [str(people.boss.id)], str(people.other.id))
    assert (list(entry.from_user_ids), list(entry.from_user_names)) == ([str(people.boss.id)], ["somebody"])
    assert (entry.user_id, entry.comment, entry.to_user_name) == (str(people.boss.id), "knows them better", "somebody")
    assert [await desk.waiting(each) for each in (people.boss, people.other)] == [[], [approval.id]]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(people.boss, approval)
    # Who was asked still sees what became of it.
    assert (await desk.get(people.boss, approval)).reassignments == handed.reassignments
    assert (await desk.approve(people.other, approval)).state == Approval.STATE_APPROVED
    assert len(await told(scoring, user, "ApprovalReassigned")) == 1
    assert [each.action for each in await desk.changes(user, approval)] == ["APPROVED", "REASSIGNED", "CREATED"]
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.reassign(people.other, approval, people.boss)


@pytest.mark.usefixtures("policy")
async def test_nobody_gets_it_who_could_not_decide(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    gone, blind = [await scoring.user(user.tenant_id, grants={"accounts.read": Scope.ALL}) for _ in range(2)]
    await scoring.change_user(gone, active=False)
    stranger = await scoring.user()
    before = await desk.get(people.boss, approval)
    for to, reason in (
        (people.rep, "INVALID_ARGUMENT"),
        (user, "INVALID_ARGUMENT"),
        (people.boss, "INVALID_ARGUMENT"),
        (gone, "REFERENCE_NOT_FOUND"),
        (stranger, "REFERENCE_NOT_FOUND"),
        (blind, "ASSIGNMENT_NOT_ALLOWED"),
    ):
        with refused("INVALID_ARGUMENT", reason) as refusal:
            await desk.reassign(people.boss, approval, to)
        assert refusal.fields == ["to_user_id"]
    assert await desk.get(people.boss, approval) == before


@pytest.mark.usefixtures("policy")
async def test_only_who_is_asked_and_who_changes_policies_reassigns(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    # Its owner may do everything, and may not choose who decides.
    for each, rule in ((people.other, "not_asked"), (people.rep, "own_approval"), (user, "own_approval")):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
            await desk.reassign(each, approval, people.other)
        assert refusal.metadata["rule"] == rule
    administrator = await scoring.user(user.tenant_id)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.reassign(administrator, approval, people.other, from_id=str(people.rep.id))
    assert refusal.fields == ["from_id"]
    handed = await desk.reassign(administrator, approval, people.other, from_id=str(people.boss.id))
    assert list(handed.steps[0].user_ids) == [str(people.other.id)]


async def test_who_is_asked_as_one_of_a_role_hands_on_what_the_role_was_asked(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    role = await new_role(scoring, user.tenant_id, READER)
    await set_roles(scoring, people.boss, role)
    colleague, third = [await scoring.user(user.tenant_id, grants=READER) for _ in range(2)]
    await set_roles(scoring, colleague, role)
    await desk.policy(user, asks(step(third, roles=(role,), mode=ALL)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    handed = await desk.reassign(people.boss, approval, people.other)
    assert (list(handed.steps[0].role_ids), list(handed.reassignments[0].from_ids)) == ([], [str(role)])
    assert [await desk.waiting(each) for each in (colleague, people.other)] == [[], [approval.id]]
    await desk.approve(third, approval)
    # Who has been heard is not heard again in place of others.
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await desk.reassign(people.other, approval, third)
    assert (await desk.approve(people.other, approval)).state == Approval.STATE_APPROVED


@pytest.mark.usefixtures("policy")
async def test_an_approval_that_nobody_can_decide_any_more_says_so_and_goes_on_once_it_is_reassigned(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    other = await desk.submit(people.rep, asked(await new_account(scoring, user.tenant_id, user), 5000))
    handed = await desk.reassign(people.boss, other, people.other)
    assert not (approval.approvers_missing or handed.approvers_missing)
    await scoring.change_user(people.boss, active=False)
    assert (await desk.get(user, approval)).approvers_missing
    found = await desk.listed(user, filter="state = PENDING AND approvers_missing = true")
    assert [each.id for each in found] == [approval.id]
    administrator = await scoring.user(user.tenant_id)
    assert not (await desk.reassign(administrator, approval, people.other)).approvers_missing
    assert await desk.listed(user, filter="approvers_missing = true") == []
    assert (await desk.approve(people.other, approval)).state == Approval.STATE_APPROVED
    # Who only lost the right to read is as little there.
    await scoring.change_user(people.other, active=True)
    assert (await desk.get(user, other)).approvers_missing


# --- leaders of teams


async def led_policy(desk: Desk, user: User, *parties: Any) -> Any:
    return await desk.policy(user, asks(step(team_leaders_of=parties)))


async def test_the_leader_of_the_submitters_team_decides_or_the_next_above_who_may(
    scoring: Running, desk: Desk, user: User, account_id: "UUID"
) -> None:
    tenant = user.tenant_id
    head = await scoring.user(tenant, grants=READER)
    top = await scoring.team(tenant, leader=head)
    # Between them one without a leader, and two whose leaders have left and may not read of credit.
    gone, blind = await scoring.user(tenant, grants=READER), await scoring.user(tenant, grants={})
    await scoring.change_user(gone, active=False)
    upper = await scoring.team(tenant, top, leader=gone)
    middle = await scoring.team(tenant, await scoring.team(tenant, upper, leader=blind))
    await led_policy(desk, user, SUBMITTER)
    rep = await scoring.user(tenant, grants=WRITER, team_id=middle)
    approval = await desk.submit(rep, asked(account_id, 5000))
    assert list(approval.steps[0].user_ids) == [str(head.id)]
    assert list(approval.steps[0].team_leaders_of) == [SUBMITTER]
    assert await desk.waiting(head) == [approval.id]
    assert (await desk.approve(head, approval)).state == Approval.STATE_APPROVED


async def test_leaders_ask_who_is_above_them_and_nobody_decides_where_nobody_is(
    scoring: Running, desk: Desk, user: User, account_id: "UUID"
) -> None:
    tenant = user.tenant_id
    head, lead, rep = [await scoring.user(tenant, grants=WRITER) for _ in range(3)]
    top = await scoring.team(tenant, leader=head)
    team = await scoring.team(tenant, top, leader=lead)
    role = await new_role(scoring, tenant, WRITER)
    await set_roles(scoring, head, role, team_id=top)
    await set_roles(scoring, lead, role, team_id=team)
    await led_policy(desk, user, SUBMITTER)
    approval = await desk.submit(lead, asked(account_id, 5000))
    assert list(approval.steps[0].user_ids) == [str(head.id)]
    await desk.withdraw(lead, approval)
    for nobody_above in (head, rep):
        with refused("FAILED_PRECONDITION", "APPROVERS_MISSING"):
            await desk.submit(nobody_above, asked(account_id, 5000))


async def test_the_leader_of_the_owners_team_decides(
    scoring: Running, desk: Desk, stub: "CreditServiceAsyncStub", user: User
) -> None:
    tenant = user.tenant_id
    lead, rep = await scoring.user(tenant, grants=READER), await scoring.user(tenant, grants=WRITER)
    owner = await scoring.user(tenant, team_id=await scoring.team(tenant, leader=lead))
    account = await new_account(scoring, tenant, owner)
    await led_policy(desk, user, OWNER)
    approval = await desk.submit(rep, asked(account, 5000))
    assert list(approval.steps[0].user_ids) == [str(lead.id)]
    await desk.approve(lead, approval)
    assert (await read(stub, user, account)).amount.amount == "5000.00"


@pytest.fixture
def stub(scoring: Running) -> "CreditServiceAsyncStub":
    return CreditServiceStub(scoring.channel)
