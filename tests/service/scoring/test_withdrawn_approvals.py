"""Approvals that are taken back: by who submitted them, or by an administrator where nobody else is left."""

from typing import TYPE_CHECKING

import pytest
from crm_kit.identity.access import Scope

from tests.service.approving import Approval, Desk, asks, new_role, set_roles, step
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import READER, People, asked, told
from tests.service.scoring.business import new_account

if TYPE_CHECKING:
    from uuid import UUID


@pytest.mark.usefixtures("policy")
async def test_who_submitted_it_takes_it_back_without_a_word_and_nobody_else_does(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    # Not even with the right to change the policies of some.
    partly = await scoring.user(user.tenant_id, grants=READER | {"approval_policies.write": Scope.TEAM})
    for each in (people.boss, partly):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
            await desk.withdraw(each, approval, "because")
        assert refusal.metadata["rule"] == "not_submitter"
    withdrawn = await desk.withdraw(people.rep, approval)
    assert (withdrawn.state, withdrawn.withdrawal.user_id) == (Approval.STATE_WITHDRAWN, str(people.rep.id))
    assert (withdrawn.withdrawal.user_name, withdrawn.withdrawal.comment) == ("somebody", "")
    assert await desk.waiting(people.boss) == []
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.approve(people.boss, approval)


@pytest.mark.usefixtures("policy")
async def test_what_nobody_is_left_for_is_ended_by_who_changes_policies_and_asked_for_anew(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    for gone in (people.rep, people.boss):
        await scoring.change_user(gone, active=False)
    policy = (await desk.policies(user))[0]
    policy.rows[1].steps[0].CopyFrom(step(people.other))
    await desk.change_policy(user, policy, "rows")
    rep = await scoring.user(user.tenant_id, grants=READER | {"credit.write": Scope.ALL})
    with refused("ALREADY_EXISTS", "APPROVAL_PENDING"):
        await desk.submit(rep, asked(account_id, 5000))
    # An owner says no like everybody else.
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.withdraw(user, approval, " ")
    assert refusal.fields == ["comment"]
    withdrawn = await desk.withdraw(user, approval, "they have left")
    assert (withdrawn.state, withdrawn.HasField("end_time")) == (Approval.STATE_WITHDRAWN, True)
    assert (withdrawn.withdrawal.user_id, withdrawn.withdrawal.comment) == (str(user.id), "they have left")
    assert await desk.get(user, approval) == withdrawn
    assert [(each.action, each.actor_id) for each in await desk.changes(user, approval)][:1] == [
        ("WITHDRAWN", str(user.id))
    ]
    assert len(await told(scoring, user, "ApprovalWithdrawn")) == 1
    second = await desk.submit(rep, asked(account_id, 5000))
    assert (await desk.approve(people.other, second)).state == Approval.STATE_APPROVED


@pytest.mark.usefixtures("policy")
async def test_who_may_set_limits_and_not_read_them_reads_and_takes_back_what_they_submitted_and_nothing_else(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    writers = [await scoring.user(user.tenant_id, grants={"credit.write": Scope.ALL}) for _ in range(2)]
    writer, other = writers
    approval = await desk.submit(writer, asked(account_id, 5000))
    others = await desk.submit(people.rep, asked(await new_account(scoring, user.tenant_id, user), 5000))
    assert await desk.get(writer, approval) == approval
    assert len(await desk.changes(writer, approval)) == 1
    assert [each.id for each in await desk.listed(writer)] == [approval.id]
    assert await desk.listed(other) == []
    assert {each.id for each in await desk.listed(people.rep)} == {approval.id, others.id}
    for attempt in (desk.get, desk.withdraw, desk.changes):
        with refused("NOT_FOUND", "APPROVAL_NOT_FOUND"):
            await attempt(other, approval)
    # To decide takes the permission to read, also of who would be asked.
    for decide in (desk.approve, desk.reject):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await decide(writer, approval)
    assert (await desk.withdraw(writer, approval)).state == Approval.STATE_WITHDRAWN


async def test_a_policy_asks_nobody_who_may_not_read_what_is_asked_about(
    scoring: Running, desk: Desk, user: User, people: People
) -> None:
    blind = await scoring.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    blind_role = await new_role(scoring, user.tenant_id, {"accounts.read": Scope.ALL})
    await set_roles(scoring, blind, blind_role)
    for of, field in (
        (step(people.boss, blind), "user_ids[1]"),
        (step(people.boss, roles=(blind_role,)), "role_ids[0]"),
    ):
        with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED") as refusal:
            await desk.policy(user, asks(of))
        assert refusal.fields == [f"approval_policy.rows[0].steps[0].{field}"]
    made = await desk.policy(user, asks(step(people.boss)))
    # Who could when it was made, and cannot any more, may stay; and nothing is submitted to them alone.
    await scoring.change_user(people.boss, active=True)
    made.display_name = "另一个名称"
    assert (await desk.change_policy(user, made, "display_name", "rows")).display_name == "另一个名称"
    with refused("FAILED_PRECONDITION", "APPROVERS_MISSING"):
        await desk.submit(people.rep, asked(await new_account(scoring, user.tenant_id, user), 5000))
