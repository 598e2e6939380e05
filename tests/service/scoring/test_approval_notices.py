"""Who is asked for an approval is told so once it waits for them, and who asked for it what became of it."""

from datetime import timedelta

import pytest
from crm_kit.identity.access import Scope

from tests.service.approving import Approval, Desk, asks, new_role, set_roles, step
from tests.service.notices import raised, told
from tests.service.running import Running, User
from tests.service.scoring.approved_limits import READER, People, asked
from tests.service.scoring.business import new_account
from tests.service.scoring.test_overdue_approvals import Office

WRITER = READER | {"credit.write": Scope.ALL}


@pytest.fixture
def desk(scoring: Running) -> Desk:
    return Desk(scoring.channel, "credit_limits", "setLimit")


@pytest.fixture
async def people(scoring: Running, user: User) -> People:
    return People(*[await scoring.user(user.tenant_id, grants=WRITER) for _ in range(3)])


@pytest.fixture
async def office(scoring: Running) -> Office:
    tenant = await scoring.tenant(sandbox=True)
    people = People(*[await scoring.user(tenant, grants=WRITER) for _ in range(3)])
    return Office(scoring, await scoring.user(tenant), people)


async def submit(scoring: Running, user: User, desk: Desk, people: People, comment: str = "") -> Approval:
    return await desk.submit(people.rep, asked(await new_account(scoring, user.tenant_id, user), 5000), comment)


async def test_each_is_told_when_it_comes_to_wait_for_them(
    scoring: Running, user: User, desk: Desk, people: People
) -> None:
    await desk.policy(user, asks(step(people.boss), step(people.other)))
    approval = await submit(scoring, user, desk, people, "they grow")
    (first,) = await raised(scoring, user.tenant_id)
    assert (first.collection, first.record_id, first.text) == ("approvals", approval.id, "they grow")
    assert first.values["what_zh"] == "核定额度"
    assert first.values["record_id"] == approval.record_id
    assert await told(scoring, people.boss) == ["APPROVAL_WAITING"]
    assert await told(scoring, people.other) == []
    await desk.approve(people.boss, approval)
    assert await told(scoring, people.other) == ["APPROVAL_WAITING"]
    assert await told(scoring, people.rep) == []
    await desk.reject(people.other, approval, "too much")
    assert await told(scoring, people.rep) == ["APPROVAL_DECIDED"]
    decided = (await raised(scoring, user.tenant_id))[-1]
    assert (decided.values["outcome"], decided.text) == ("REJECTED", "too much")
    assert await told(scoring, people.boss) == ["APPROVAL_WAITING"]


async def test_of_a_role_everybody_is_told_who_may_decide(
    scoring: Running, user: User, desk: Desk, people: People
) -> None:
    role = await new_role(scoring, user.tenant_id, dict(WRITER))
    for each in (people.rep, people.boss, people.other):
        await set_roles(scoring, each, role)
    await desk.policy(user, asks(step(roles=(role,))))
    approval = await submit(scoring, user, desk, people)
    assert await told(scoring, people.boss) == await told(scoring, people.other) == ["APPROVAL_WAITING"]
    # Who submits it does not decide.
    assert await told(scoring, people.rep) == []
    await desk.approve(people.boss, approval)
    assert await told(scoring, people.rep) == ["APPROVAL_DECIDED"]


async def test_who_takes_it_back_is_not_told_and_who_it_is_handed_to_is(
    scoring: Running, user: User, desk: Desk, people: People
) -> None:
    await desk.policy(user, asks(step(people.boss)))
    approval = await submit(scoring, user, desk, people)
    await desk.reassign(people.boss, approval, people.other)
    assert await told(scoring, people.other) == ["APPROVAL_WAITING"]
    await desk.withdraw(people.rep, approval)
    assert await told(scoring, people.rep) == []


async def test_what_is_overdue_is_told_once_to_who_is_asked_and_who_submitted_it(
    scoring: Running, office: Office
) -> None:
    people = office.people
    await office.desk.policy(office.user, asks(step(people.boss, due_hours=1)))
    approval = await office.submit()
    await office.advance(timedelta(hours=2))
    await office.found_overdue(approval)
    assert await told(scoring, people.boss) == ["APPROVAL_WAITING", "APPROVAL_OVERDUE"]
    assert await told(scoring, people.rep) == ["APPROVAL_OVERDUE"]
    assert await told(scoring, people.other) == []
