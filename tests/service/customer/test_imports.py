"""Imports of spreadsheets through their contract."""

import asyncio
import base64
import csv
import io
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, events_pb2
from crm.customer.v1 import imports_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.customer.v1.imports_pb2_grpc import ImportServiceStub
from crm_customer.imports import batch, jobs, lookups, worker
from crm_customer.imports.commands import create_import
from crm_customer.imports.files import fetch_upload
from crm_customer.imports.model import Import, Mode
from crm_customer.imports.queries import get_upload
from crm_customer.imports.tables import import_jobs
from crm_customer.imports.worker import ImportWorker
from crm_gateway.app import create_app
from crm_gateway.settings import Settings
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import unit
from crm_kit.directory.projection import project_user
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import SERVICE_ACCESS, Actor, Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from sqlalchemy import Uuid, bindparam, select, text, update

from tests.factories.spreadsheet import CONTACT, HEADER, NUMBER, MadeSpreadsheet, make_customer_spreadsheet
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

ENDED = (pb.Import.STATE_SUCCEEDED, pb.Import.STATE_FAILED, pb.Import.STATE_CANCELLED)
PART = 1 << 20
Upload = Callable[..., Awaitable[str]]
Run = Callable[..., Awaitable[pb.Import]]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def imports(customer: Running) -> "ImportServiceAsyncStub":
    return ImportServiceStub(customer.channel)


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def contacts(customer: Running) -> "ContactServiceAsyncStub":
    return ContactServiceStub(customer.channel)


@pytest.fixture
def upload(imports: "ImportServiceAsyncStub", user: User) -> Upload:
    """Uploads bytes as `user`, answers the upload's id."""

    async def upload_bytes(content: bytes, *, by: User = user, file_name: str = "客户.xlsx") -> str:
        begun = await imports.CreateUpload(
            pb.CreateUploadRequest(file_name=file_name, total_bytes=len(content)), metadata=by.metadata
        )
        for offset in range(0, len(content), PART):
            part = pb.AppendUploadRequest(id=begun.id, offset=offset, content=content[offset : offset + PART])
            await imports.AppendUpload(part, metadata=by.metadata)
        return begun.id

    return upload_bytes


@pytest.fixture
def run(imports: "ImportServiceAsyncStub", upload: Upload, user: User) -> Run:
    """Imports bytes (or rows, as CSV) as `user`, and answers the import once it has ended."""

    async def run_import(
        content: bytes | Sequence[Sequence[str]], *, by: User = user, seconds: float = 30, **fields: Any
    ) -> pb.Import:
        data = content if isinstance(content, bytes) else as_csv(content)
        job = pb.Import(upload_id=await upload(data, by=by), **{"mode": pb.Import.MODE_CREATE} | fields)
        made = await imports.CreateImport(pb.CreateImportRequest(job=job), metadata=by.metadata)

        async def ended() -> pb.Import | None:
            now = await imports.GetImport(pb.GetImportRequest(id=made.id), metadata=by.metadata)
            return now if now.state in ENDED else None

        done = await eventually(ended, seconds=seconds)
        assert done is not None
        return done

    return run_import


def as_csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def all_accounts(accounts: "AccountServiceAsyncStub", user: User) -> list[accounts_pb2.Account]:
    found: list[accounts_pb2.Account] = []
    token = ""
    while True:
        request = accounts_pb2.ListAccountsRequest(page_size=200, page_token=token, order_by="display_name")
        page = await accounts.ListAccounts(request, metadata=user.metadata)
        found += page.accounts
        token = page.next_page_token
        if not token:
            return found


async def errors_of(imports: "ImportServiceAsyncStub", user: User, id: str) -> list[pb.ImportError]:
    found: list[pb.ImportError] = []
    token = ""
    while True:
        request = pb.ListImportErrorsRequest(id=id, page_size=10, page_token=token)
        page = await imports.ListImportErrors(request, metadata=user.metadata)
        found += page.errors
        token = page.next_page_token
        if not token:
            return found


def numbers_of(found: list[accounts_pb2.Account]) -> list[str]:
    return sorted(key.value for account in found for key in account.external_ids)


def good_numbers(made: MadeSpreadsheet) -> list[str]:
    bad = {error.row_number for error in made.errors}
    return sorted(row[NUMBER] for index, row in enumerate(made.rows, start=2) if index not in bad)


def counts(job: pb.Import) -> tuple[int, int, int, int]:
    return job.created_count, job.updated_count, job.skipped_count, job.failed_count


# --- uploading


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


# --- who may


async def test_uploads_and_imports_of_others_are_not_found(
    imports: "ImportServiceAsyncStub", customer: Running, run: Run
) -> None:
    tenant = await customer.tenant()
    own = {"imports.read": Scope.OWN, "imports.write": Scope.OWN, "accounts.write": Scope.OWN}
    li = await customer.user(tenant, grants=own)
    job = await run([["客户名称"], ["华信"]], by=li)
    for stranger in (await customer.user(), await customer.user(tenant, grants=own)):
        with refused("NOT_FOUND", "UPLOAD_NOT_FOUND"):
            await imports.GetUpload(pb.GetUploadRequest(id=job.upload_id), metadata=stranger.metadata)
        with refused("NOT_FOUND", "UPLOAD_NOT_FOUND"):
            request = pb.CreateImportRequest(job=pb.Import(upload_id=job.upload_id, mode=pb.Import.MODE_CREATE))
            await imports.CreateImport(request, metadata=stranger.metadata)
        with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
            await imports.GetImport(pb.GetImportRequest(id=job.id), metadata=stranger.metadata)
        with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
            await imports.ListImportErrors(pb.ListImportErrorsRequest(id=job.id), metadata=stranger.metadata)
        with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
            await imports.GetImportReport(pb.GetImportReportRequest(id=job.id), metadata=stranger.metadata)
        with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
            await imports.CancelImport(pb.CancelImportRequest(id=job.id), metadata=stranger.metadata)
        assert not (await imports.ListImports(pb.ListImportsRequest(), metadata=stranger.metadata)).imports


async def test_who_may_not_write_accounts_may_not_import_them(
    imports: "ImportServiceAsyncStub", customer: Running, upload: Upload
) -> None:
    clerk = await customer.user(grants={"imports.read": Scope.ALL, "imports.write": Scope.ALL})
    id = await upload(b"name\nx", by=clerk)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        request = pb.CreateImportRequest(job=pb.Import(upload_id=id, mode=pb.Import.MODE_CREATE))
        await imports.CreateImport(request, metadata=clerk.metadata)
    reader = await customer.user(grants={"imports.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await imports.CreateUpload(pb.CreateUploadRequest(file_name="a.csv"), metadata=reader.metadata)


async def test_contacts_need_the_right_to_write_contacts(customer: Running, run: Run) -> None:
    grants = {"imports.read": Scope.OWN, "imports.write": Scope.OWN, "accounts.write": Scope.OWN}
    job = await run([["客户名称", "联系人"], ["华信", "王伟"]], by=await customer.user(grants=grants))
    assert (job.state, job.failure_reason) == (pb.Import.STATE_FAILED, "PERMISSION_DENIED")
    assert "contacts.write" in job.failure


async def test_accounts_that_the_user_may_not_see_are_not_changed(
    accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", customer: Running, run: Run
) -> None:
    tenant = await customer.tenant()
    head = await customer.user(tenant)
    own = {"imports.read": Scope.OWN, "imports.write": Scope.OWN, "accounts.write": Scope.OWN}
    li = await customer.user(tenant, grants=own)
    await run([["客户编号", "客户名称"], ["C1", "华信"]], by=head)
    job = await run([["客户编号", "客户名称"], ["C1", "李的"], ["C2", "新的"]], by=li, mode=pb.Import.MODE_UPSERT)
    assert counts(job) == (1, 0, 0, 1)
    assert [(each.row_number, each.reason) for each in await errors_of(imports, li, job.id)] == [
        (2, "ACCOUNT_NOT_FOUND")
    ]
    assert [account.display_name for account in await all_accounts(accounts, head)] == ["华信", "新的"]


# --- what becomes of rows


@pytest.mark.parametrize("kind", ["xlsx", "csv", "gb18030"])
async def test_good_rows_are_in_and_each_bad_one_is_told_with_row_column_and_reason(
    kind: str, imports: "ImportServiceAsyncStub", accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    made = make_customer_spreadsheet(rows=300, bad_rows=21, seed=5)
    content = made.xlsx() if kind == "xlsx" else made.csv("gb18030" if kind == "gb18030" else "utf-8-sig")
    job = await run(content, external_source="sap")
    assert job.state == pb.Import.STATE_SUCCEEDED, job.failure
    assert (job.rows_total, job.rows_read, job.reported_count) == (300, 300, 21)
    assert counts(job) == (279, 0, 0, 21)
    mapping = {each.column: each.field for each in job.mapping}
    assert list(mapping) == list(HEADER)
    assert (mapping["客户名称"], mapping["联系人电话"]) == ("display_name", "contact_phone")
    told = await errors_of(imports, user, job.id)
    assert [(each.row_number, each.column, each.reason) for each in told] == [
        (each.row_number, each.column, each.reason) for each in made.errors
    ]
    found = await all_accounts(accounts, user)
    assert numbers_of(found) == good_numbers(made)
    assert {key.source for account in found for key in account.external_ids} == {"sap"}
    assert {account.owner_id for account in found} == {str(user.id)}


async def test_a_row_becomes_an_account_with_all_it_tells_and_its_contact(
    accounts: "AccountServiceAsyncStub", contacts: "ContactServiceAsyncStub", user: User, run: Run
) -> None:
    header = (
        "客户编号 客户名称 省份 城市 详细地址 行业 电话 邮箱 网址 标签 状态 角色 员工人数 备注 联系人 职务 联系人电话"
    )
    row = (
        "C1 华信电力 广东省 深圳市 深南大道1号 能源 0755-86661234 info@hx.cn www.hx.cn "
        "重点 活跃 客户 300 年底续约 王伟 采购经理 13800138000"
    )
    job = await run([header.split(), row.split()])
    assert counts(job) == (1, 0, 0, 0)
    (account,) = await all_accounts(accounts, user)
    assert account.kind == accounts_pb2.Account.KIND_ORGANIZATION
    assert (account.display_name, account.region_code, account.industry) == ("华信电力", "CN-GD", "能源")
    assert list(account.phone_numbers) == ["+8675586661234"]
    assert list(account.emails) == ["info@hx.cn"]
    assert account.website == "https://www.hx.cn"
    assert list(account.tags) == ["重点"]
    assert list(account.roles) == [accounts_pb2.Account.ROLE_CUSTOMER]
    assert account.status == accounts_pb2.Account.STATUS_ACTIVE
    assert (account.employee_count, account.preferences) == (300, "年底续约")
    assert (account.addresses[0].city, account.addresses[0].line) == ("深圳市", "深南大道1号")
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=user.metadata)
    (contact,) = page.contacts
    assert (contact.display_name, contact.job_title) == ("王伟", "采购经理")
    assert list(contact.phone_numbers) == ["+8613800138000"]
    assert [link.account_id for link in contact.accounts] == [account.id]
    found = await accounts.SearchAccounts(accounts_pb2.SearchAccountsRequest(query="王伟"), metadata=user.metadata)
    assert [each.id for each in found.accounts] == [account.id]


async def test_a_key_that_is_there_already_is_an_error_when_creating(
    imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    rows = [["客户编号", "客户名称"], ["C1", "甲"], ["C2", "乙"]]
    assert counts(await run(rows)) == (2, 0, 0, 0)
    job = await run([*rows, ["C3", "丙"], ["C3", "丁"]])
    assert counts(job) == (1, 0, 0, 3)
    assert [
        (each.row_number, each.column, each.value, each.reason) for each in await errors_of(imports, user, job.id)
    ] == [
        (2, "客户编号", "C1", "EXTERNAL_ID_TAKEN"),
        (3, "客户编号", "C2", "EXTERNAL_ID_TAKEN"),
        (5, "客户编号", "C3", "EXTERNAL_ID_DUPLICATE"),
    ]


async def test_an_upsert_changes_what_is_there_creates_the_rest_and_skips_what_says_nothing_new(
    accounts: "AccountServiceAsyncStub", contacts: "ContactServiceAsyncStub", user: User, run: Run
) -> None:
    header = ["客户编号", "客户名称", "电话", "标签", "状态", "联系人", "联系人电话"]
    await run([header, ["C1", "甲", "13800138000", "a", "", "王伟", ""], ["C2", "乙", "", "", "", "", ""]])
    rows = [
        header,
        ["C1", "甲", "13900139000", "b", "流失", "王伟", "13600136000"],
        ["C2", "乙", "", "", "", "", ""],
        ["C3", "丙", "", "", "", "", ""],
    ]
    assert counts(await run(rows, mode=pb.Import.MODE_UPSERT)) == (1, 1, 1, 0)
    first, *_ = [each for each in await all_accounts(accounts, user) if each.display_name == "甲"]
    assert list(first.phone_numbers) == ["+8613900139000", "+8613800138000"]
    assert list(first.tags) == ["b", "a"]
    assert first.status == accounts_pb2.Account.STATUS_LOST
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=user.metadata)
    assert [list(each.phone_numbers) for each in page.contacts] == [["+8613600136000"]]
    assert counts(await run(rows, mode=pb.Import.MODE_UPSERT)) == (0, 0, 3, 0)


async def test_an_update_needs_a_key_that_is_known(imports: "ImportServiceAsyncStub", user: User, run: Run) -> None:
    await run([["客户编号", "客户名称"], ["C1", "甲"]])
    rows = [["客户编号", "行业"], ["C1", "能源"], ["C2", "能源"], ["", "能源"]]
    job = await run(rows, mode=pb.Import.MODE_UPDATE)
    assert counts(job) == (0, 1, 0, 2)
    assert [(each.row_number, each.column, each.reason) for each in await errors_of(imports, user, job.id)] == [
        (3, "客户编号", "ACCOUNT_NOT_FOUND"),
        (4, "客户编号", "EXTERNAL_ID_MISSING"),
    ]


async def test_two_rows_of_one_account_are_both_in(accounts: "AccountServiceAsyncStub", user: User, run: Run) -> None:
    columns = [
        pb.ImportColumn(column="sap", field="external_ids.sap"),
        pb.ImportColumn(column="crm", field="external_ids.crm"),
    ]
    header = ["客户名称", "sap", "crm", "行业", "来源"]
    await run([header, ["甲", "1", "2", "", ""]], columns=columns)
    rows = [header, ["", "1", "", "能源", ""], ["", "", "2", "", "展会"]]
    assert counts(await run(rows, columns=columns, mode=pb.Import.MODE_UPSERT)) == (0, 2, 0, 0)
    (account,) = await all_accounts(accounts, user)
    assert (account.industry, account.source) == ("能源", "展会")


async def test_owners_and_parents_are_found_by_what_people_call_them(
    accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", customer: Running, user: User, run: Run
) -> None:
    seller = await customer.user(user.tenant_id)
    login = f"{seller.id.hex[-12:]}@example.test"
    rows = [
        ["客户编号", "客户名称", "客户经理", "上级客户"],
        ["C1", "集团", login, ""],
        ["C2", "子公司", "", "集团"],
        ["C3", "孙公司", "", "C2"],
        ["C4", "无主", "nobody", ""],
        ["C5", "孤儿", "", "不存在"],
    ]
    job = await run(rows)
    assert [(each.row_number, each.column, each.reason) for each in await errors_of(imports, user, job.id)] == [
        (5, "客户经理", "REFERENCE_NOT_FOUND"),
        (6, "上级客户", "REFERENCE_NOT_FOUND"),
    ]
    by_name = {account.display_name: account for account in await all_accounts(accounts, user)}
    assert by_name["集团"].owner_id == str(seller.id)
    assert by_name["子公司"].parent_id == by_name["集团"].id
    assert by_name["孙公司"].parent_id == by_name["子公司"].id
    dry = await run([rows[0], ["D1", "总部", "", ""], ["D2", "分部", "", "总部"]], dry_run=True)
    assert counts(dry) == (2, 0, 0, 0)


async def test_accounts_get_the_owner_that_was_named(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, run: Run
) -> None:
    seller = await customer.user(user.tenant_id)
    await run([["客户名称"], ["甲"]], account_owner_id=str(seller.id))
    assert [each.owner_id for each in await all_accounts(accounts, user)] == [str(seller.id)]
    stranger = await customer.user()
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await run([["客户名称"], ["甲"]], account_owner_id=str(stranger.id))
    assert refusal.fields == ["job.account_owner_id"]


async def test_a_dry_run_writes_counters_and_errors_and_nothing_else(
    imports: "ImportServiceAsyncStub", accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    made = make_customer_spreadsheet(rows=250, bad_rows=8, seed=3)
    job = await run(made.csv(), dry_run=True)
    assert (job.state, counts(job)) == (pb.Import.STATE_SUCCEEDED, (242, 0, 0, 8))
    assert len(await errors_of(imports, user, job.id)) == 8
    assert not await all_accounts(accounts, user)
    request = pb.CreateImportRequest(job=pb.Import(upload_id=job.upload_id, mode=pb.Import.MODE_CREATE))
    assert (await imports.CreateImport(request, metadata=user.metadata)).state == pb.Import.STATE_QUEUED


async def test_the_report_holds_the_bad_rows_and_can_be_corrected_and_imported(
    imports: "ImportServiceAsyncStub", accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    rows = [["客户编号", "客户名称", "电话"], ["C1", "=甲", "13800138000"], ["C2", "乙", "123"], ["C3", "", "139"]]
    job = await run(rows)
    assert counts(job) == (1, 0, 0, 2)
    request = pb.GetImportReportRequest(id=job.id)
    report = await imports.GetImportReport(request, metadata=user.metadata)
    assert report.file_name == "客户-errors.xlsx"
    sheet: Any = openpyxl.load_workbook(io.BytesIO(report.content)).active
    values = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert [row[:3] for row in values[1:]] == [["C2", "乙", "123"], ["C3", None, "139"]]
    assert "电话" in values[1][3]
    assert "客户名称" in values[2][3]
    request.format = pb.GetImportReportRequest.FORMAT_CSV
    as_text = (await imports.GetImportReport(request, metadata=user.metadata)).content.decode("utf-8-sig")
    corrected = as_text.replace("123", "13900139000", 1).replace("C3,,139", "C3,丙,13700137000")
    assert counts(await run(corrected.encode())) == (2, 0, 0, 0)
    assert numbers_of(await all_accounts(accounts, user)) == ["C1", "C2", "C3"]


async def test_no_more_errors_are_kept_than_are_listed_and_the_counter_goes_on(
    imports: "ImportServiceAsyncStub", user: User, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_customer.imports.progress.MOST_ERRORS", 150)
    job = await run([["客户名称", "电话"], *(["甲", "1"] for _ in range(400))])
    assert (job.failed_count, job.reported_count) == (400, 150)
    assert [each.row_number for each in await errors_of(imports, user, job.id)] == list(range(2, 152))


# --- files that cannot be imported


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
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await run([["甲方"], ["华信"]], columns=[pb.ImportColumn(column="甲方", field="colour")])
    missing = await run([["甲方"], ["华信"]], columns=[pb.ImportColumn(column="乙方", field="display_name")])
    assert (missing.state, missing.failure_reason) == (pb.Import.STATE_FAILED, "INVALID_ARGUMENT")
    assert "乙方" in missing.failure


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


# --- workers that die


@pytest.fixture
def set_aside(customer: Running, upload: Upload, user: User) -> Callable[..., Awaitable[jobs.Job]]:
    """Makes an import that the service's own workers leave alone, as if another process had claimed it."""

    async def make(content: bytes, *, mode: Mode = Mode.CREATE) -> jobs.Job:
        upload_id = UUID(await upload(content))
        actor = Actor(user.tenant_id, user.id, SERVICE_ACCESS)
        holder = new_id()
        async with unit(customer.service.database, actor, scope=Scope.ALL, now=system_now()) as work:
            job: Import = await create_import(work, upload_id, mode=mode, values={"external_source": "sap"})
            await work.flush()
            work.execute(claim_long(), import_id=job.id, holder=holder, duration=timedelta(hours=1))
        return jobs.Job(user.tenant_id, job.id, holder)

    return make


def claim_long() -> Any:
    until = text("clock_timestamp() + interval '1 hour'")
    return compile_statement(
        update(import_jobs)
        .where(import_jobs.c.tenant_id == bindparam("tenant_id"), import_jobs.c.import_id == bindparam("import_id"))
        .values(holder=bindparam("holder", type_=Uuid), expire_time=until)
    )


def another_worker(customer: Running) -> ImportWorker:
    service = customer.service
    return ImportWorker(service.database, service.clock, service.directory, service.settings.issuer)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_however_often_workers_die_in_the_middle_each_row_is_there_once(
    seed: int,
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    contacts: "ContactServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: Callable[..., Awaitable[jobs.Job]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "BATCH", 7)
    made = make_customer_spreadsheet(rows=120, bad_rows=9, seed=seed)
    job = await set_aside(made.csv())
    source = random.Random(seed)
    steps: list[int] = []
    while True:
        dying = asyncio.create_task(another_worker(customer).carry_out(job))
        # Anywhere: between two statements, between a commit and what follows it, or before the first row.
        await asyncio.wait({dying}, timeout=source.uniform(0.0, 0.4))
        if dying.done():
            await dying
            break
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
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


async def test_two_workers_on_one_import_double_nothing(
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: Callable[..., Awaitable[jobs.Job]],
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


async def test_a_cancelled_import_stops_and_what_is_in_stays_in(
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: Callable[..., Awaitable[jobs.Job]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "BATCH", 5)
    job = await set_aside(make_customer_spreadsheet(rows=400, bad_rows=0, seed=2).csv())
    working = asyncio.create_task(another_worker(customer).carry_out(job))

    async def some_are_in() -> bool:
        now = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
        return now.rows_read > 0

    await eventually(some_are_in)
    request = pb.CancelImportRequest(id=str(job.import_id))
    cancelled = await imports.CancelImport(request, metadata=user.metadata)
    await working
    assert cancelled.state == pb.Import.STATE_CANCELLED
    after = await imports.GetImport(pb.GetImportRequest(id=cancelled.id), metadata=user.metadata)
    assert after == cancelled
    assert 0 < after.created_count < 400
    assert len(await all_accounts(accounts, user)) == after.created_count
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await imports.CancelImport(request, metadata=user.metadata)


async def test_an_import_that_was_left_is_taken_over_by_the_service(
    imports: "ImportServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: Callable[..., Awaitable[jobs.Job]],
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
    set_aside: Callable[..., Awaitable[jobs.Job]],
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
    assert len(await all_accounts(accounts, user)) == 20


async def test_a_right_that_is_taken_away_stops_the_import(
    imports: "ImportServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: Callable[..., Awaitable[jobs.Job]],
) -> None:
    job = await set_aside("客户名称\n甲".encode())
    async with customer.unit(user.tenant_id) as work:
        project_user(
            work, id=user.id, login="gone", display_name="gone", active=False, team_id=None, role_ids=[], version=2
        )
    customer.service.directory.forget(user.tenant_id)
    await another_worker(customer).carry_out(job)
    other = await customer.user(user.tenant_id)
    now = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=other.metadata)
    assert (now.state, now.failure_reason) == (pb.Import.STATE_FAILED, "UNAUTHENTICATED")


async def test_the_end_of_an_import_is_an_event(customer: Running, user: User, run: Run) -> None:
    job = await run([["客户名称"], ["甲"], [""]])
    async with customer.unit(user.tenant_id) as work:
        rows = await work.all(compile_statement(select(outbox.c.event).where(outbox.c.aggregate_id == UUID(job.id))))
    (event,) = [event_of(row["event"]) for row in rows]
    finished = events_pb2.ImportFinished()
    assert event.payload.Unpack(finished)
    assert finished.job == job
    assert event.actor_id == str(user.id)


# --- over REST


@pytest.fixture
async def web(customer: Running, user: User) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of the service, called as `user`."""
    settings = Settings(customer_address=customer.service.settings.listen_address, max_upload_bytes=3 << 20)
    gateway = create_app(settings)
    headers = {"authorization": f"Bearer {user.token}"}
    transport = httpx.ASGITransport(app=gateway.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client
    await gateway.close()


async def test_over_rest_a_file_is_sent_imported_and_its_bad_rows_are_fetched(
    web: httpx.AsyncClient, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    content = as_csv([["客户编号", "客户名称", "电话"], ["C1", "甲", "13800138000"], ["C2", "乙", "1"]])
    sent = await web.post(
        "/v1/uploads", content=content, params={"file_name": "客户.csv"}, headers={"content-type": "text/csv"}
    )
    assert sent.status_code == 201, sent.text
    assert (sent.json()["received_bytes"], sent.json()["file_name"]) == (len(content), "客户.csv")
    assert sent.headers["location"] == f"/v1/uploads/{sent.json()['id']}"
    assert (await web.get(sent.headers["location"])).json() == sent.json()
    made = await web.post("/v1/imports", json={"upload_id": sent.json()["id"], "mode": "CREATE"})
    assert made.status_code == 201, made.text

    async def succeeded() -> dict[str, Any] | None:
        now: dict[str, Any] = (await web.get(made.headers["location"])).json()
        return now if now["state"] == "STATE_SUCCEEDED" else None

    done = await eventually(succeeded)
    assert done is not None
    assert (done["created_count"], done["failed_count"]) == (1, 1)
    errors = (await web.get(f"/v1/imports/{done['id']}/errors")).json()["errors"]
    assert [(each["row_number"], each["column"], each["reason"]) for each in errors] == [(3, "电话", "PHONE_INVALID")]
    report = await web.get(f"/v1/imports/{done['id']}/report.csv")
    assert report.headers["content-type"] == "text/csv; charset=utf-8"
    assert "%E5%AE%A2%E6%88%B7-errors.csv" in report.headers["content-disposition"]
    assert report.content.decode("utf-8-sig").splitlines()[1].startswith("C2,乙,1,")
    sheet = await web.get(f"/v1/imports/{done['id']}/report.xlsx")
    assert openpyxl.load_workbook(io.BytesIO(sheet.content)).active is not None
    as_json = (await web.get(f"/v1/imports/{done['id']}/report", params={"format": "CSV"})).json()
    assert base64.b64decode(as_json["content"]) == report.content
    assert (await web.get(f"/v1/imports/{done['id']}/report.pdf")).json()["reason"] == "ROUTE_NOT_FOUND"
    assert (await web.get(f"/v1/imports/{new_id()}/report.csv")).json()["reason"] == "IMPORT_NOT_FOUND"


async def test_a_body_comes_in_chunks_of_any_size_and_arrives_whole(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    content = random.Random(1).randbytes((2 << 20) + 12345)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 70_001):
            yield content[start : start + 70_001]

    sent = await web.post("/v1/uploads", content=chunks(), headers={"x-file-name": "%E7%94%B2.xlsx"})
    assert sent.status_code == 201, sent.text
    assert (sent.json()["file_name"], sent.json()["total_bytes"]) == ("甲.xlsx", 0)
    async with customer.unit(user.tenant_id) as work:
        file = await fetch_upload(work, await get_upload(work, UUID(sent.json()["id"])))
    with file:
        file.seek(0)
        assert file.read() == content


async def test_a_body_that_is_too_large_or_no_spreadsheet_is_refused(web: httpx.AsyncClient) -> None:
    too_large = bytes((3 << 20) + 1)

    async def chunks() -> AsyncIterator[bytes]:
        yield too_large

    for content in (too_large, chunks()):
        answer = await web.post("/v1/uploads", content=content, headers={"content-type": "text/csv"})
        assert (answer.status_code, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")
    answer = await web.post("/v1/uploads", content=b"<a/>", headers={"content-type": "text/html"})
    assert (answer.status_code, answer.json()["reason"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (await web.post("/v1/uploads", content=b"")).status_code == 400
    answer = await web.post("/v1/uploads", content=b"x", headers={"authorization": "Bearer x"})
    assert answer.status_code == 401
