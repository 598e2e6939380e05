"""Each record of a job has one turn: whoever dies, whoever else is at it, and whenever somebody stops the job."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import jobs_pb2 as pb
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict, Unavailable
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.jobs.worker import JobWorker, OvertakenError
from crm_kit.plumbing import job_records
from crm_kit.rpc.status import reason_of
from crm_local.port_check import free_ports
from crm_local.testing import Servers
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from tests.service.bulk_changing import CANCELLED, RUNNING, SUCCEEDED, Jobs, held_up, worker
from tests.service.customer.customers import new_account
from tests.service.customer.told import told_of
from tests.service.eventually import eventually
from tests.service.running import Running, Tokens, User, running

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

STEEL = 'industry = "steel"'
ALL_STATES = "status != MERGED"


class KilledError(BaseException):
    """The process ends here: nothing in it hears of that."""


# Whether what runs belongs to the process that dies: others in this one go on.
MORTAL: ContextVar[bool] = ContextVar("mortal", default=False)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def jobs(customer: Running) -> Jobs:
    return Jobs(customer)


@pytest.fixture(scope="module")
async def second(servers: Servers, tokens: Tokens, customer: Running) -> AsyncIterator[Running]:
    """Another replica of the service."""
    async with running("customer", servers, tokens, listen_address=f"127.0.0.1:{free_ports().customer}") as service:
        assert customer.channel is not service.channel
        yield service


async def works(customer: Running, by: User, count: int) -> list[str]:
    """Ids of so many accounts in steel."""
    return [(await new_account(customer, by, industry="steel")).id for _ in range(count)]


async def updates_of(customer: Running, by: User, id: str) -> int:
    """How often it was told that the account was updated: each version has one event."""
    told = await told_of(customer, by.tenant_id, id)
    return sum(isinstance(each, events_pb2.AccountUpdated) for each in told)


async def turns(own: JobWorker, by: User, job: pb.Job) -> None:
    """One turn, as the worker has it: what others do meanwhile is left to the next."""
    with contextlib.suppress(Conflict, OvertakenError, Unavailable):
        await own.take_turn(by.tenant_id, UUID(job.id))


@pytest.mark.parametrize("seed", range(4))
async def test_wherever_a_process_dies_no_record_is_left_out_and_none_is_changed_twice(
    customer: Running, jobs: Jobs, user: User, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await works(customer, user, 9)
    dice, commit, deaths = random.Random(seed), UnitOfWork.commit, 0

    async def deadly(work: UnitOfWork) -> None:
        nonlocal deaths
        if not MORTAL.get():
            await commit(work)
            return
        if dice.random() < 0.3:
            deaths += 1
            raise KilledError
        await commit(work)
        if dice.random() < 0.3:
            deaths += 1
            raise KilledError

    monkeypatch.setattr("crm_kit.jobs.worker.BATCH", 4)
    async with held_up(customer, user.tenant_id):
        job = await jobs.begin(user, STEEL, 9, industry="power")
        while (await jobs.get(user, job)).state in (pb.Job.STATE_QUEUED, RUNNING):
            with monkeypatch.context() as patched:
                patched.setattr(UnitOfWork, "commit", deadly)
                mortal = MORTAL.set(True)
                try:
                    # A process of its own, which remembers nothing.
                    await turns(worker(customer), user, job)
                except KilledError:
                    continue
                finally:
                    MORTAL.reset(mortal)
    ended = await jobs.get(user, job)
    assert deaths > 3
    assert (ended.state, ended.changed_count, ended.done_count) == (SUCCEEDED, 9, 9)
    assert [await updates_of(customer, user, id) for id in ids] == [1] * 9
    assert [each.record_id for each in await jobs.results(user, ended)] == ids


async def test_replicas_that_are_at_the_same_job_at_once_change_each_record_once(
    customer: Running, second: Running, jobs: Jobs, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await works(customer, user, 12)
    monkeypatch.setattr("crm_kit.jobs.worker.BATCH", 5)
    async with held_up(customer, user.tenant_id):
        job = await jobs.begin(user, STEEL, 12, industry="power")
        own = [worker(customer), worker(customer), worker(second)]
        while (await jobs.get(user, job)).state in (pb.Job.STATE_QUEUED, RUNNING):
            await asyncio.gather(*(turns(each, user, job) for each in own))
    ended = await jobs.get(user, job)
    assert (ended.state, ended.changed_count, ended.failed_count) == (SUCCEEDED, 12, 0)
    assert [await updates_of(customer, user, id) for id in ids] == [1] * 12


async def test_what_others_change_at_the_same_time_is_kept(customer: Running, jobs: Jobs, user: User) -> None:
    ids = await works(customer, user, 6)
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    job = await jobs.begin(user, STEEL, 6, industry="power")

    async def tag(id: str) -> None:
        account = accounts_pb2.Account(id=id, tags=["vip"])
        request = accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=["tags"]))
        await stub.UpdateAccount(request, metadata=user.metadata)

    await asyncio.gather(*map(tag, ids))
    assert (await jobs.ended(user, job)).changed_count == 6
    for id in ids:
        now = await stub.GetAccount(accounts_pb2.GetAccountRequest(id=id), metadata=user.metadata)
        assert (now.industry, list(now.tags)) == ("power", ["vip"])


async def test_once_a_job_is_cancelled_nothing_is_changed_any_more_and_its_counters_are_exact(
    customer: Running, jobs: Jobs, user: User
) -> None:
    ids = await works(customer, user, 30)
    job = await jobs.begin(user, STEEL, 30, industry="power")

    async def under_way() -> bool:
        return len(await jobs.results(user, job)) > 3

    await eventually(under_way)
    stopped = await jobs.cancel(user, job)
    changed = [await updates_of(customer, user, id) for id in ids]
    assert stopped.state == CANCELLED
    assert stopped.changed_count == sum(changed) > 3
    assert stopped.skipped_count == 30 - stopped.done_count
    assert len(await jobs.results(user, job)) == stopped.done_count
    # The worker had the job in hand: it has let go of it by the next one's end.
    await jobs.ended(user, await jobs.begin(user, "", 30, tags=["seen"]))
    assert await jobs.get(user, job) == stopped


async def test_a_job_whose_records_are_kept_no_longer_has_failed(
    customer: Running, jobs: Jobs, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await works(customer, user, 3)
    monkeypatch.setattr("crm_kit.jobs.worker.BATCH", 1)
    async with held_up(customer, user.tenant_id):
        job = await jobs.begin(user, STEEL, 3, industry="power")
        async with customer.unit_of_work(user.tenant_id) as work:
            for position in (2, 3):
                work.delete(job_records, job_id=UUID(job.id), position=position)
        await turns(worker(customer), user, job)
    ended = await jobs.get(user, job)
    assert (ended.state, ended.failure_reason) == (pb.Job.STATE_FAILED, "ILLEGAL_STATE")
    assert (ended.changed_count, ended.skipped_count) == (1, 2)


CHANGES: Sequence[tuple[str, Mapping[str, Any]]] = [
    ("update", {"industry": "power", "tags": ["vip"]}),
    ("update", {"display_name": "同一个名字", "website": None}),
    ("update", {"owner_id": "me"}),
    ("changeStatus", {"status": "ACTIVE"}),
    ("archive", {}),
    ("restore", {}),
]


@pytest.mark.parametrize(("verb", "asked"), CHANGES, ids=[f"{verb}-{at}" for at, (verb, _) in enumerate(CHANGES)])
async def test_a_bulk_change_does_what_single_requests_would_do_one_after_the_other(
    customer: Running, jobs: Jobs, verb: str, asked: Mapping[str, Any]
) -> None:
    """The oracle is the API itself: the same records in another tenant, each changed by a request of its own."""
    in_bulk, singly = [await seller_among(customer) for _ in range(2)]
    job = await jobs.begin(in_bulk, ALL_STATES, 10, verb, **named(asked, in_bulk))
    ended = await jobs.ended(in_bulk, job)
    results = await jobs.results(in_bulk, ended)
    expected = [
        await changed_singly(customer, singly, id, verb, named(asked, singly)) for id in await ids_of(customer, singly)
    ]
    assert [each.reason for each in results] == expected
    assert await states_of(customer, in_bulk) == await states_of(customer, singly)
    assert ended.failed_count == sum(bool(each) for each in expected)


async def seller_among(customer: Running) -> User:
    """Somebody who reads ten accounts of a tenant, of which they may change eight; some are archived."""
    admin = await customer.user()
    grants = {"accounts.read": Scope.ALL, "accounts.write": Scope.OWN, "accounts.archive": Scope.OWN}
    seller = await customer.user(admin.tenant_id, grants=grants)
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    for at in range(10):
        by = admin if at in (2, 7) else seller
        account = await new_account(customer, by, display_name=f"客户{at}", industry="steel" if at % 2 else "power")
        if at % 3 == 0:
            await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=account.id), metadata=admin.metadata)
    return seller


def named(asked: Mapping[str, Any], user: User) -> dict[str, Any]:
    return {name: str(user.id) if value == "me" else value for name, value in asked.items()}


async def accounts_of(customer: Running, by: User) -> list[accounts_pb2.Account]:
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    request = accounts_pb2.ListAccountsRequest(page_size=200, order_by="id", filter=ALL_STATES)
    return list((await stub.ListAccounts(request, metadata=by.metadata)).accounts)


async def ids_of(customer: Running, by: User) -> list[str]:
    return [each.id for each in await accounts_of(customer, by)]


async def states_of(customer: Running, by: User) -> list[tuple[Any, ...]]:
    """All that a change could have changed, by which nobody tells one tenant from another."""
    return [
        (
            each.display_name,
            each.industry,
            each.status,
            tuple(each.tags),
            each.website,
            each.etag,
            each.owner_id == str(by.id),
        )
        for each in await accounts_of(customer, by)
    ]


async def changed_singly(customer: Running, by: User, id: str, verb: str, asked: Mapping[str, Any]) -> str:
    """Why a request of its own was refused; empty where it was not."""
    stub: Any = AccountServiceStub(customer.channel)
    call, request = single(id, verb, asked)
    try:
        await getattr(stub, call)(request, metadata=by.metadata)
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return ""


def single(id: str, verb: str, asked: Mapping[str, Any]) -> tuple[str, Message]:
    """The call of one record, as its own client writes it."""
    if verb == "update":
        set_to = {name: value for name, value in asked.items() if value is not None}
        account = ParseDict(set_to, accounts_pb2.Account(id=id))
        mask = FieldMask(paths=list(asked))
        return "UpdateAccount", accounts_pb2.UpdateAccountRequest(account=account, update_mask=mask)
    if verb == "changeStatus":
        status = accounts_pb2.Account.Status.Value(f"STATUS_{asked['status']}")
        return "ChangeAccountStatus", accounts_pb2.ChangeAccountStatusRequest(id=id, status=status)
    call = f"{verb.title()}Account"
    return call, getattr(accounts_pb2, f"{call}Request")(id=id)


async def test_a_tenants_thousands_keep_no_other_tenant_waiting(customer: Running, jobs: Jobs, user: User) -> None:
    """However many records one has, another's single one is done in between."""
    other = await customer.user()
    await new_account(customer, other, industry="steel")
    count = 3000
    async with customer.unit_of_work(user.tenant_id) as work:
        one = await new_account(customer, user, industry="steel")
        row = await ACCOUNTS.get(work, UUID(one.id))
        for _ in range(count - 1):
            ACCOUNTS.create(work, replace(row, id=new_id(), version=1))
        await work.flush_many()
    many = await jobs.begin(user, STEEL, count, industry="power")
    few = await jobs.ended(other, await jobs.begin(other, STEEL, 1, industry="power"))
    assert (few.state, few.changed_count) == (SUCCEEDED, 1)
    stopped = await jobs.cancel(user, many)
    assert stopped.skipped_count > 0
