"""Uploads, and files that cannot be imported."""

import asyncio
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import grpc
import pytest
from crm.customer.v1 import imports_pb2 as pb
from crm_customer.imports.tables import upload_parts
from crm_kit.database.statements import compile_statement
from sqlalchemy import select

from tests.service.customer.imports.calls import (
    Run,
    Upload,
    all_accounts,
)
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


async def test_an_upload_broken_off_goes_on_where_it_was(imports: "ImportServiceAsyncStub", user: User) -> None:
    begun = await imports.CreateUpload(pb.CreateUploadRequest(file_name="a.csv", total_bytes=6), metadata=user.metadata)
    first = pb.AppendUploadRequest(id=begun.id, offset=0, content=b"abc")
    await imports.AppendUpload(first, metadata=user.metadata)
    again = await imports.AppendUpload(first, metadata=user.metadata)
    assert again.received_bytes == 3
    for offset, content in ((0, b"xyz"), (1, b"abc"), (4, b"d")):
        wrong = pb.AppendUploadRequest(id=begun.id, offset=offset, content=content)
        with refused("FAILED_PRECONDITION", "UPLOAD_OFFSET_MISMATCH") as refusal:
            await imports.AppendUpload(wrong, metadata=user.metadata)
        assert "3 bytes are here" in refusal.detail
    with refused("INVALID_ARGUMENT", "UPLOAD_UNREADABLE"):
        await imports.AppendUpload(
            pb.AppendUploadRequest(id=begun.id, offset=3, content=b"defg"), metadata=user.metadata
        )
    await imports.AppendUpload(pb.AppendUploadRequest(id=begun.id, offset=3, content=b"def"), metadata=user.metadata)
    now = await imports.GetUpload(pb.GetUploadRequest(id=begun.id), metadata=user.metadata)
    assert now.received_bytes == 6


async def test_a_tenants_files_have_a_bound_so_that_nobody_fills_the_disk_of_all(
    imports: "ImportServiceAsyncStub", user: User, customer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_customer.imports.model.MAX_TENANT_BYTES", 3 << 20)
    large = pb.CreateUploadRequest(file_name="a.csv", total_bytes=2 << 20)
    await imports.CreateUpload(large, metadata=user.metadata)
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED") as refusal:
        await imports.CreateUpload(large, metadata=user.metadata)
    assert str(2 << 20) in refusal.detail
    # The next one may have any size, so it may be too much.
    unknown = pb.CreateUploadRequest(file_name="a.csv")
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await imports.CreateUpload(unknown, metadata=user.metadata)
    await imports.CreateUpload(large, metadata=(await customer.user()).metadata)
    # Small ones count, too.
    small = pb.CreateUploadRequest(file_name="a.csv", total_bytes=1)
    await imports.CreateUpload(small, metadata=user.metadata)
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await imports.CreateUpload(small, metadata=user.metadata)


async def test_an_upload_that_does_not_say_its_size_counts_as_the_largest_until_it_is_imported(
    imports: "ImportServiceAsyncStub", user: User, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_customer.imports.model.MAX_TENANT_BYTES", 60 << 20)
    begun = await imports.CreateUpload(pb.CreateUploadRequest(file_name="a.csv"), metadata=user.metadata)
    content = "客户名称\n华信".encode()
    await imports.AppendUpload(pb.AppendUploadRequest(id=begun.id, offset=0, content=content), metadata=user.metadata)
    # It may go on to 50 MiB.
    more = pb.CreateUploadRequest(file_name="b.csv", total_bytes=20 << 20)
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
        await imports.CreateUpload(more, metadata=user.metadata)
    job = pb.Import(upload_id=begun.id, mode=pb.Import.MODE_CREATE)
    await imports.CreateImport(pb.CreateImportRequest(job=job), metadata=user.metadata)
    await imports.CreateUpload(more, metadata=user.metadata)


async def test_uploads_that_begin_at_the_same_time_have_no_more_room_than_one_after_the_other(
    imports: "ImportServiceAsyncStub", user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_customer.imports.model.MAX_TENANT_BYTES", 7 << 20)
    request = pb.CreateUploadRequest(file_name="a.csv", total_bytes=2 << 20)
    calls = (imports.CreateUpload(request, metadata=user.metadata) for _ in range(12))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, pb.Upload) for answer in answers) == 3
    refusals = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert {refusal.code() for refusal in refusals} == {grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_the_bytes_of_an_upload_go_with_it_however_late_they_came(
    imports: "ImportServiceAsyncStub", customer: Running
) -> None:
    user = await customer.user(await customer.tenant(sandbox=True))
    begun = await imports.CreateUpload(pb.CreateUploadRequest(file_name="a.csv"), metadata=user.metadata)
    await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=timedelta(days=6), version=2)
    part = pb.AppendUploadRequest(id=begun.id, offset=0, content=b"abc")
    await imports.AppendUpload(part, metadata=user.metadata)
    async with customer.unit_of_work(user.tenant_id) as work:
        (kept,) = await work.all(compile_statement(select(upload_parts.c.create_time)))
    assert kept["create_time"] == begun.create_time.ToDatetime(tzinfo=UTC)


async def test_the_same_part_at_the_same_time_is_there_once(imports: "ImportServiceAsyncStub", user: User) -> None:
    begun = await imports.CreateUpload(pb.CreateUploadRequest(file_name="a.csv"), metadata=user.metadata)
    part = pb.AppendUploadRequest(id=begun.id, offset=0, content=b"abc")
    answers = await asyncio.gather(*(imports.AppendUpload(part, metadata=user.metadata) for _ in range(10)))
    assert {answer.received_bytes for answer in answers} == {3}


async def test_an_upload_that_is_not_complete_is_not_imported(imports: "ImportServiceAsyncStub", user: User) -> None:
    begun = await imports.CreateUpload(pb.CreateUploadRequest(file_name="a.csv", total_bytes=6), metadata=user.metadata)
    request = pb.CreateImportRequest(job=pb.Import(upload_id=begun.id, mode=pb.Import.MODE_CREATE))
    with refused("INVALID_ARGUMENT", "UPLOAD_UNREADABLE") as refusal:
        await imports.CreateImport(request, metadata=user.metadata)
    assert "0 of 6 bytes" in refusal.detail


async def test_an_upload_that_is_imported_takes_no_more_bytes(
    imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    job = await run([["客户名称"], ["华信"]])
    part = pb.AppendUploadRequest(id=job.upload_id, offset=1000, content=b"x")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await imports.AppendUpload(part, metadata=user.metadata)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xd0\xcf\x11\xe0 old", "UPLOAD_UNREADABLE"),
        (b"PK\x03\x04 broken", "UPLOAD_UNREADABLE"),
        (b"\xff\xfe\xfd\xfc", "UPLOAD_UNREADABLE"),
        ("电话\n13800138000".encode(), "IMPORT_MAPPING_INCOMPLETE"),
        ('客户名称\n甲\n"乙'.encode(), "UPLOAD_UNREADABLE"),
    ],
)
async def test_a_file_that_cannot_be_imported_is_refused_before_anything_is_written(
    content: bytes, reason: str, accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    job = await run(content)
    assert (job.state, job.failure_reason) == (pb.Import.STATE_FAILED, reason)
    assert job.failure
    assert not await all_accounts(accounts, user)


async def test_a_mapping_overrides_the_guess(accounts: "AccountServiceAsyncStub", user: User, run: Run) -> None:
    columns = [pb.ImportColumn(column="甲方", field="display_name"), pb.ImportColumn(column="来源", field="")]
    job = await run([["甲方", "来源"], ["华信", "展会"]], columns=columns)
    assert [(each.column, each.field) for each in job.mapping] == [("甲方", "display_name"), ("来源", "")]
    (account,) = await all_accounts(accounts, user)
    assert (account.display_name, account.source) == ("华信", "")
    unknown = [pb.ImportColumn(column="甲方", field=""), pb.ImportColumn(column="乙方", field="colour")]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await run([["甲方"], ["华信"]], columns=unknown)
    assert refusal.fields == ["job.columns[1].field"]
    both = [pb.ImportColumn(column=name, field="display_name") for name in ("甲方", "乙方")]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await run([["甲方"], ["华信"]], columns=both)
    assert refusal.fields == ["job.columns[1].field"]
    twice = [pb.ImportColumn(column="甲方", field=field) for field in ("display_name", "legal_name")]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await run([["甲方"], ["华信"]], columns=twice)
    assert refusal.fields == ["job.columns[1].column"]
    missing = await run([["甲方"], ["华信"]], columns=[pb.ImportColumn(column="乙方", field="display_name")])
    assert (missing.state, missing.failure_reason) == (pb.Import.STATE_FAILED, "IMPORT_MAPPING_INCOMPLETE")
    assert "乙方" in missing.failure
    assert [(each.column, each.field) for each in missing.mapping] == [("甲方", "")]


async def test_what_the_columns_were_taken_for_is_told_though_it_is_not_enough(run: Run) -> None:
    job = await run([["电话", "传真", "标签"], ["13800138000", "1", "a"]])
    assert (job.state, job.failure_reason) == (pb.Import.STATE_FAILED, "IMPORT_MAPPING_INCOMPLETE")
    told = [(each.column, each.field) for each in job.mapping]
    assert told == [("电话", "phone_numbers"), ("传真", ""), ("标签", "tags")]
    assert (job.rows_total, job.rows_read, job.read_layout.header_row) == (1, 0, 1)
    good = await run([["客户名称", "传真"], ["华信", "1"]])
    assert [(each.column, each.field) for each in good.mapping] == [("客户名称", "display_name"), ("传真", "")]


async def test_an_import_without_key_column_cannot_update(run: Run) -> None:
    job = await run([["客户名称"], ["甲"]], mode=pb.Import.MODE_UPSERT)
    assert (job.state, job.failure_reason) == (pb.Import.STATE_FAILED, "IMPORT_MAPPING_INCOMPLETE")


async def test_an_import_needs_a_mode_and_an_upload(imports: "ImportServiceAsyncStub", user: User) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await imports.CreateImport(pb.CreateImportRequest(job=pb.Import()), metadata=user.metadata)
    assert set(refusal.fields) == {"job.mode", "job.upload_id"}


async def test_the_same_request_again_makes_one_import(
    imports: "ImportServiceAsyncStub", user: User, upload: Upload
) -> None:
    id = await upload("客户名称\n甲".encode())
    request = pb.CreateImportRequest(job=pb.Import(upload_id=id, mode=pb.Import.MODE_CREATE))
    first, second = [await imports.CreateImport(request, metadata=user.with_key("k")) for _ in range(2)]
    assert first.id == second.id
    listed = await imports.ListImports(pb.ListImportsRequest(filter=f'upload_id = "{id}"'), metadata=user.metadata)
    assert [each.id for each in listed.imports] == [first.id]


async def test_an_upload_lasts_a_week_and_then_says_so(customer: Running, imports: "ImportServiceAsyncStub") -> None:
    user = await customer.user(await customer.tenant(sandbox=True))
    begun = await imports.CreateUpload(pb.CreateUploadRequest(file_name="a.csv", total_bytes=3), metadata=user.metadata)
    part = pb.AppendUploadRequest(id=begun.id, offset=0, content=b"abc")
    read = pb.GetUploadRequest(id=begun.id)
    await imports.AppendUpload(part, metadata=user.metadata)

    async def is_over() -> bool:
        try:
            await imports.GetUpload(read, metadata=user.metadata)
        except grpc.aio.AioRpcError:
            return True
        return False

    await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=timedelta(days=6), version=2)
    assert not await is_over()
    await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=timedelta(days=8), version=3)
    await eventually(is_over)
    with refused("NOT_FOUND", "UPLOAD_NOT_FOUND") as refusal:
        await imports.GetUpload(read, metadata=user.metadata)
    assert refusal.detail == "uploads last 7 days; upload the file again"
