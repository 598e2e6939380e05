"""Approvals that ask somebody who may not approve: nobody is passed over for submitting, or for owning the record."""

from uuid import UUID

import pytest
from crm.resource.v1.approval_policies_pb2 import ApprovalPolicy
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.identity.access import Scope

from tests.service.approving import ALL, Approval, Desk, asks, new_role, set_roles, step
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import READER, People, asked
from tests.service.scoring.business import account_event, new_account, tell
from tests.service.scoring.credit import read


async def test_who_is_made_the_owner_while_all_are_asked_ends_it_and_nobody_approves_without_them(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    await desk.policy(user, asks(step(people.boss, people.other, mode=ALL)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    await tell(scoring, account_event(user.tenant_id, account_id, owner=people.boss, version=2))
    assert (await desk.get(people.boss, approval)).state == Approval.STATE_OUTDATED
    # Asked for again, the boss is the owner, and the other one alone is not all.
    with refused("FAILED_PRECONDITION", "APPROVERS_MISSING") as refusal:
        await desk.submit(people.rep, asked(account_id, 5000))
    assert refusal.metadata["step"] == "1"
    # And so it is of a record that was the boss's from the beginning.
    with refused("FAILED_PRECONDITION", "APPROVERS_MISSING"):
        await desk.submit(people.rep, asked(await new_account(scoring, user.tenant_id, people.boss), 5000))


async def test_with_a_new_owner_it_is_not_what_was_shown_whoever_approved_before(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    await desk.policy(user, asks(step(people.boss), step(people.other)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    assert (await desk.approve(people.boss, approval)).current_step == 2
    await tell(scoring, account_event(user.tenant_id, account_id, owner=people.boss, version=2))
    outdated = await desk.get(user, approval)
    assert (outdated.state, len(outdated.opinions)) == (Approval.STATE_OUTDATED, 1)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.approve(people.other, approval)
    stub = CreditServiceStub(scoring.channel)
    assert not (await read(stub, user, account_id)).HasField("amount")


@pytest.mark.usefixtures("policy")
async def test_what_was_asked_of_another_owners_record_makes_room_and_a_new_owner_does_not_approve_it(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    first = await desk.submit(people.rep, asked(account_id, 5000))
    await tell(scoring, account_event(user.tenant_id, account_id, owner=people.other, version=2))
    second = await desk.submit(people.rep, asked(account_id, 5000))
    assert (await desk.get(user, first)).state == Approval.STATE_OUTDATED
    assert second.owner_id == str(people.other.id)
    await tell(scoring, account_event(user.tenant_id, account_id, owner=people.boss, version=3))
    assert (await desk.get(user, second)).state == Approval.STATE_OUTDATED


async def test_of_roles_that_all_have_to_approve_none_is_passed_over_that_the_submitter_alone_has(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    finance, legal, writer = [
        await new_role(scoring, user.tenant_id, grants)
        for grants in (READER, READER, READER | {"credit.write": Scope.ALL})
    ]
    await set_roles(scoring, people.boss, finance)
    await set_roles(scoring, people.other, legal)
    await desk.policy(user, asks(step(roles=(finance, legal), mode=ALL)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    assert not approval.approvers_missing
    # The officer's role goes to who has submitted it: it waits for somebody else of it, and says that there is none.
    await set_roles(scoring, people.other, finance, version=3)
    await set_roles(scoring, people.rep, legal, writer)
    assert [each.id for each in await desk.listed(user, filter="approvers_missing = true")] == [approval.id]
    heard = await desk.approve(people.boss, approval)
    assert (heard.state, heard.approvers_missing) == (Approval.STATE_PENDING, True)
    administrator = await scoring.user(user.tenant_id)
    handed = await desk.reassign(administrator, approval, people.other, from_id=str(legal))
    assert not handed.approvers_missing
    assert (await desk.approve(people.other, approval)).state == Approval.STATE_APPROVED
    with refused("FAILED_PRECONDITION", "APPROVERS_MISSING"):
        await desk.submit(people.rep, asked(account_id, 6000))
    # Nor is it by giving up the right to read.
    blind = await new_role(scoring, user.tenant_id, {"credit.write": Scope.ALL})
    await set_roles(scoring, people.rep, legal, blind, version=3)
    with refused("FAILED_PRECONDITION", "APPROVERS_MISSING"):
        await desk.submit(people.rep, asked(account_id, 6000))


async def test_where_a_teams_leader_is_among_all_who_approve_there_has_to_be_one(
    scoring: Running, desk: Desk, user: User, people: People
) -> None:
    leader = await scoring.user(user.tenant_id, grants=READER)
    in_team = await scoring.user(user.tenant_id, team_id=await scoring.team(user.tenant_id, leader=leader))
    await desk.policy(user, asks(step(people.boss, mode=ALL, team_leaders_of=[ApprovalPolicy.PARTY_OWNER])))
    led, free = [await new_account(scoring, user.tenant_id, owner) for owner in (in_team, user)]
    approval = await desk.submit(people.rep, asked(led, 5000))
    assert list(approval.steps[0].user_ids) == [str(people.boss.id), str(leader.id)]
    # Of a record that somebody without a team owns the boss alone would decide.
    with refused("FAILED_PRECONDITION", "APPROVERS_MISSING"):
        await desk.submit(people.rep, asked(free, 5000))


async def test_one_person_approves_several_steps_where_each_asks_them(
    desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    await desk.policy(user, asks(step(people.boss), step(people.boss, people.other)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    assert (await desk.approve(people.boss, approval)).current_step == 2
    approved = await desk.approve(people.boss, approval)
    assert (approved.state, len(approved.opinions)) == (Approval.STATE_APPROVED, 2)
