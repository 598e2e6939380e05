"""Imports whose workers die, meet, are cancelled or refused."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, events_pb2
from crm.customer.v1 import imports_pb2 as pb
from crm_customer.imports import batch, jobs, lookups, worker
from crm_customer.imports.jobs import Job
from crm_customer.imports.worker import ImportWorker
from crm_kit.background import Tenants
from crm_kit.database.connections import Connection
from crm_kit.directory.projection import project_user
from crm_kit.ids import new_id
from crm_kit.retention import Cleaning

from tests.factories.spreadsheet import CONTACT, NUMBER, make_customer_spreadsheet
from tests.service.customer.imports.calls import (
    ENDED,
    Run,
    SetAside,
    Upload,
    all_accounts,
    another_worker,
    as_csv,
    counts,
    errors_of,
    good_numbers,
    numbers_of,
    written_of,
)
from tests.service.customer.told import as_of, events_of, told_of
from tests.service.eventually import eventually
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


class Killer:
    """Ends a worker at one of its statements, before it is sent or after it was answered, however fast the machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._victim: asyncio.Task[Any] | None = None
        self._left = 0
        self._late = False
        for name in ("fetch", "execute", "executemany"):
            monkeypatch.setattr(Connection, name, self._watched(getattr(Connection, name)))

    def aim(self, victim: asyncio.Task[Any], statement: int, *, late: bool) -> None:
        """At its n-th statement from now on."""
        self._victim, self._left, self._late = victim, statement, late

    def _watched(self, send: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def watched(connection: Connection, *args: Any, **kwargs: Any) -> Any:
            victim = self._victim if asyncio.current_task() is self._victim else None
            self._left -= victim is not None
            if victim is None or self._left != 0:
                return await send(connection, *args, **kwargs)
            if not self._late:
                victim.cancel()
            answer = await send(connection, *args, **kwargs)
            victim.cancel()
            return answer

        return watched


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_however_often_workers_die_in_the_middle_each_row_is_there_once(
    seed: int,
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    contacts: "ContactServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: SetAside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "BATCH", 7)
    killer = Killer(monkeypatch)
    made = make_customer_spreadsheet(rows=120, bad_rows=9, seed=seed)
    job = await set_aside(made.csv())
    source = random.Random(seed)
    steps: list[int] = []
    while True:
        dying = asyncio.create_task(another_worker(customer).carry_out(job))
        killer.aim(dying, source.randrange(1, 60), late=source.random() < 0.5)
        await asyncio.wait({dying})
        if not dying.cancelled():
            await dying
            break
        now = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
        steps.append(now.rows_read)
        assert len(await all_accounts(accounts, user)) == now.created_count
    assert any(0 < step < 120 for step in steps), steps
    done = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
    assert (done.state, counts(done)) == (pb.Import.STATE_SUCCEEDED, (111, 0, 0, 9))
    assert numbers_of(await all_accounts(accounts, user)) == good_numbers(made)
    told = await errors_of(imports, user, done.id)
    assert [(each.row_number, each.reason) for each in told] == [(each.row_number, each.reason) for each in made.errors]
    with_contact = [row[NUMBER] for row in made.rows if row[CONTACT] and row[NUMBER] in good_numbers(made)]
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(page_size=200), metadata=user.metadata)
    assert len(page.contacts) == len(set(with_contact))
    for noun, found in (("account", await all_accounts(accounts, user)), ("contact", page.contacts)):
        once = ["1 CREATED", f"1 {noun.capitalize()}Created"]
        assert await written_of(customer, user.tenant_id, noun) == {each.id: once for each in found}


async def test_two_workers_on_one_import_double_nothing(
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: SetAside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "BATCH", 10)
    made = make_customer_spreadsheet(rows=100, bad_rows=5, seed=11)
    job = await set_aside(made.csv())

    async def ended() -> bool:
        now = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
        return now.state in ENDED

    while not await ended():
        await asyncio.gather(*(another_worker(customer).carry_out(job) for _ in range(2)))
    done = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
    assert (done.state, counts(done)) == (pb.Import.STATE_SUCCEEDED, (95, 0, 0, 5))
    assert numbers_of(await all_accounts(accounts, user)) == good_numbers(made)


async def test_an_import_that_began_in_time_is_carried_out_after_its_upload_has_expired(
    imports: "ImportServiceAsyncStub", customer: Running, user: User, set_aside: SetAside
) -> None:
    """Workers may be away for a day."""
    made = make_customer_spreadsheet(rows=20, bad_rows=0, seed=3)
    job = await set_aside(made.csv())
    await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=timedelta(days=8), version=2)
    service = customer.service
    await Cleaning(Tenants(service.database, service.clock), service.metadata, {}).clean()
    await another_worker(customer).carry_out(job)
    done = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
    assert (done.state, counts(done)) == (pb.Import.STATE_SUCCEEDED, (20, 0, 0, 0))


async def test_a_cancelled_import_stops_and_what_is_in_stays_in(
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: SetAside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "BATCH", 5)
    job = await set_aside(make_customer_spreadsheet(rows=400, bad_rows=0, seed=2).csv())
    working = asyncio.create_task(another_worker(customer).carry_out(job))

    async def some_are_in() -> bool:
        now = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
        return now.rows_read > 0

    await eventually(some_are_in)
    request = pb.CancelImportRequest(id=str(job.import_id), etag="0")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await imports.CancelImport(request, metadata=user.metadata)
    request.etag = ""
    cancelled = await imports.CancelImport(request, metadata=user.metadata)
    await working
    assert cancelled.state == pb.Import.STATE_CANCELLED
    after = await imports.GetImport(pb.GetImportRequest(id=cancelled.id), metadata=user.metadata)
    assert after == cancelled
    *_, told = await told_of(customer, user.tenant_id, cancelled.id)
    assert told == events_pb2.ImportCancelled(job=nameless(cancelled))
    assert 0 < after.created_count < 400
    assert len(await all_accounts(accounts, user)) == after.created_count
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await imports.CancelImport(request, metadata=user.metadata)


async def test_an_import_that_was_left_is_taken_over_by_the_service(
    imports: "ImportServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: SetAside,
) -> None:
    job = await set_aside("客户名称\n甲".encode())
    await jobs.release(customer.service.database, job)

    async def succeeded() -> bool:
        now = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
        return now.state == pb.Import.STATE_SUCCEEDED

    assert await eventually(succeeded)
    assert not await jobs.renew(customer.service.database, job)


async def test_one_row_that_the_database_refuses_does_not_keep_the_others_out(
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: SetAside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody takes a key after it was looked up and before the rows are written."""
    rows = [["客户编号", "客户名称"], *([f"C{number}", f"客户{number}"] for number in range(20))]
    job = await set_aside(as_csv(rows))
    real = lookups.known_accounts
    rival = accounts_pb2.Account(
        kind=accounts_pb2.Account.KIND_ORGANIZATION,
        display_name="对手",
        external_ids=[accounts_pb2.ExternalId(source="sap", value="C13")],
    )
    looked: list[int] = []

    async def looked_up(*arguments: Any) -> Any:
        known = await real(*arguments)
        if not looked:
            await accounts.CreateAccount(accounts_pb2.CreateAccountRequest(account=rival), metadata=user.metadata)
        looked.append(len(arguments[1]))
        return known

    monkeypatch.setattr(batch, "known_accounts", looked_up)
    await another_worker(customer).carry_out(job)
    done = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
    assert (done.state, counts(done)) == (pb.Import.STATE_SUCCEEDED, (19, 0, 0, 1))
    assert [(each.row_number, each.column, each.reason) for each in await errors_of(imports, user, done.id)] == [
        (15, "客户编号", "EXTERNAL_ID_TAKEN")
    ]
    assert looked[0] == 20
    found = await all_accounts(accounts, user)
    assert len(found) == 20
    written = await written_of(customer, user.tenant_id, "account")
    assert written == {each.id: ["1 CREATED", "1 AccountCreated"] for each in found}


async def test_a_right_that_is_taken_away_stops_the_import(
    imports: "ImportServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: SetAside,
) -> None:
    job = await set_aside("客户名称\n甲".encode())
    async with customer.unit_of_work(user.tenant_id) as work:
        project_user(
            work, id=user.id, login="gone", display_name="gone", active=False, team_id=None, role_ids=[], version=2
        )
    customer.service.directory.forget(user.tenant_id)
    await another_worker(customer).carry_out(job)
    other = await customer.user(user.tenant_id)
    now = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=other.metadata)
    assert (now.state, now.failure_reason) == (pb.Import.STATE_FAILED, "UNAUTHENTICATED")


async def test_each_step_of_an_import_is_told_in_the_name_of_who_made_it(
    customer: Running, user: User, run: Run
) -> None:
    job = await run([["客户名称", "邮箱"], ["甲", ""], ["", "a@b.example"]])
    created, started, opened, advanced, finished = await told_of(customer, user.tenant_id, job.id)
    assert isinstance(created, events_pb2.ImportCreated)
    assert created.job.state == pb.Import.STATE_QUEUED
    assert isinstance(started, events_pb2.ImportStarted)
    assert [each.job.HasField("rows_total") for each in (created, started)] == [False, False]
    assert started.job.start_time == job.start_time
    assert isinstance(opened, events_pb2.ImportAdvanced)
    assert (opened.job.rows_total, opened.job.rows_read, list(opened.job.mapping)) == (2, 0, list(job.mapping))
    assert isinstance(advanced, events_pb2.ImportAdvanced)
    assert counts(advanced.job) == counts(job) == (1, 0, 0, 1)
    assert finished == events_pb2.ImportFinished(job=nameless(job))
    for state in (created.job, started.job, opened.job, advanced.job, job):
        assert nameless(await as_of(customer, user, "imports", state)) == nameless(state)
    assert {event.actor_id for event in await events_of(customer, user.tenant_id, job.id)} == {str(user.id)}


async def test_an_import_that_cannot_go_on_is_told_with_its_reason(customer: Running, user: User, run: Run) -> None:
    job = await run(b"PK\x03\x04broken")
    *_, finished = await told_of(customer, user.tenant_id, job.id)
    assert finished == events_pb2.ImportFinished(job=nameless(job))
    assert (job.state, job.failure_reason) == (pb.Import.STATE_FAILED, "UPLOAD_UNREADABLE")


async def test_however_many_imports_a_tenant_has_waiting_those_of_others_come_next(
    imports: "ImportServiceAsyncStub",
    customer: Running,
    user: User,
    upload: Upload,
    set_aside: SetAside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tenant has one under way, and others from before anybody else had any."""
    claim, row = jobs.claim, as_csv([["客户名称"], ["华信"]])

    async def claims_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(jobs, "claim", claims_nothing)
    await set_aside(row)
    other = await customer.user()
    for by in (user, user, other):
        job = pb.Import(upload_id=await upload(row, by=by), mode=pb.Import.MODE_CREATE)
        await imports.CreateImport(pb.CreateImportRequest(job=job), metadata=by.metadata)
    claimed = []
    while job_claimed := await claim(customer.service.database, new_id()):
        claimed.append(job_claimed.tenant_id)
    mine = [tenant_id for tenant_id in claimed if tenant_id in (user.tenant_id, other.tenant_id)]
    assert mine == [other.tenant_id, user.tenant_id, user.tenant_id]


async def test_a_tenant_with_two_long_imports_leaves_a_worker_for_another_tenant(
    imports: "ImportServiceAsyncStub",
    customer: Running,
    user: User,
    upload: Upload,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    carry_out, claim, row = ImportWorker.carry_out, jobs.claim, as_csv([["客户名称"], ["华信"]])
    begun: list[UUID] = []
    looked: list[Job | None] = []
    go_on = asyncio.Event()

    async def carried_out(by: ImportWorker, job: Job) -> None:
        if job.tenant_id == user.tenant_id:
            begun.append(job.import_id)
            await go_on.wait()
        await carry_out(by, job)

    async def claimed(*arguments: Any, **named: Any) -> Job | None:
        looked.append(await claim(*arguments, **named))
        return looked[-1]

    async def create(by: User) -> pb.Import:
        job = pb.Import(upload_id=await upload(row, by=by), mode=pb.Import.MODE_CREATE)
        return await imports.CreateImport(pb.CreateImportRequest(job=job), metadata=by.metadata)

    async def under_way() -> bool:
        return bool(begun)

    async def looked_again() -> bool:
        return len(looked) > before

    async def ended(job: pb.Import, by: User) -> bool:
        now = await imports.GetImport(pb.GetImportRequest(id=job.id), metadata=by.metadata)
        return now.state == pb.Import.STATE_SUCCEEDED

    monkeypatch.setattr(ImportWorker, "carry_out", carried_out)
    monkeypatch.setattr(jobs, "claim", claimed)
    first, other = await create(user), await customer.user()
    await eventually(under_way)
    second, before = await create(user), len(looked)
    # The other worker has seen the second one.
    await eventually(looked_again)
    third = await create(other)
    await eventually(lambda: ended(third, other))
    assert begun == [UUID(first.id)]
    go_on.set()
    await eventually(lambda: ended(second, user))
    assert begun == [UUID(first.id), UUID(second.id)]
