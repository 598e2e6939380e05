"""Approvals that deputies decide on in the place of who is away."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.identity.access import Scope

from tests.service.approving import ALL, Approval, Desk, asks, new_role, set_roles, stand_in, step
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import READER, People, asked
from tests.service.scoring.business import account_event, new_account, tell
from tests.service.scoring.credit import read

if TYPE_CHECKING:
    from uuid import UUID

OWN_READER = {"credit.read": Scope.OWN}


@pytest.mark.usefixtures("policy")
async def test_a_deputy_sees_and_decides_what_waits_for_who_is_away_and_the_approval_says_for_whom(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    deputy = await scoring.user(user.tenant_id, grants=OWN_READER)
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    with refused("NOT_FOUND", "APPROVAL_NOT_FOUND"):
        await desk.get(deputy, approval)
    await stand_in(scoring, deputy, people.boss)
    assert (await desk.get(deputy, approval)).id == approval.id
    assert [each.id for each in await desk.listed(deputy)] == [approval.id]
    assert [await desk.waiting(each) for each in (deputy, people.boss)] == [[approval.id], [approval.id]]
    approved = await desk.approve(deputy, approval, comment="as agreed")
    assert approved.state == Approval.STATE_APPROVED
    (opinion,) = approved.opinions
    assert (opinion.user_id, opinion.for_user_id) == (str(deputy.id), str(people.boss.id))
    assert (opinion.for_user_name, opinion.comment) == ("somebody", "as agreed")
    stub = CreditServiceStub(scoring.channel)
    assert (await read(stub, user, account_id)).set_by_id == str(people.rep.id)
    # What they have decided they go on seeing.
    assert (await desk.get(deputy, approval)).state == Approval.STATE_APPROVED


async def test_a_deputy_is_one_on_the_days_alone_where_the_tenant_is(scoring: Running) -> None:
    zone, id = "Pacific/Kiritimati", await scoring.tenant(sandbox=True)
    # 1 March 2027 begins there 14 hours before it does in London.
    midnight = datetime(2027, 3, 1, tzinfo=UTC) - timedelta(hours=14)
    user = await scoring.user(id)
    people = People(*[await scoring.user(id, grants=READER | {"credit.write": Scope.ALL}) for _ in range(3)])
    desk = Desk(scoring.channel, "credit_limits", "setLimit")
    await desk.policy(user, asks(step(people.boss)))
    approval = await desk.submit(people.rep, asked(await new_account(scoring, id, user), 5000))
    await stand_in(scoring, people.other, people.boss, days=(date(2027, 3, 1), date(2027, 3, 2)))
    version = 2
    for moment, is_deputy in (
        (midnight - timedelta(minutes=5), False),
        (midnight + timedelta(minutes=5), True),
        (midnight + timedelta(days=2, minutes=-5), True),
        (midnight + timedelta(days=2, minutes=5), False),
    ):
        ahead = moment - datetime.now(UTC)
        await scoring.know_tenant(id, sandbox=True, clock_offset=ahead, time_zone=zone, version=version)
        version += 1
        assert (await desk.waiting(people.other) == [approval.id]) == is_deputy
        if not is_deputy:
            with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
                await desk.approve(people.other, approval)
            assert refusal.metadata["rule"] == "not_asked"
    await scoring.know_tenant(id, sandbox=True, clock_offset=midnight - datetime.now(UTC), time_zone=zone, version=9)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(people.rep, approval)


@pytest.mark.usefixtures("policy")
async def test_nobody_is_the_deputy_in_another_collection_or_once_it_is_cancelled(
    scoring: Running, desk: Desk, people: People, account_id: "UUID"
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    await stand_in(scoring, people.other, people.boss, collection="orders")
    assert await desk.waiting(people.other) == []
    id = await stand_in(scoring, people.other, people.boss, collection="credit_limits")
    assert await desk.waiting(people.other) == [approval.id]
    await stand_in(scoring, people.other, people.boss, active=False, id=id, version=2)
    assert await desk.waiting(people.other) == []
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(people.other, approval)


async def test_neither_submitter_nor_owner_decides_as_deputy_or_through_one(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    role = await new_role(scoring, user.tenant_id)
    for each in (people.rep, people.boss, user):
        await set_roles(scoring, each, role)
    await desk.policy(user, asks(step(roles=(role,))))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    # The deputy of the submitter and of the owner, and these as deputies of who may decide.
    await stand_in(scoring, people.other, people.rep)
    await stand_in(scoring, people.other, user)
    await stand_in(scoring, people.rep, people.boss)
    await stand_in(scoring, user, people.boss)
    # Owning it stops a yes and never a no: it waits for the owner and for the owner's deputy, who may reject.
    for each, rule, waiting in (
        (people.other, "not_asked", [approval.id]),
        (people.rep, "own_approval", []),
        (user, "own_approval", [approval.id]),
    ):
        assert await desk.waiting(each) == waiting
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
            await desk.approve(each, approval)
        assert refusal.metadata["rule"] == rule
    # Whoever comes to own it meanwhile has no deputy who approves it either.
    await stand_in(scoring, people.other, people.boss)
    assert await desk.waiting(people.other) == [approval.id]
    await tell(scoring, account_event(user.tenant_id, account_id, owner=people.boss, version=2))
    assert (await desk.get(people.other, approval)).state == Approval.STATE_OUTDATED


async def test_a_deputy_rejects_in_the_place_of_who_owns_the_record(
    scoring: Running, desk: Desk, user: User, people: People, account_id: "UUID"
) -> None:
    await desk.policy(user, asks(step(user, people.boss)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    deputy = await scoring.user(user.tenant_id, grants=OWN_READER)
    await stand_in(scoring, deputy, user)
    assert await desk.waiting(deputy) == [approval.id]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(deputy, approval)
    rejected = await desk.reject(deputy, approval)
    assert (rejected.state, rejected.opinions[0].for_user_id) == (Approval.STATE_REJECTED, str(user.id))


@pytest.mark.usefixtures("policy")
async def test_a_deputy_of_a_deputy_has_no_part_in_it(
    scoring: Running, desk: Desk, people: People, user: User, account_id: "UUID"
) -> None:
    third = await scoring.user(user.tenant_id, grants=OWN_READER)
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    await stand_in(scoring, people.other, people.boss)
    await stand_in(scoring, third, people.other)
    assert await desk.waiting(third) == []
    with refused("NOT_FOUND", "APPROVAL_NOT_FOUND"):
        await desk.approve(third, approval)
    # Nor in place of who has left.
    await scoring.change_user(people.boss, active=False)
    assert await desk.waiting(people.other) == []


async def test_where_all_decide_a_person_counts_once_also_as_somebodys_deputy(
    scoring: Running, desk: Desk, people: People, user: User, account_id: "UUID"
) -> None:
    await desk.policy(user, asks(step(people.boss, people.other, mode=ALL)))
    await stand_in(scoring, people.other, people.boss)
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    first = await desk.approve(people.other, approval)
    assert (first.state, first.opinions[0].for_user_id) == (Approval.STATE_PENDING, "")
    assert await desk.waiting(people.other) == []
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await desk.approve(people.other, approval)
    assert refusal.metadata["rule"] == "not_asked"
    # Somebody else decides in the place of who is away.
    third = await scoring.user(user.tenant_id, grants=OWN_READER)
    await stand_in(scoring, third, people.boss)
    assert (await desk.approve(third, approval)).state == Approval.STATE_APPROVED
