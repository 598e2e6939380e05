"""Spreadsheets as salespeople have them, from the upload to the account."""

import io
import zipfile
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from crm.customer.v1 import contacts_pb2
from crm.customer.v1 import imports_pb2 as pb
from crm_customer.imports import jobs
from crm_customer.imports.spreadsheets import separate
from crm_customer.imports.tables import import_jobs
from crm_kit.database.statements import statement
from sqlalchemy import bindparam, select, update

from tests.service.customer.imports.calls import (
    Run,
    SetAside,
    Upload,
    all_accounts,
    another_worker,
    as_csv,
    claim_long,
    counts,
    errors_of,
)
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


@statement
def begun_times() -> Any:
    return update(import_jobs).where(import_jobs.c.import_id == bindparam("import_id")).values(tries=bindparam("tries"))


@statement
def tries_of() -> Any:
    return select(import_jobs.c.tries).where(import_jobs.c.import_id == bindparam("import_id"))


def xlsx(*rows: list[object], formats: dict[str, str] | None = None, merged: str = "") -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    for place in merged.split():
        book.worksheets[0].merge_cells(place)
    for cell, form in (formats or {}).items():
        book.worksheets[0][cell].number_format = form
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


async def contacts_of(
    contacts: "ContactServiceAsyncStub", user: User
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(page_size=200), metadata=user.metadata)
    return {
        each.display_name: (tuple(each.phone_numbers), tuple(link.account_name for link in each.accounts))
        for each in page.contacts
    }


async def test_a_key_that_the_cell_shows_with_zeros_finds_its_account_and_no_other(
    accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    await run([["客户编号", "客户名称"], ["000042", "甲"], ["42", "乙"]])
    job = await run(
        xlsx(["客户编号", "客户名称"], [42, "甲公司"], formats={"A2": "000000"}), mode=pb.Import.MODE_UPSERT
    )
    assert counts(job) == (0, 1, 0, 0)
    found = {each.external_ids[0].value: each.display_name for each in await all_accounts(accounts, user)}
    assert found == {"000042": "甲公司", "42": "乙"}


async def test_a_company_whose_cell_is_merged_over_its_contacts_is_one_account_with_all_of_them(
    accounts: "AccountServiceAsyncStub", contacts: "ContactServiceAsyncStub", user: User, run: Run
) -> None:
    header: list[object] = ["客户名称", "员工人数", "联系人"]
    rows: list[list[object]] = [["华信电力", 300, "张伟"], [None, None, "李敏"], ["恒通电力", None, "王芳"]]
    job = await run(xlsx(header, *rows, merged="A2:A3 B2:B3"))
    assert (job.failed_count, job.created_count) == (0, 2)
    assert [each.display_name for each in await all_accounts(accounts, user)] == ["恒通电力", "华信电力"]
    found = {name: told[1] for name, told in (await contacts_of(contacts, user)).items()}
    assert found == {"张伟": ("华信电力",), "李敏": ("华信电力",), "王芳": ("恒通电力",)}


async def test_lost_digits_are_refused_where_they_were_lost_and_codes_are_not(
    imports: "ImportServiceAsyncStub", accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    job = await run(xlsx(["客户编号", "客户名称"], [440301199001011e3, "甲"], ["2E05", "乙"], ["1E3", "丙"]))
    assert counts(job) == (2, 0, 0, 1)
    [error] = await errors_of(imports, user, job.id)
    assert (error.column, error.reason) == ("客户编号", "DIGITS_LOST")
    assert {each.external_ids[0].value for each in await all_accounts(accounts, user)} == {"2E05", "1E3"}


async def test_the_encoding_is_said_can_be_told_and_is_asked_for(
    accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    job = await run("Name;Country\nMüller;Deutschland\n".encode("cp1252"))
    assert (counts(job), job.read_layout.encoding, job.read_layout.separator) == ((1, 0, 0, 0), "windows-1252", ";")
    [account] = await all_accounts(accounts, user)
    assert (account.display_name, account.region_code) == ("Müller", "DE")
    russian = "Name,City\nЭнергия,Москва\n".encode("cp1251")
    unclear = await run(russian)
    assert (unclear.state, unclear.failure_reason) == (pb.Import.STATE_FAILED, "UPLOAD_UNREADABLE")
    assert "windows-1251 (Энергия)" in unclear.failure
    told = await run(russian, layout=pb.ImportLayout(encoding="windows-1251"))
    assert counts(told) == (1, 0, 0, 0)
    assert "Энергия" in {each.display_name for each in await all_accounts(accounts, user)}


async def test_an_encoding_that_nobody_knows_is_refused_at_once(
    imports: "ImportServiceAsyncStub", user: User, upload: Upload
) -> None:
    job = pb.Import(upload_id=await upload(b"name\nA\n"), mode=pb.Import.MODE_CREATE)
    for layout in (
        pb.ImportLayout(encoding="klingon"),
        pb.ImportLayout(separator="ab"),
        pb.ImportLayout(header_row=-1),
    ):
        job.layout.CopyFrom(layout)
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await imports.CreateImport(pb.CreateImportRequest(job=job), metadata=user.metadata)


async def test_sheet_and_header_are_chosen_and_said(accounts: "AccountServiceAsyncStub", user: User, run: Run) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].append(["说明"])
    book.worksheets[0].append(["请填写"])
    sheet = book.create_sheet("名单")
    for row in (["2026年名单"], ["旧名", "旧电话"], ["客户名称", "行业"], ["甲", "能源"]):
        sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    job = await run(file.getvalue(), layout=pb.ImportLayout(sheet="名单", header_row=3))
    assert (counts(job), job.read_layout) == ((1, 0, 0, 0), pb.ImportLayout(sheet="名单", header_row=3))
    assert [each.display_name for each in await all_accounts(accounts, user)] == ["甲"]


@pytest.mark.parametrize("mode", [pb.Import.MODE_CREATE, pb.Import.MODE_UPSERT])
@pytest.mark.parametrize("dry_run", [False, True])
async def test_rows_of_one_company_are_one_account_with_several_contacts(
    mode: "pb.Import.Mode.ValueType",
    dry_run: bool,
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    contacts: "ContactServiceAsyncStub",
    user: User,
    run: Run,
) -> None:
    rows = [
        ["客户编号", "公司", "城市", "姓名", "联系人手机"],
        ["C1", "华信", "深圳", "王伟", "13800138000"],
        ["C1", "华信", "", "李娜", "13900139000"],
        ["", "华信", "", "张强", ""],
        ["", "中科", "北京", "赵敏", ""],
        ["", "中科", "上海", "钱磊", ""],
        ["", "中科", "北京", "孙丽", ""],
        ["C1", "他人", "", "周杰", ""],
    ]
    job = await run(rows, mode=mode, dry_run=dry_run)
    assert counts(job) == (3, 3, 0, 1), await errors_of(imports, user, job.id)
    if dry_run:
        assert await all_accounts(accounts, user) == []
        return
    found = await all_accounts(accounts, user)
    assert sorted((each.display_name, each.addresses[0].city) for each in found) == [
        *(("中科", "上海"), ("中科", "北京"), ("华信", "深圳")),
    ]
    made = await contacts_of(contacts, user)
    assert {name: names for name, (_, names) in made.items()} == {
        **dict.fromkeys(["王伟", "李娜", "张强"], ("华信",)),
        **dict.fromkeys(["赵敏", "钱磊", "孙丽"], ("中科",)),
    }
    assert made["李娜"][0] == ("+8613900139000",)


async def test_a_company_that_is_repeated_far_below_is_still_one_account(
    accounts: "AccountServiceAsyncStub", contacts: "ContactServiceAsyncStub", user: User, run: Run
) -> None:
    others = [[f"公司{number}", f"张{number}"] for number in range(300)]
    job = await run([["公司名称", "联系人"], ["华信", "王伟"], *others, ["华信", "李娜"]])
    assert counts(job) == (301, 1, 0, 0)
    assert len(await all_accounts(accounts, user)) == 301


async def test_invalid_cells_are_left_out_by_choice_and_reported(
    imports: "ImportServiceAsyncStub", accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    rows = [
        ["客户名称", "电话", "邮箱", "负责人"],
        ["甲", "123", "a@b.cn", "nobody"],
        ["乙", "13800138000", "x", ""],
        ["", "13800138000", "", ""],
    ]
    strict = await run(rows)
    assert (counts(strict), strict.partial_count) == ((0, 0, 0, 3), 0)
    job = await run(rows, skip_invalid_cells=True)
    assert (counts(job), job.partial_count, job.reported_count) == ((2, 0, 0, 1), 2, 1)
    told = [(e.row_number, e.column, e.reason, e.row_imported) for e in await errors_of(imports, user, job.id)]
    assert told == [
        (2, "电话", "PHONE_INVALID", True),
        (2, "负责人", "REFERENCE_NOT_FOUND", True),
        (3, "邮箱", "EMAIL_INVALID", True),
        (4, "客户名称", "NAME_MISSING", False),
    ]
    found = {each.display_name: each for each in await all_accounts(accounts, user)}
    assert (list(found["甲"].phone_numbers), list(found["甲"].emails)) == ([], ["a@b.cn"])
    assert list(found["乙"].phone_numbers) == ["+8613800138000"]
    asked = pb.GetImportReportRequest(id=job.id, format=pb.GetImportReportRequest.FORMAT_CSV)
    report = (await imports.GetImportReport(asked, metadata=user.metadata)).content.decode("utf-8-sig")
    assert len(report.splitlines()) == 2
    only_failed = pb.ListImportErrorsRequest(id=job.id, filter="row_imported = false")
    assert len((await imports.ListImportErrors(only_failed, metadata=user.metadata)).errors) == 1


async def test_states_extensions_sizes_and_empty_words_are_read_as_they_are_meant(
    accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    rows = [
        ["Account Name", "Billing State/Province", "Billing Country", "Phone", "Employees", "Account Source"],
        ["Acme", "DE", "US", "(302) 555-0123 ext. 12", "51-200", "n/a"],
        ["Hoosier", "IN", "United States", "-", "1,200", "无"],
        ["Berlin AG", "Bayern", "Deutschland", "030 901820", "1.200", "--"],
        ["Half", "", "", "", "12,5", ""],
        ["HK", "", "香港", "2345 6789", "", ""],
    ]
    job = await run(rows)
    assert counts(job) == (4, 0, 0, 1)
    found = {each.display_name: each for each in await all_accounts(accounts, user)}
    assert {name: each.region_code for name, each in found.items()} == {
        "Acme": "US-DE",
        "Hoosier": "US-IN",
        "Berlin AG": "DE-BY",
        "HK": "CN-HK",
    }
    assert {name: list(each.phone_numbers) for name, each in found.items()} == {
        "Acme": ["+13025550123;ext=12"],
        "Hoosier": [],
        "Berlin AG": ["+4930901820"],
        "HK": ["+85223456789"],
    }
    assert [found[name].employee_count for name in ("Acme", "Hoosier", "Berlin AG")] == [51, 1200, 1200]
    assert {each.source for each in found.values()} == {""}


async def test_an_import_whose_reader_dies_fails_for_good_at_the_third_try(
    imports: "ImportServiceAsyncStub",
    customer: Running,
    user: User,
    set_aside: SetAside,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = await set_aside(as_csv([["客户名称"], ["甲"]]))

    async def died(*_: object) -> None:
        raise separate.ReaderDied

    monkeypatch.setattr("crm_customer.imports.worker.unpack", died)
    for tries in (1, 2):
        with pytest.raises(separate.ReaderDied):
            await another_worker(customer).carry_out(jobs.Job(job.tenant_id, job.import_id, job.holder, tries))
    await another_worker(customer).carry_out(jobs.Job(job.tenant_id, job.import_id, job.holder, 3))
    now = await imports.GetImport(pb.GetImportRequest(id=str(job.import_id)), metadata=user.metadata)
    assert (now.state, now.failure_reason) == (pb.Import.STATE_FAILED, "IMPORT_CRASHED")
    assert "begun 2 times" in now.failure


async def test_who_leaves_an_import_in_good_order_or_gets_on_with_it_was_not_taken_down_by_it(
    customer: Running, set_aside: SetAside
) -> None:
    job = await set_aside(as_csv([["客户名称"], ["甲"]]))
    found: list[int] = []
    async with customer.unit_of_work(job.tenant_id) as work:
        for values in (jobs.give_back(), jobs.forget_tries()):
            work.execute(begun_times(), import_id=job.import_id, tries=3)
            await work.flush()
            work.execute(values, import_id=job.import_id, holder=job.holder)
            await work.flush()
            [row] = await work.all(tries_of(), import_id=job.import_id)
            found.append(row["tries"])
            # Nobody else may take it when this is committed.
            work.execute(claim_long(), import_id=job.import_id, holder=job.holder)
            await work.flush()
    assert found == [2, 1]


async def test_a_stylesheet_of_60_mb_is_refused_and_the_service_goes_on(user: User, run: Run) -> None:
    file = io.BytesIO()
    made = zipfile.ZipFile(io.BytesIO(xlsx(["客户名称"], ["甲"])))
    with made as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            padding = b" " * (60 << 20) if name == "xl/styles.xml" else b""
            target.writestr(name, source.read(name) + padding)
    job = await run(file.getvalue())
    assert (job.state, job.failure_reason) == (pb.Import.STATE_FAILED, "UPLOAD_UNREADABLE")
    assert "'xl/styles.xml' is more than 8 MB" in job.failure
    assert counts(await run([["客户名称"], ["甲"]])) == (1, 0, 0, 0)
