"""Files at records: how they come, who may, what is refused, what a deletion leaves, over gRPC."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import grpc
import pytest
from crm.resource.v1 import attachments_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from crm_kit.attachments.purging import purge_attachments
from crm_kit.attachments.queries import room, uploads
from crm_kit.attachments.resource import ATTACHMENTS
from crm_kit.attachments.sweeping import Sweeping
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.statements import statement
from crm_kit.directory.projection import project_role, project_user
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import changes, outbox
from sqlalchemy import Select, Table, bindparam, select

from tests.service.attaching import PART, TEXT, Files, sha256
from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused
from tests.steps import soonest

READS = {"accounts.read": Scope.ALL}
WRITES = {"accounts.read": Scope.ALL, "accounts.write": Scope.ALL}


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(name="王芳")


@pytest.fixture
async def files(customer: Running, user: User) -> Files:
    return Files(customer, (await new_account(customer, user)).id)


@statement
def rows_in(table: Table) -> Select[Any]:
    return select(table).where(table.c.tenant_id == bindparam("tenant_id"))


async def rows(customer: Running, user: User, table: Table) -> list[Any]:
    async with customer.unit_of_work(user.tenant_id) as work:
        return await work.all(rows_in(table))


async def used_bytes(customer: Running, user: User) -> int:
    return sum(row["used_bytes"] for row in await rows(customer, user, room))


def objects(customer: Running, user: User) -> list[Path]:
    """What is in the store of a tenant's."""
    root = Path(unquote(urlsplit(customer.service.settings.file_store_url).path))
    return [each for each in (root / "customer" / str(user.tenant_id)).rglob("*") if each.is_file()]


async def sweep(customer: Running, user: User, after: timedelta = timedelta(0)) -> None:
    """Sweep as it is done by itself, as if so much time had passed."""
    tenants = Tenants(customer.service.database, customer.service.clock, lambda: system_now() + after)
    sweeping = Sweeping(tenants, customer.service.contents)
    while await sweeping.sweep():
        pass


async def test_a_file_is_attached_read_and_deleted(customer: Running, user: User, files: Files) -> None:
    content = random.Random(7).randbytes(2 * PART + 77)
    made = await files.attach(user, content, "报价单 (2).bin", sha256=sha256(content), description="  signed by both ")
    assert (made.name, made.size_bytes, made.sha256) == ("报价单 (2).bin", len(content), sha256(content))
    assert (made.collection, made.record_id) == ("accounts", files.at["record_id"])
    assert (made.description, made.creator_name, made.has_preview) == ("signed by both", "王芳", False)
    assert await files.bytes_of(user, made.id) == content
    assert (await files.read(user, made.id, PART - 3, 7)).content == content[PART - 3 : PART + 4]
    assert (await files.read(user, made.id, len(content) + 5)).content == b""
    assert await files.list(user) == [made]
    await files.delete(user, made.id)
    for gone in (files.get(user, made.id), files.read(user, made.id), files.link(user, made.id)):
        with refused("NOT_FOUND", "ATTACHMENT_NOT_FOUND"):
            await gone
    assert await files.list(user) == []
    # Who never got the answer may ask again.
    await files.delete(user, made.id)
    # That it was there stays to be seen by who asks for it.
    left = (await files.list(user, filter="state = DELETED"))[0]
    assert (left.id, left.name, left.deleter_name) == (made.id, "报价单 (2).bin", "王芳")
    await sweep(customer, user)
    assert objects(customer, user) == []
    assert await used_bytes(customer, user) == 0


async def test_events_tell_of_files_at_the_record_and_not_what_they_are_called(
    customer: Running, user: User, files: Files
) -> None:
    made = await files.attach(user, description="secret")
    await files.delete(user, made.id)
    async with customer.unit_of_work(user.tenant_id) as work:
        found = [event_of(row["event"]) for row in sorted(await work.all(rows_in(outbox)), key=itemgetter("id"))]
    told = [each for each in found if each.payload.TypeName().startswith("crm.resource.v1.Attachment")]
    assert [each.payload.TypeName().rpartition(".")[2] for each in told] == ["AttachmentAdded", "AttachmentDeleted"]
    added = events.AttachmentAdded.FromString(told[0].payload.value).attachment
    assert (added.id, added.record_id, added.sha256) == (made.id, files.at["record_id"], made.sha256)
    assert not any(each.name or each.description for each in (added,))
    assert b"minutes" not in told[1].payload.value


async def test_bytes_that_are_sent_again_are_not_added_again(user: User, files: Files) -> None:
    upload = await files.begin(user, size=10)
    for _ in range(2):
        assert (await files.append(user, upload.id, 0, b"01234")).received_bytes == 5
    with refused("FAILED_PRECONDITION", "UPLOAD_OFFSET_MISMATCH") as refusal:
        await files.append(user, upload.id, 0, b"other")
    assert refusal.metadata["received_bytes"] == "5"
    with refused("FAILED_PRECONDITION", "UPLOAD_OFFSET_MISMATCH"):
        await files.append(user, upload.id, 7, b"789")
    with refused("INVALID_ARGUMENT", "ATTACHMENT_REFUSED"):
        await files.append(user, upload.id, 5, b"567890")


async def test_the_last_bytes_sent_again_find_the_attachment(user: User, files: Files) -> None:
    upload = await files.begin(user)
    for _ in range(2):
        assert (await files.append(user, upload.id, 0, TEXT)).complete
    assert (await files.upload(user, upload.id)).complete
    assert [each.id for each in await files.list(user)] == [upload.id]


async def test_two_who_go_on_with_one_upload_at_once_make_one_file(customer: Running, user: User, files: Files) -> None:
    content = random.Random(1).randbytes(40)
    upload = await files.begin(user, "x.bin", 40, sha256=sha256(content))

    async def send() -> None:
        received = 0
        while received < 40:
            try:
                received = (
                    await files.append(user, upload.id, received, content[received : received + 8])
                ).received_bytes
            except grpc.aio.AioRpcError:
                received = (await files.upload(user, upload.id)).received_bytes

    await asyncio.gather(*(send() for _ in range(4)))
    assert await files.bytes_of(user, upload.id) == content
    # Whatever lost the race is in the store for an hour, and then no more.
    await sweep(customer, user, timedelta(hours=2))
    assert len(objects(customer, user)) == 5
    assert await files.bytes_of(user, upload.id) == content


async def test_an_upload_is_ones_own_and_lasts_a_day(customer: Running, user: User, files: Files) -> None:
    upload = await files.begin(user)
    colleague = await customer.user(user.tenant_id)
    with refused("NOT_FOUND", "ATTACHMENT_UPLOAD_NOT_FOUND"):
        await files.append(colleague, upload.id, 0, TEXT)
    with refused("NOT_FOUND", "ATTACHMENT_UPLOAD_NOT_FOUND"):
        await files.upload(colleague, upload.id)
    elsewhere = Files(customer, (await new_account(customer, user)).id)
    with refused("NOT_FOUND", "ATTACHMENT_UPLOAD_NOT_FOUND"):
        await elsewhere.append(user, upload.id, 0, TEXT)
    await files.append(user, upload.id, 0, TEXT[:4])
    assert await used_bytes(customer, user) == len(TEXT)
    await sweep(customer, user, timedelta(hours=23))
    assert (await files.upload(user, upload.id)).received_bytes == 4
    await sweep(customer, user, timedelta(hours=24, seconds=5))
    with refused("NOT_FOUND", "ATTACHMENT_UPLOAD_NOT_FOUND"):
        await files.upload(user, upload.id)
    assert (objects(customer, user), await used_bytes(customer, user)) == ([], 0)


async def test_an_upload_that_is_given_up_leaves_nothing(customer: Running, user: User, files: Files) -> None:
    upload = await files.begin(user)
    await files.append(user, upload.id, 0, TEXT[:4])
    request = pb.DeleteAttachmentUploadRequest(id=upload.id, **files.at)
    await files.stub.DeleteAttachmentUpload(request, metadata=user.metadata)
    await sweep(customer, user)
    assert (objects(customer, user), await used_bytes(customer, user)) == ([], 0)
    # Of one that has become an attachment, that stays.
    made = await files.attach(user)
    request = pb.DeleteAttachmentUploadRequest(id=made.id, **files.at)
    await files.stub.DeleteAttachmentUpload(request, metadata=user.metadata)
    await sweep(customer, user)
    assert await files.bytes_of(user, made.id) == TEXT
    assert await used_bytes(customer, user) == len(TEXT)


async def test_whoever_reads_a_record_reads_its_files_and_whoever_changes_it_attaches_some(
    customer: Running, user: User, files: Files
) -> None:
    made = await files.attach(user)
    reader = await customer.user(user.tenant_id, grants=READS)
    assert await files.bytes_of(reader, made.id) == TEXT
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await files.begin(reader)
    assert refusal.metadata["permission"] == "accounts.write"
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await files.delete(reader, made.id)
    beyond = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.OWN})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await files.begin(beyond)
    writer = await customer.user(user.tenant_id, grants=WRITES)
    await files.delete(writer, made.id)


async def test_people_delete_what_they_have_attached_when_they_change_the_record_no_longer(
    customer: Running, user: User, files: Files
) -> None:
    writer = await customer.user(user.tenant_id, grants=WRITES)
    made = await files.attach(writer)
    async with customer.unit_of_work(user.tenant_id) as work:
        role = new_id()
        project_role(work, id=role, display_name="reads", grants=READS, version=1)
        project_user(
            work,
            id=writer.id,
            login="writer@example.test",
            display_name="somebody",
            active=True,
            team_id=None,
            role_ids=[role],
            version=2,
        )
    customer.service.directory.forget(user.tenant_id)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await files.begin(writer)
    await files.delete(writer, made.id)


async def test_who_may_not_read_a_record_learns_nothing_of_its_files(
    customer: Running, user: User, files: Files
) -> None:
    made = await files.attach(user)
    stranger = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.OWN})
    for one in (stranger, await customer.user()):
        for asked in (
            files.list(one),
            files.begin(one),
            files.get(one, made.id),
            files.read(one, made.id),
            files.link(one, made.id),
            files.delete(one, made.id),
            files.append(one, made.id, 0, TEXT),
        ):
            with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
                await asked
    other = Files(customer, (await new_account(customer, user)).id)
    with refused("NOT_FOUND", "ATTACHMENT_NOT_FOUND"):
        await other.read(user, made.id)


async def test_ten_thousand_files_of_a_record_are_listed_page_by_page(
    customer: Running, user: User, files: Files
) -> None:
    made = await files.attach(user)
    async with customer.unit_of_work(user.tenant_id) as work:
        found = await ATTACHMENTS.get(work, UUID(made.id))
        for _ in range(10_000):
            work.insert(ATTACHMENTS.table, ATTACHMENTS.row_of(replace(found, id=new_id())))
        await work.flush_many()
    assert len(await files.list(user, page_size=200)) == 200
    assert await soonest(lambda: files.list(user, page_size=200), 1.0) < 1.0
    count, token = 0, ""
    while True:
        request = pb.ListAttachmentsRequest(**files.at, page_size=200, page_token=token)
        page = await files.stub.ListAttachments(request, metadata=user.metadata)
        count, token = count + len(page.attachments), page.next_page_token
        if not token:
            break
    assert count == 10_001


async def test_files_go_with_the_records_that_they_are_attached_to(customer: Running, user: User, files: Files) -> None:
    made, other = await files.attach(user), Files(customer, (await new_account(customer, user)).id)
    kept = await other.attach(user)
    deleted = await files.attach(user)
    await files.delete(user, deleted.id)
    begun = await files.begin(user, size=10)
    await files.append(user, begun.id, 0, b"01234")
    async with customer.unit_of_work(user.tenant_id) as work:
        await purge_attachments(work, "accounts", [UUID(files.at["record_id"])])
    await sweep(customer, user)
    assert await used_bytes(customer, user) == len(TEXT)
    assert len(objects(customer, user)) == 1
    assert {row["id"] for row in await rows(customer, user, ATTACHMENTS.table)} == {UUID(kept.id)}
    assert {row["id"] for row in await rows(customer, user, uploads)} == {UUID(kept.id)}
    history = {
        row["resource_id"] for row in await rows(customer, user, changes) if row["resource_type"] == "attachment"
    }
    assert history == {UUID(kept.id)}
    with refused("NOT_FOUND", "ATTACHMENT_NOT_FOUND"):
        await files.get(user, made.id)
    assert await other.bytes_of(user, kept.id) == TEXT


async def test_every_service_keeps_files_at_its_records(sales: Running) -> None:
    user = await sales.user()
    files = Files(sales, str(new_id()), "orders")
    with refused("NOT_FOUND", "ORDER_NOT_FOUND"):
        await files.begin(user)
    with refused("NOT_FOUND", "COLLECTION_NOT_FOUND"):
        await Files(sales, str(new_id())).begin(user)


async def test_the_same_file_at_two_records_is_two(customer: Running, user: User, files: Files) -> None:
    other = Files(customer, (await new_account(customer, user)).id)
    first, second = await files.attach(user), await other.attach(user)
    await other.delete(user, second.id)
    await sweep(customer, user)
    assert await files.bytes_of(user, first.id) == TEXT
