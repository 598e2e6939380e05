"""How much room a tenant's uploads take, and when they give it back."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import httpx
import pytest
from crm.customer.v1 import imports_pb2 as pb
from crm_customer.imports.tables import upload_parts
from crm_gateway.app import create_app
from crm_gateway.settings import Settings
from crm_kit.background import Tenants
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.retention import Cleaning
from sqlalchemy import select

from tests.service.customer.imports.calls import ENDED, SetAside, Upload, as_csv
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

MIB = 1 << 20
CSV = {"content-type": "text/csv"}
GOOD = as_csv([["客户名称"], ["华信"]])
CLERK = {"imports.read": Scope.OWN, "imports.write": Scope.OWN, "accounts.write": Scope.OWN}


@pytest.fixture
async def sandbox_user(customer: Running) -> User:
    return await customer.user(await customer.tenant(sandbox=True))


def give_tenants(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("crm_customer.imports.model.MAX_TENANT_BYTES", size)


async def begin(imports: "ImportServiceAsyncStub", user: User, total_bytes: int = 0) -> str:
    request = pb.CreateUploadRequest(file_name="a.csv", total_bytes=total_bytes)
    return (await imports.CreateUpload(request, metadata=user.metadata)).id


async def append(
    imports: "ImportServiceAsyncStub", user: User, id: str, content: bytes, *, offset: int = 0, last: bool = False
) -> pb.Upload:
    request = pb.AppendUploadRequest(id=id, offset=offset, content=content, last=last)
    return await imports.AppendUpload(request, metadata=user.metadata)


async def delete(imports: "ImportServiceAsyncStub", user: User, id: str) -> None:
    await imports.DeleteUpload(pb.DeleteUploadRequest(id=id), metadata=user.metadata)


async def later(customer: Running, user: User, offset: timedelta, version: int = 2) -> None:
    await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=offset, version=version)


async def chunked(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


# --- complete


async def test_an_upload_that_told_no_size_counts_as_what_it_is_once_its_last_part_is_here(
    imports: "ImportServiceAsyncStub", user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 52 * MIB)
    id = await begin(imports, user)
    await append(imports, user, id, b"abc")
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await begin(imports, user, 3 * MIB)
    done = await append(imports, user, id, b"def", offset=3, last=True)
    assert (done.received_bytes, done.total_bytes) == (6, 6)
    await begin(imports, user, 50 * MIB)


async def test_after_its_last_part_an_upload_takes_no_other(imports: "ImportServiceAsyncStub", user: User) -> None:
    id = await begin(imports, user)
    await append(imports, user, id, b"abc")
    done = await append(imports, user, id, b"def", offset=3, last=True)
    assert await append(imports, user, id, b"def", offset=3, last=True) == done
    with refused("INVALID_ARGUMENT", "UPLOAD_UNREADABLE") as refusal:
        await append(imports, user, id, b"g", offset=6)
    assert "6 bytes and no more" in refusal.detail


async def test_a_part_that_is_here_already_may_still_be_called_the_last(
    imports: "ImportServiceAsyncStub", user: User
) -> None:
    id = await begin(imports, user)
    for offset, content in ((0, b"abc"), (3, b"def")):
        await append(imports, user, id, content, offset=offset)
    with refused("FAILED_PRECONDITION", "UPLOAD_OFFSET_MISMATCH"):
        await append(imports, user, id, b"abc", last=True)
    assert (await append(imports, user, id, b"def", offset=3, last=True)).total_bytes == 6


async def test_a_file_that_ends_before_the_size_it_told_is_not_complete(
    imports: "ImportServiceAsyncStub", user: User
) -> None:
    id = await begin(imports, user, 6)
    with refused("INVALID_ARGUMENT", "UPLOAD_UNREADABLE") as refusal:
        await append(imports, user, id, b"abc", last=True)
    assert "3 of 6 bytes" in refusal.detail


async def test_over_rest_bodies_without_a_length_count_as_what_they_are_once_they_have_ended(
    web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 52 * MIB)
    for _ in range(3):
        sent = await web.post("/v1/uploads", content=chunked(GOOD), headers=CSV)
        assert (sent.status_code, sent.json().get("total_bytes")) == (201, len(GOOD)), sent.text
    # Three small files count as 1 MiB each.
    refusal = await web.post("/v1/uploads", content=chunked(GOOD), headers=CSV)
    assert (refusal.status_code, refusal.json()["reason"]) == (429, "RATE_LIMITED")


@pytest.mark.parametrize("size", [2 * MIB - 1, 2 * MIB, 2 * MIB + 1])
async def test_the_last_part_is_told_whatever_the_size_of_the_body(web: httpx.AsyncClient, size: int) -> None:
    sent = await web.post("/v1/uploads", content=chunked(bytes(size)), headers=CSV)
    assert (sent.status_code, sent.json()["received_bytes"], sent.json()["total_bytes"]) == (201, size, size)


# --- broken off


async def test_an_upload_that_stands_still_gives_back_the_room_it_does_not_use(
    imports: "ImportServiceAsyncStub", sandbox_user: User, customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 52 * MIB)
    id = await begin(imports, sandbox_user, 50 * MIB)
    for offset in (0, MIB):
        await append(imports, sandbox_user, id, bytes(MIB), offset=offset)
    await later(customer, sandbox_user, timedelta(minutes=19))
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await begin(imports, sandbox_user, 50 * MIB)
    await later(customer, sandbox_user, timedelta(minutes=21), version=3)
    await begin(imports, sandbox_user, 50 * MIB)
    # What is here counts.
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await begin(imports, sandbox_user, 1)


async def test_bytes_that_come_late_take_their_room_anew_or_are_refused(
    imports: "ImportServiceAsyncStub", sandbox_user: User, customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 52 * MIB)
    slow = await begin(imports, sandbox_user, 50 * MIB)
    await append(imports, sandbox_user, slow, b"abc")
    await later(customer, sandbox_user, timedelta(minutes=21))
    quick = await begin(imports, sandbox_user, 40 * MIB)
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await append(imports, sandbox_user, slow, b"def", offset=3)
    await delete(imports, sandbox_user, quick)
    assert (await append(imports, sandbox_user, slow, b"def", offset=3)).received_bytes == 6
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await begin(imports, sandbox_user, 3 * MIB)


async def test_late_bytes_and_new_uploads_at_the_same_time_have_no_more_room_than_one_after_the_other(
    imports: "ImportServiceAsyncStub", customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 7 * MIB)
    for _ in range(5):
        user = await customer.user(await customer.tenant(sandbox=True))
        slow = [await begin(imports, user, 2 * MIB) for _ in range(3)]
        await later(customer, user, timedelta(minutes=21))
        late = [append(imports, user, id, b"abc") for id in slow]
        new = [begin(imports, user, 2 * MIB) for _ in range(12)]
        told = await asyncio.gather(*late, *new, return_exceptions=True)
        refusals = [each for each in told if isinstance(each, BaseException)]
        assert all(isinstance(each, grpc.aio.AioRpcError) for each in refusals)
        assert {each.code() for each in refusals if isinstance(each, grpc.aio.AioRpcError)} == {
            grpc.StatusCode.RESOURCE_EXHAUSTED
        }
        going_on = sum(isinstance(each, pb.Upload) for each in told[:3])
        begun = sum(isinstance(each, str) for each in told[3:])
        # What has room for all its bytes, and what still counts as 1 MiB.
        assert 2 * (going_on + begun) + (3 - going_on) <= 7
        assert begun + going_on >= 2


async def test_over_rest_a_body_that_is_refused_leaves_nothing(
    web: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 50 * MIB)
    too_large = await web.post("/v1/uploads", content=chunked(bytes(2 * MIB), bytes(2 * MIB)), headers=CSV)
    assert too_large.status_code == 413
    empty = await web.post("/v1/uploads", content=chunked(b""), headers=CSV)
    assert empty.status_code == 400
    assert (await web.post("/v1/uploads", content=chunked(GOOD), headers=CSV)).status_code == 201


async def test_over_rest_a_body_that_breaks_off_leaves_nothing_unless_it_has_a_key_to_go_on_by(
    web: httpx.AsyncClient, customer: Running, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 52 * MIB)
    gateway = create_app(Settings(customer_address=customer.service.settings.listen_address))

    async def break_off(*headers: tuple[bytes, bytes]) -> None:
        events: list[MutableMapping[str, Any]] = [
            {"type": "http.request", "body": GOOD[:5], "more_body": True},
            {"type": "http.disconnect"},
        ]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/uploads",
            "raw_path": b"/v1/uploads",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {user.token}".encode()), *headers],
        }

        async def receive() -> MutableMapping[str, Any]:
            return events.pop(0)

        async def send(event: MutableMapping[str, Any]) -> None:
            # Nobody hears it, but the access log tells it.
            assert event.get("status", 400) == 400

        await gateway.asgi(scope, receive, send)

    for _ in range(3):
        await break_off()
    await break_off((b"idempotency-key", b"k"))
    again = await web.post("/v1/uploads", content=chunked(GOOD), headers={"idempotency-key": "k"})
    assert (again.status_code, again.json()["received_bytes"]) == (201, len(GOOD)), again.text
    await gateway.close()


# --- deleted


async def test_an_upload_that_is_deleted_makes_room_at_once(
    imports: "ImportServiceAsyncStub", user: User, customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 3 * MIB)
    id = await begin(imports, user, 2 * MIB)
    etag = (await append(imports, user, id, b"abc")).etag
    with refused("ABORTED", "ETAG_MISMATCH"):
        await imports.DeleteUpload(pb.DeleteUploadRequest(id=id, etag=f"{etag}0"), metadata=user.metadata)
    await imports.DeleteUpload(pb.DeleteUploadRequest(id=id, etag=etag), metadata=user.metadata)
    with refused("NOT_FOUND", "UPLOAD_NOT_FOUND"):
        await imports.GetUpload(pb.GetUploadRequest(id=id), metadata=user.metadata)
    with refused("NOT_FOUND", "UPLOAD_NOT_FOUND"):
        await append(imports, user, id, b"def", offset=3)
    async with customer.unit_of_work(user.tenant_id) as work:
        assert not await work.all(compile_statement(select(upload_parts.c.upload_id)))
    await begin(imports, user, 2 * MIB)


async def test_who_may_write_all_imports_deletes_the_uploads_of_others(
    imports: "ImportServiceAsyncStub", customer: Running
) -> None:
    tenant_id = await customer.tenant()
    clerk, colleague = [await customer.user(tenant_id, grants=CLERK) for _ in range(2)]
    head = await customer.user(tenant_id, grants=CLERK | {"imports.write": Scope.ALL})
    first, second = [await begin(imports, clerk) for _ in range(2)]
    with refused("NOT_FOUND", "UPLOAD_NOT_FOUND"):
        await delete(imports, colleague, first)
    await delete(imports, head, first)
    await delete(imports, clerk, second)


async def test_an_upload_is_kept_as_long_as_an_import_under_way_needs_it(
    imports: "ImportServiceAsyncStub", user: User, set_aside: SetAside
) -> None:
    job = await set_aside(GOOD)
    found = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await delete(imports, user, found.upload_id)
    assert found.id in refusal.detail
    await imports.CancelImport(pb.CancelImportRequest(id=found.id), metadata=user.metadata)
    await delete(imports, user, found.upload_id)
    # What was made of it stays.
    await imports.GetImport(pb.GetImportRequest(id=found.id), metadata=user.metadata)


async def test_no_import_begins_with_an_upload_that_is_deleted_at_the_same_time(
    imports: "ImportServiceAsyncStub", user: User, upload: Upload
) -> None:
    ids = [await upload(GOOD) for _ in range(8)]
    jobs = [pb.Import(upload_id=id, mode=pb.Import.MODE_CREATE, dry_run=True) for id in ids]
    begun = (imports.CreateImport(pb.CreateImportRequest(job=job), metadata=user.metadata) for job in jobs)
    told = await asyncio.gather(*begun, *(delete(imports, user, id) for id in ids), return_exceptions=True)

    async def ended(id: str) -> pb.Import | None:
        now = await imports.GetImport(pb.GetImportRequest(id=id), metadata=user.metadata)
        return now if now.state in ENDED else None

    for made, deleted in zip(told[:8], told[8:], strict=True):
        if isinstance(made, pb.Import):
            done = await eventually(partial(ended, made.id))
            assert done is not None
            assert done.state == pb.Import.STATE_SUCCEEDED, done.failure
        else:
            assert isinstance(made, grpc.aio.AioRpcError)
            assert (made.code(), deleted) == (grpc.StatusCode.NOT_FOUND, None)


async def test_parts_that_arrive_while_their_upload_is_deleted_go_with_it(
    imports: "ImportServiceAsyncStub", user: User, customer: Running
) -> None:
    for _ in range(5):
        id = await begin(imports, user)
        calls = [append(imports, user, id, b"abc"), delete(imports, user, id), append(imports, user, id, b"abc")]
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert told[1] is None
        errors = {each.code() for each in told if isinstance(each, grpc.aio.AioRpcError)}
        assert errors <= {grpc.StatusCode.NOT_FOUND}
        async with customer.unit_of_work(user.tenant_id) as work:
            rows = await work.all(compile_statement(select(upload_parts.c.upload_id)))
        assert UUID(id) not in {row["upload_id"] for row in rows}


# --- one of many


async def test_one_user_leaves_room_for_colleagues(
    imports: "ImportServiceAsyncStub", customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_customer.imports.model.MAX_USER_BYTES", 3 * MIB)
    tenant_id = await customer.tenant()
    busy, colleague = [await customer.user(tenant_id, grants=CLERK) for _ in range(2)]
    await begin(imports, busy, 2 * MIB)
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED") as refusal:
        await begin(imports, busy, 2 * MIB)
    assert (refusal.metadata["rule"], refusal.metadata["max_bytes"]) == ("own_uploads", str(3 * MIB))
    await begin(imports, colleague, 2 * MIB)


# --- over


async def test_bytes_that_are_still_stored_take_room_however_far_the_clock_is_advanced(
    imports: "ImportServiceAsyncStub", sandbox_user: User, customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 3 * MIB)
    id = await begin(imports, sandbox_user, 2 * MIB)
    for offset in (0, MIB):
        await append(imports, sandbox_user, id, bytes(MIB), offset=offset)
    for version, days in enumerate((7, 9), start=2):
        await later(customer, sandbox_user, timedelta(days=days, minutes=1), version)
        with refused("NOT_FOUND", "UPLOAD_NOT_FOUND"):
            await imports.GetUpload(pb.GetUploadRequest(id=id), metadata=sandbox_user.metadata)
        with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
            await begin(imports, sandbox_user, 2 * MIB)
    # One that is over can be deleted like any other.
    await delete(imports, sandbox_user, id)
    await begin(imports, sandbox_user, 2 * MIB)


async def test_an_upload_that_is_over_takes_no_room_once_its_bytes_are_gone(
    imports: "ImportServiceAsyncStub", sandbox_user: User, customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_tenants(monkeypatch, 3 * MIB)
    id = await begin(imports, sandbox_user, 2 * MIB)
    await append(imports, sandbox_user, id, b"abc")
    await later(customer, sandbox_user, timedelta(days=12))
    service = customer.service
    await Cleaning(Tenants(service.database, service.clock), service.metadata, {}).clean()
    await begin(imports, sandbox_user, 2 * MIB)
