"""Approvals of credit limits decided twice, by many at once, by several replicas, and by processes that die."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

import grpc
import pytest
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.database.work import UnitOfWork
from crm_kit.rpc.status import reason_of
from crm_local.port_check import free_ports
from crm_local.testing import Servers

from tests.service.approving import Approval, Desk, asks, new_role, set_roles, step
from tests.service.eventually import eventually
from tests.service.running import Running, Tokens, User, refused, running
from tests.service.scoring.approved_limits import People, asked, told
from tests.service.scoring.business import account_event, new_account, tell
from tests.service.scoring.credit import SetLimit, read

if TYPE_CHECKING:
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub


class CrashError(Exception):
    """The process ends here."""


@pytest.fixture
def stub(scoring: Running) -> "CreditServiceAsyncStub":
    return CreditServiceStub(scoring.channel)


@pytest.mark.usefixtures("policy")
async def test_the_same_request_under_a_key_takes_effect_once(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    request = asked(account_id, 5000)
    first, again = [await desk.submit(people.rep, request, key="s-1") for _ in range(2)]
    assert first == again
    approved, repeated = [await desk.approve(people.boss, first, key="a-1") for _ in range(2)]
    assert approved == repeated
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.approve(people.boss, first, key="a-2")
    assert len(await told(scoring, user, "CreditLimitSet")) == 1


async def test_of_twenty_decisions_at_once_one_moves_the_limit(
    scoring: Running, stub: "CreditServiceAsyncStub", desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    role = await new_role(scoring, user.tenant_id)
    deciders = [await scoring.user(user.tenant_id) for _ in range(20)]
    for each in deciders:
        await set_roles(scoring, each, role)
    await desk.policy(user, asks(step(roles=(role,))))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    calls = [(desk.reject if index % 4 == 3 else desk.approve)(each, approval) for index, each in enumerate(deciders)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    (decided,) = [each for each in answers if isinstance(each, Approval)]
    assert len(decided.opinions) == 1
    moved = [
        len(await told(scoring, user, name)) for name in ("CreditLimitSet", "ApprovalApproved", "ApprovalRejected")
    ]
    assert moved in ([1, 1, 0], [0, 0, 1])
    assert await desk.get(user, approval) == decided
    assert (await read(stub, user, account_id)).HasField("amount") == (decided.state == Approval.STATE_APPROVED)


@pytest.mark.usefixtures("policy")
async def test_what_is_handed_on_and_decided_at_once_is_the_one_or_the_other(
    scoring: Running, desk: Desk, user: User, people: People
) -> None:
    for _ in range(5):
        approval = await desk.submit(people.rep, asked(await new_account(scoring, user.tenant_id, user), 5000))
        calls = desk.approve(people.boss, approval), desk.reassign(people.boss, approval, people.other)
        answers = await asyncio.gather(*calls, return_exceptions=True)
        (done,) = [each for each in answers if isinstance(each, Approval)]
        now = await desk.get(user, approval)
        assert now == done
        is_handed = now.state == Approval.STATE_PENDING
        assert (len(now.reassignments), len(now.opinions)) == ((1, 0) if is_handed else (0, 1))
        assert (approval.id in await desk.waiting(people.other)) == is_handed


@pytest.mark.usefixtures("policy")
async def test_a_limit_that_is_set_while_it_is_decided_is_either_before_or_after(
    stub: "CreditServiceAsyncStub", desk: Desk, user: User, people: People, account_id: UUID, set_limit: SetLimit
) -> None:
    for _ in range(5):
        approval = await desk.submit(people.rep, asked(account_id, 5000))
        await asyncio.gather(desk.approve(people.boss, approval), set_limit(900), return_exceptions=True)
        limit = await read(stub, user, account_id)
        assert limit.amount.amount == "900.00"
        ended = await desk.get(user, approval)
        assert ended.state in (Approval.STATE_APPROVED, Approval.STATE_OUTDATED)
        await set_limit(100)


async def test_what_was_no_raise_when_it_was_asked_for_is_none_when_it_holds(
    stub: "CreditServiceAsyncStub", desk: Desk, user: User, people: People, account_id: UUID, set_limit: SetLimit
) -> None:
    """4,000 is less than 5,000 and more than 100: whichever comes first, it never follows on 100."""
    await set_limit(5000)
    ended = await desk.policy(user, asks(step(people.boss)))
    for _ in range(10):
        await asyncio.gather(set_limit(100), set_limit(4000), return_exceptions=True)
        assert (await read(stub, user, account_id)).amount.amount == "100.00"
        await desk.on_policy("ArchiveApprovalPolicy", user, ended.id)
        await set_limit(5000)
        await desk.on_policy("RestoreApprovalPolicy", user, ended.id)


@pytest.mark.usefixtures("policy")
async def test_of_many_submitted_at_once_one_is_pending(desk: Desk, people: People, account_id: UUID) -> None:
    answers = await asyncio.gather(
        *(desk.submit(people.rep, asked(account_id, 5000 + index)) for index in range(8)), return_exceptions=True
    )
    (made,) = [each for each in answers if isinstance(each, Approval)]
    assert await desk.waiting(people.boss) == [made.id]


@pytest.fixture(scope="module")
async def second(servers: Servers, tokens: Tokens, scoring: Running) -> AsyncIterator[Running]:
    """Another replica of the service."""
    async with running("scoring", servers, tokens, listen_address=f"127.0.0.1:{free_ports().scoring}") as service:
        assert scoring.channel is not service.channel
        yield service


@pytest.mark.usefixtures("policy")
async def test_two_replicas_that_decide_at_once_move_the_limit_once(
    scoring: Running,
    second: Running,
    stub: "CreditServiceAsyncStub",
    desk: Desk,
    user: User,
    people: People,
    account_id: UUID,
) -> None:
    there = Desk(second.channel, desk.collection, desk.verb)
    for amount in (5000, 6000, 7000, 8000):
        approval = await desk.submit(people.rep, asked(account_id, amount))
        calls = [each.approve(people.boss, approval) for each in (desk, there, desk, there)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        (decided,) = [each for each in answers if isinstance(each, Approval)]
        assert len(decided.opinions) == 1
        assert (await read(stub, user, account_id)).amount.amount == f"{amount}.00"
    assert [len(await told(scoring, user, name)) for name in ("CreditLimitSet", "ApprovalApproved")] == [4, 4]


async def test_a_policy_holds_in_every_replica_within_a_second(
    second: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    there: CreditServiceAsyncStub = CreditServiceStub(second.channel)
    await there.SetCreditLimit(asked(account_id, 1), metadata=user.metadata)
    await desk.policy(user, asks(step(people.boss)))

    async def holds() -> bool:
        try:
            await there.SetCreditLimit(asked(account_id, 1000), metadata=user.metadata)
        except grpc.aio.AioRpcError as error:
            return reason_of(error) == "APPROVAL_REQUIRED"
        await there.SetCreditLimit(asked(account_id, 1), metadata=user.metadata)
        return False

    await eventually(holds)


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize("before_commit", [True, False], ids=["before it is true", "before it answers"])
async def test_a_process_that_dies_while_it_decides_leaves_all_of_it_or_nothing(
    monkeypatch: pytest.MonkeyPatch,
    scoring: Running,
    stub: "CreditServiceAsyncStub",
    desk: Desk,
    user: User,
    people: People,
    account_id: UUID,
    before_commit: bool,
) -> None:
    """Asked again under the same key, it is submitted once and moves once."""
    commit = UnitOfWork.commit

    async def dies(work: UnitOfWork) -> None:
        if not before_commit:
            await commit(work)
        raise CrashError

    async def broken_off(call: Callable[[], Awaitable[Approval]]) -> Approval:
        with monkeypatch.context() as patched, refused("INTERNAL", "INTERNAL"):
            patched.setattr(UnitOfWork, "commit", dies)
            await call()
        return await call()

    approval = await broken_off(lambda: desk.submit(people.rep, asked(account_id, 5000), key="s"))
    assert [each.id for each in await desk.listed(user)] == [approval.id]
    approved = await broken_off(lambda: desk.approve(people.boss, approval, key="a"))
    assert (approved.state, len(approved.opinions)) == (Approval.STATE_APPROVED, 1)
    assert (await read(stub, user, account_id)).etag == "v1"
    names = ("CreditLimitSet", "ApprovalSubmitted", "ApprovalApproved")
    assert [len(await told(scoring, user, name)) for name in names] == [1, 1, 1]


@pytest.mark.usefixtures("policy")
async def test_what_is_submitted_while_the_record_changes_or_goes_to_another_waits_for_nobody_in_vain(
    scoring: Running, desk: Desk, user: User, people: People, set_limit: SetLimit
) -> None:
    """Whichever is first: what is pending in the end is about the record as it is."""
    for turn in range(6):
        account = await new_account(scoring, user.tenant_id, user)
        owned = account_event(user.tenant_id, account, owner=people.boss, version=2)
        change = tell(scoring, owned) if turn % 2 else set_limit(900, of=account)
        await asyncio.gather(desk.submit(people.rep, asked(account, 5000)), change, return_exceptions=True)

        async def is_settled(account: UUID = account) -> bool:
            pending = await desk.listed(user, filter=f'state = PENDING AND record_id = "{account}"')
            now = await read(CreditServiceStub(scoring.channel), user, account)
            return all(each.record_etag == now.etag for each in pending)

        await eventually(is_settled)
        pending = await desk.listed(user, filter=f'state = PENDING AND record_id = "{account}"')
        if turn % 2:
            assert {each.owner_id for each in pending} <= {str(people.boss.id)}
