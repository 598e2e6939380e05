"""Exports as jobs, by the contract: what is in the file, with whose rights, and until when."""

import asyncio
import contextlib
import random
from contextvars import ContextVar
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import exports_pb2 as pb
from crm.resource.v1 import jobs_pb2
from crm.resource.v1.exports_pb2_grpc import ExportServiceStub
from crm_kit.attachments.links import Link, Links
from crm_kit.attachments.queries import parts, room
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict
from crm_kit.exports.sweeping import ExportSweeping
from crm_kit.identity.access import Scope
from crm_kit.jobs.worker import JobWorker, OvertakenError
from crm_kit.plumbing import exports as export_rows
from sqlalchemy import Select, bindparam, func, select, update

from tests.service.approving import new_role, set_roles
from tests.service.bulk_changing import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED, Jobs, held_up, worker
from tests.service.customer.customers import new_account
from tests.service.exporting import Exports
from tests.service.running import Running, User, refused

STEEL = 'industry = "steel"'


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def jobs(customer: Running) -> Jobs:
    return Jobs(customer)


@pytest.fixture
def exports(customer: Running) -> Exports:
    return Exports(customer)


async def steel_works(customer: Running, by: User, count: int) -> list[str]:
    """Ids of so many accounts in steel, by name."""
    return [(await new_account(customer, by, display_name=f"钢厂 {at:02}", industry="steel")).id for at in range(count)]


def names(records: list[Any]) -> list[str]:
    return [each.display_name for each in records]


async def test_an_export_is_a_job_with_the_records_of_the_list_in_its_order(
    customer: Running, jobs: Jobs, exports: Exports, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.exports.exporting.PAGE_SIZE", 3)
    monkeypatch.setattr("crm_kit.exports.exporting.PART_BYTES", 1000)
    await steel_works(customer, user, 8)
    await new_account(customer, user, industry="power")
    asked: dict[str, Any] = {
        "order_by": "display_name desc",
        "fields": ["display_name", "addresses.city"],
        "language": "zh",
    }
    job = await exports.begin(user, STEEL, format=pb.ExportedFile.FORMAT_XLSX, **asked)
    assert (job.kind, job.state, job.verb, job.total_count) == (jobs_pb2.Job.KIND_EXPORT, QUEUED, "export", 8)
    ended = await jobs.ended(user, job)
    assert (ended.state, ended.done_count, ended.unchanged_count, ended.total_count) == (SUCCEEDED, 8, 8, 8)
    assert ended.HasField("expire_time")
    assert names(await exports.records(user, ended)) == [f"钢厂 {at:02}" for at in reversed(range(8))]
    first = await exports.page(user, ended)
    assert len(first.records) < 8
    assert first.file == pb.ExportedFile(
        format=pb.ExportedFile.FORMAT_XLSX,
        fields=["display_name", "addresses.city"],
        language="zh",
        time_zone="Asia/Shanghai",
    )
    assert await jobs.results(user, ended) == []
    assert [each.id for each in await jobs.listed(user, filter="kind = EXPORT")] == [job.id]


async def test_an_export_of_nothing_is_an_empty_file(jobs: Jobs, exports: Exports, user: User) -> None:
    ended = await jobs.ended(user, await exports.begin(user, STEEL))
    assert (ended.state, ended.total_count) == (SUCCEEDED, 0)
    assert await exports.records(user, ended) == []


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"fields": ["display_name", "colour"]}, "fields[1]"),
        ({"fields": ["custom.nothing"]}, "fields[0]"),
        ({"fields": ["display_name.length"]}, "fields[0]"),
        ({"fields": ["display_name", "display_name"]}, "fields"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"language": "fr"}, "language"),
        ({"format": 9}, "format"),
        ({"order_by": "colour"}, "order_by"),
    ],
)
async def test_what_no_file_can_have_is_refused_at_once_by_its_field(
    exports: Exports, user: User, asked: dict[str, Any], field: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await exports.begin(user, **asked)
    assert refusal.fields == [field]


async def test_a_filter_that_takes_too_many_records_begins_nothing(
    customer: Running, jobs: Jobs, exports: Exports, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await steel_works(customer, user, 3)
    monkeypatch.setattr("crm_kit.jobs.model.MAX_RECORDS", 2)
    monkeypatch.setattr("crm_kit.exports.commands.MAX_RECORDS", 2)
    with refused("FAILED_PRECONDITION", "JOB_TOO_MANY_RECORDS") as refusal:
        await exports.begin(user, STEEL)
    assert refusal.metadata == {"most": "2"}
    assert await jobs.listed(user) == []


async def test_records_are_read_with_the_rights_that_the_asker_has_when_their_turn_comes(
    customer: Running, jobs: Jobs, exports: Exports, user: User
) -> None:
    seller = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.ALL})
    await steel_works(customer, user, 2)
    await new_account(customer, seller, display_name="own", industry="steel")
    async with held_up(customer, user.tenant_id):
        job = await exports.begin(seller, STEEL)
        assert job.total_count == 3
        await set_roles(customer, seller, await new_role(customer, user.tenant_id, {"accounts.read": Scope.OWN}))
    ended = await jobs.ended(seller, job)
    assert (ended.state, ended.total_count, ended.done_count) == (SUCCEEDED, 1, 1)
    assert names(await exports.records(seller, ended)) == ["own"]


async def test_who_may_not_read_the_collection_any_more_gets_no_file(
    customer: Running, jobs: Jobs, exports: Exports, user: User
) -> None:
    seller = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    await steel_works(customer, user, 2)
    done = await jobs.ended(seller, await exports.begin(seller, STEEL))
    async with held_up(customer, user.tenant_id):
        job = await exports.begin(seller, STEEL)
        await set_roles(customer, seller, await new_role(customer, user.tenant_id, {"contacts.read": Scope.ALL}))
    ended = await jobs.ended(user, job)
    assert (ended.state, ended.failure_reason) == (FAILED, "PERMISSION_DENIED")
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await exports.page(seller, done)


async def test_a_file_shows_no_records_and_no_fields_that_have_been_taken_from_its_reader_since(
    customer: Running, jobs: Jobs, exports: Exports, user: User
) -> None:
    seller = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.ALL})
    await new_account(customer, user, display_name="another's", phone_numbers=["+8675586661234"])
    await new_account(customer, seller, display_name="own", phone_numbers=["+8675586661235"])
    done = await jobs.ended(seller, await exports.begin(seller, order_by="display_name"))
    assert [list(each.phone_numbers) for each in await exports.records(seller, done)] == [
        ["+8675586661234"],
        ["+8675586661235"],
    ]
    hiding = await new_role(
        customer, user.tenant_id, {"accounts.read": Scope.OWN}, hidden_fields=["accounts.phone_numbers"]
    )
    await set_roles(customer, seller, hiding)
    (left,) = await exports.records(seller, done)
    assert (left.display_name, list(left.phone_numbers)) == ("own", [])


async def test_only_who_began_an_export_reads_its_file_and_cancels_it(
    customer: Running, jobs: Jobs, exports: Exports, user: User
) -> None:
    await steel_works(customer, user, 1)
    other = await customer.user(user.tenant_id)
    async with held_up(customer, user.tenant_id):
        job = await exports.begin(user, STEEL)
        for too_early in (exports.page, exports.delete):
            with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
                await too_early(user, job)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await jobs.cancel(other, job)
    ended = await jobs.ended(user, job)
    # Whoever may read all records sees that it was made.
    assert (await jobs.get(other, ended)).filter == STEEL
    for ask in (exports.page, exports.link, exports.delete):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await ask(other, ended)
    narrow = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN})
    with refused("NOT_FOUND", "JOB_NOT_FOUND"):
        await exports.page(narrow, ended)


async def test_who_has_begun_to_read_a_file_while_the_link_held_reads_on_for_an_hour(
    customer: Running, jobs: Jobs, exports: Exports, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.exports.exporting.PART_BYTES", 10)
    await steel_works(customer, user, 2)
    ended = await jobs.ended(user, await exports.begin(user, STEEL, order_by="display_name"))
    following = (await exports.page(user, ended)).next_page_token
    links = Links(customer.service.settings.page_token_key.encode(), noun="export")

    async def read_by(link_of: timedelta, page_token: str) -> pb.ReadLinkedRecordExportResponse:
        link = links.made(Link(user.tenant_id, user.id, system_now() + link_of), ("accounts", ended.id))
        request = pb.ReadLinkedRecordExportRequest(collection="accounts", id=ended.id, link=link, page_token=page_token)
        return await ExportServiceStub(customer.channel).ReadLinkedRecordExport(request)

    over = timedelta(minutes=-30)
    with refused("INVALID_ARGUMENT", "EXPORT_LINK_INVALID"):
        await read_by(over, "")
    assert len((await read_by(over, following)).records) == 1
    with refused("INVALID_ARGUMENT", "EXPORT_LINK_INVALID"):
        await read_by(3 * over, following)


async def test_a_cancelled_export_leaves_nothing_in_the_store(
    customer: Running, jobs: Jobs, exports: Exports, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.exports.exporting.PAGE_SIZE", 2)
    monkeypatch.setattr("crm_kit.exports.exporting.PART_BYTES", 10)
    monkeypatch.setattr("crm_kit.jobs.worker.TURN_SECONDS", 0.0)
    await steel_works(customer, user, 5)
    async with held_up(customer, user.tenant_id):
        job = await exports.begin(user, STEEL)
        await worker(customer).take_turn(user.tenant_id, UUID(job.id))
        assert (await jobs.get(user, job)).done_count == 2
        stopped = await jobs.cancel(user, job)
    assert (stopped.state, stopped.done_count, stopped.skipped_count) == (CANCELLED, 2, 3)
    assert await kept_of(customer, user, job) == ([], 0, 0)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await exports.page(user, job)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await jobs.cancel(user, job)


async def test_a_file_goes_a_week_after_the_end_with_its_room(
    customer: Running, jobs: Jobs, exports: Exports, user: User
) -> None:
    await steel_works(customer, user, 2)
    ended = await jobs.ended(user, await exports.begin(user, STEEL))
    in_store, used, count = await kept_of(customer, user, ended)
    assert (len(in_store), count) == (1, 1)
    assert used == sum(in_store) > 0
    async with customer.unit_of_work(user.tenant_id) as work:
        work.execute(be_over(), now=work.now)
    with refused("NOT_FOUND", "EXPORT_NOT_FOUND"):
        await exports.page(user, ended)
    await ExportSweeping(Tenants(customer.service.database, customer.service.clock)).sweep()
    assert await kept_of(customer, user, ended) == ([], 0, 0)


async def test_a_file_that_is_deleted_goes_at_once_with_its_room_and_its_job_says_when(
    customer: Running, jobs: Jobs, exports: Exports, user: User
) -> None:
    await steel_works(customer, user, 2)
    kept = await jobs.ended(user, await exports.begin(user, STEEL))
    in_store, _, _ = await kept_of(customer, user, kept)
    ended = await jobs.ended(user, await exports.begin(user, STEEL))
    tried = await asyncio.gather(*(exports.delete(user, ended) for _ in range(4)), return_exceptions=True)
    assert tried.count(None) == 1
    with refused("NOT_FOUND", "EXPORT_NOT_FOUND"):
        await exports.delete(user, ended)
    for ask in (exports.page, exports.link):
        with refused("NOT_FOUND", "EXPORT_NOT_FOUND"):
            await ask(user, ended)
    # What is swept later gives no room back for a second time.
    await ExportSweeping(Tenants(customer.service.database, customer.service.clock)).sweep()
    assert await kept_of(customer, user, ended) == ([], sum(in_store), 1)
    after = await jobs.get(user, ended)
    assert (after.state, after.HasField("expire_time"), after.HasField("file_delete_time")) == (SUCCEEDED, False, True)
    assert sorted(names(await exports.records(user, kept))) == ["钢厂 00", "钢厂 01"]


async def test_exports_leave_two_fifths_of_the_room_for_what_people_attach_and_customers_send(
    customer: Running, jobs: Jobs, exports: Exports, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await steel_works(customer, user, 1)
    first = await jobs.ended(user, await exports.begin(user, STEEL))
    _, used, _ = await kept_of(customer, user, first)
    for room_bytes, state in ((used * 10 // 3 - 5, FAILED), (used * 10 // 3 + 5, SUCCEEDED)):
        async with held_up(customer, user.tenant_id):
            job = await exports.begin(user, STEEL)
            monkeypatch.setattr(customer.service.settings, "max_tenant_attachment_bytes", room_bytes)
            await worker(customer).take_turn(user.tenant_id, UUID(job.id))
        assert (await jobs.get(user, job)).state == state


async def test_an_export_that_waits_for_longer_than_files_are_kept_is_made_all_the_same(
    customer: Running, jobs: Jobs, exports: Exports, user: User
) -> None:
    await steel_works(customer, user, 1)
    async with held_up(customer, user.tenant_id):
        job = await exports.begin(user, STEEL)
        async with customer.unit_of_work(user.tenant_id) as work:
            work.execute(be_over(), now=work.now)
        await ExportSweeping(Tenants(customer.service.database, customer.service.clock)).sweep()
    ended = await jobs.ended(user, job)
    assert ended.state == SUCCEEDED
    assert names(await exports.records(user, ended)) == ["钢厂 00"]


async def test_files_that_a_tenant_has_no_room_for_are_not_made(
    customer: Running, jobs: Jobs, exports: Exports, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    await steel_works(customer, user, 1)
    async with held_up(customer, user.tenant_id):
        job = await exports.begin(user, STEEL)
        monkeypatch.setattr(customer.service.settings, "max_tenant_attachment_bytes", 10)
        await worker(customer).take_turn(user.tenant_id, UUID(job.id))
    ended = await jobs.get(user, job)
    assert (ended.state, ended.failure_reason) == (FAILED, "RATE_LIMITED")
    assert await kept_of(customer, user, ended) == ([], 0, 0)


async def test_without_a_store_no_export_begins(
    customer: Running, exports: Exports, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customer.service.settings, "file_store_url", "")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await exports.begin(user)
    assert refusal.metadata["rule"] == "no_file_store"


class KilledError(BaseException):
    """The process ends here: nothing in it hears of that."""


# Whether what runs belongs to the process that dies: others in this one go on.
MORTAL: ContextVar[bool] = ContextVar("mortal", default=False)


@pytest.mark.parametrize("seed", range(3))
async def test_wherever_a_process_dies_each_record_is_in_the_file_once(
    customer: Running, jobs: Jobs, exports: Exports, user: User, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.exports.exporting.PAGE_SIZE", 2)
    monkeypatch.setattr("crm_kit.exports.exporting.PART_BYTES", 10)
    monkeypatch.setattr("crm_kit.jobs.worker.TURN_SECONDS", 0.0)
    await steel_works(customer, user, 9)
    dice, commit, deaths = random.Random(seed), UnitOfWork.commit, 0

    async def deadly(work: UnitOfWork) -> None:
        nonlocal deaths
        if not MORTAL.get():
            await commit(work)
            return
        for before in (True, False):
            if dice.random() < 0.2:
                deaths += 1
                raise KilledError
            if before:
                await commit(work)

    monkeypatch.setattr(UnitOfWork, "commit", deadly)
    async with held_up(customer, user.tenant_id):
        job = await exports.begin(user, STEEL, order_by="display_name")
        while (await jobs.get(user, job)).state in (QUEUED, RUNNING):
            with contextlib.suppress(KilledError):
                await mortal_turn(worker(customer), user, job)
    ended = await jobs.get(user, job)
    assert deaths > 1
    assert (ended.state, ended.done_count) == (SUCCEEDED, 9)
    assert names(await exports.records(user, ended)) == [f"钢厂 {at:02}" for at in range(9)]


async def mortal_turn(own: JobWorker, by: User, job: jobs_pb2.Job) -> None:
    """A turn of a process that may die in it, and remembers nothing."""
    mortal = MORTAL.set(True)
    try:
        await own.take_turn(by.tenant_id, UUID(job.id))
    finally:
        MORTAL.reset(mortal)


async def test_workers_that_are_at_the_same_export_at_once_keep_each_record_once(
    customer: Running, jobs: Jobs, exports: Exports, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.exports.exporting.PAGE_SIZE", 2)
    monkeypatch.setattr("crm_kit.exports.exporting.PART_BYTES", 10)
    await steel_works(customer, user, 9)

    async def turn(own: JobWorker) -> None:
        with contextlib.suppress(Conflict, OvertakenError):
            await own.take_turn(user.tenant_id, UUID(job.id))

    async with held_up(customer, user.tenant_id):
        job = await exports.begin(user, STEEL, order_by="display_name")
        while (await jobs.get(user, job)).state in (QUEUED, RUNNING):
            await asyncio.gather(*(turn(worker(customer)) for _ in range(3)))
    ended = await jobs.get(user, job)
    assert (ended.state, ended.done_count) == (SUCCEEDED, 9)
    assert names(await exports.records(user, ended)) == [f"钢厂 {at:02}" for at in range(9)]


async def test_an_export_says_in_the_log_of_a_restricted_account_that_it_was_one(
    customer: Running, jobs: Jobs, exports: Exports, user: User
) -> None:
    (id,) = await steel_works(customer, user, 1)
    stub = AccountServiceStub(customer.channel)
    restrict = accounts_pb2.RestrictAccountRequest(id=id, reason="prices")
    await stub.RestrictAccount(restrict, metadata=user.metadata)
    seller = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    own = await jobs.ended(user, await exports.begin(user))
    theirs = await jobs.ended(seller, await exports.begin(seller))
    (label,) = await exports.records(seller, theirs)
    assert (label.restricted, label.industry) == (True, "")
    (whole,) = await exports.records(user, own)
    assert whole.industry == "steel"
    asked = accounts_pb2.ListAccountReadsRequest(id=id, filter="method = EXPORT")
    read = (await stub.ListAccountReads(asked, metadata=user.metadata)).reads
    assert {each.user_id for each in read} == {str(user.id)}


async def kept_of(customer: Running, user: User, job: jobs_pb2.Job) -> tuple[list[int], int, int]:
    """Sizes of the parts of an export that are there to stay, the bytes that count, and how many exports there are."""
    async with customer.unit_of_work(user.tenant_id) as work:
        sizes = await work.all(kept_sizes(), file_id=UUID(job.id))
        used = await work.all(used_bytes())
        count = await work.all(count_exports())
    return [row["size_bytes"] for row in sizes], sum(row["used_bytes"] for row in used), count[0][0]


@statement
def kept_sizes() -> Select[Any]:
    mine = parts.c.tenant_id == bindparam("tenant_id"), parts.c.file_id == bindparam("file_id")
    return select(parts.c.size_bytes).where(*mine, parts.c.discard_time.is_(None))


@statement
def used_bytes() -> Select[Any]:
    return select(room.c.used_bytes).where(room.c.tenant_id == bindparam("tenant_id"))


@statement
def count_exports() -> Select[Any]:
    return select(func.count()).select_from(export_rows).where(export_rows.c.tenant_id == bindparam("tenant_id"))


@statement
def be_over() -> Any:
    of_tenant = export_rows.c.tenant_id == bindparam("tenant_id")
    return update(export_rows).where(of_tenant).values(expire_time=bindparam("now"))
