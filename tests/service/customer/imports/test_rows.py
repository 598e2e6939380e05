"""What becomes of the rows of a spreadsheet."""

import io
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm.customer.v1 import imports_pb2 as pb

from tests.factories.spreadsheet import HEADER, make_customer_spreadsheet
from tests.service.customer.imports.calls import (
    Run,
    all_accounts,
    counts,
    errors_of,
    good_numbers,
    numbers_of,
    written_of,
)
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


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
    with_errors = pb.ListImportsRequest(filter=f'id = "{job.id}" AND rows_read = 300 AND failed_count > 20')
    assert list((await imports.ListImports(with_errors, metadata=user.metadata)).imports) == [job]
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


async def test_two_rows_of_one_account_share_its_contact_and_each_is_told(
    accounts: "AccountServiceAsyncStub",
    contacts: "ContactServiceAsyncStub",
    customer: Running,
    user: User,
    run: Run,
) -> None:
    columns = [
        pb.ImportColumn(column="sap", field="external_ids.sap"),
        pb.ImportColumn(column="crm", field="external_ids.crm"),
    ]
    header = ["客户名称", "sap", "crm", "状态", "联系人", "联系人电话"]
    await run([header, ["甲", "1", "2", "", "", ""], ["乙", "3", "", "", "", ""]], columns=columns)
    rows = [
        header,
        ["", "1", "", "活跃", "王伟", "13800138000"],
        ["甲乙", "", "2", "流失", "王伟", "13900139000,13800138000"],
        ["", "3", "", "", "李娜", "13700137000"],
    ]
    assert counts(await run(rows, columns=columns, mode=pb.Import.MODE_UPSERT)) == (0, 3, 0, 0)
    by_name = {each.display_name: each for each in await all_accounts(accounts, user)}
    account, other = by_name["甲乙"], by_name["乙"]
    assert account.status == accounts_pb2.Account.STATUS_LOST
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=user.metadata)
    assert len(page.contacts) == 2
    first, second = (next(each for each in page.contacts if each.display_name == name) for name in ("王伟", "李娜"))
    assert list(first.phone_numbers) == ["+8613900139000", "+8613800138000"]
    assert second.owner_id == other.owner_id
    for name, id in (("王伟", account.id), ("李娜", other.id), ("甲乙", account.id)):
        found = await accounts.SearchAccounts(accounts_pb2.SearchAccountsRequest(query=name), metadata=user.metadata)
        assert [each.id for each in found.accounts] == [id]
    changes = ["1 CREATED", "2 STATUS_CHANGED", "3 UPDATED", "4 STATUS_CHANGED"]
    told = ["1 AccountCreated", "2 AccountStatusChanged", "3 AccountUpdated", "4 AccountStatusChanged"]
    written = await written_of(customer, user.tenant_id, "account")
    assert written == {account.id: changes + told, other.id: ["1 CREATED", "1 AccountCreated"]}
    written = await written_of(customer, user.tenant_id, "contact")
    assert written[first.id] == ["1 CREATED", "2 UPDATED", "1 ContactCreated", "2 ContactUpdated"]


async def test_of_a_row_with_a_bad_contact_nothing_is_in(
    accounts: "AccountServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    customer: Running,
    user: User,
    run: Run,
) -> None:
    """Also where an earlier row of the same account was sent just before."""
    columns = [
        pb.ImportColumn(column="sap", field="external_ids.sap"),
        pb.ImportColumn(column="crm", field="external_ids.crm"),
    ]
    header = ["客户名称", "sap", "crm", "行业", "联系人", "联系人电话"]
    await run([header, ["甲", "1", "2", "", "", ""], ["乙", "3", "", "", "", ""]], columns=columns)
    twenty = ",".join(f"138001380{number:02}" for number in range(20))
    rows = [
        header,
        ["", "1", "", "能源", "王伟", twenty],
        ["", "", "2", "电子", "王伟", "13900139000,13800138000"],
        ["", "3", "", "物流", "", ""],
    ]
    job = await run(rows, columns=columns, mode=pb.Import.MODE_UPSERT)
    assert counts(job) == (0, 2, 0, 1)
    assert [(each.row_number, each.reason) for each in await errors_of(imports, user, job.id)] == [
        (3, "TOO_MANY_VALUES")
    ]
    found = {each.display_name: each for each in await all_accounts(accounts, user)}
    assert {name: each.industry for name, each in found.items()} == {"甲": "能源", "乙": "物流"}
    written = await written_of(customer, user.tenant_id, "account")
    once = ["1 CREATED", "2 UPDATED", "1 AccountCreated", "2 AccountUpdated"]
    assert written == {each.id: once for each in found.values()}


async def test_an_import_makes_no_account_that_could_not_be_made_otherwise(
    accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    """However its values come together: from the columns of the account and of a contact without a name."""
    keys = [f"k{number}" for number in range(21)]
    columns = [pb.ImportColumn(column=key, field=f"external_ids.{key}") for key in keys]
    ours, theirs = [",".join(f"{code}001380{number:02}" for number in range(20)) for code in ("138", "139")]
    mails = ",".join(f"a{number}@hx.cn" for number in range(20))
    header = ["客户名称", "网址", "电话", "联系人电话", "邮箱", "联系人邮箱", *keys]
    none = [""] * len(keys)
    rows = [
        ["甲", "", ours, ours, mails, mails, *[f"{number}" for number in range(20)], ""],
        ["乙", "", ours, theirs, "", "", *none],
        ["丙", "", "", "", mails, "b@hx.cn", *none],
        ["丁", "", "", "", "", "", *keys],
        ["戊", "www.hx.cn/%zz", "", "", "", "", *none],
    ]
    job = await run([header, *rows], columns=columns, mode=pb.Import.MODE_UPSERT)
    assert counts(job) == (1, 0, 0, 4)
    assert [(each.row_number, each.column, each.reason) for each in await errors_of(imports, user, job.id)] == [
        (3, "电话", "TOO_MANY_VALUES"),
        (4, "邮箱", "TOO_MANY_VALUES"),
        (5, "k0", "TOO_MANY_VALUES"),
        (6, "网址", "INVALID_ARGUMENT"),
    ]
    (account,) = await all_accounts(accounts, user)
    assert [len(each) for each in (account.phone_numbers, account.emails, account.external_ids)] == [20, 20, 20]
    # As it came, the answer goes back.
    account.industry = "steel"
    request = accounts_pb2.UpdateAccountRequest(account=account)
    assert (await accounts.UpdateAccount(request, metadata=user.metadata)).industry == "steel"


async def test_a_contact_that_would_get_too_many_numbers_is_told_at_its_own_column(
    imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    columns = [pb.ImportColumn(column="sap", field="external_ids.sap")]
    header = ["客户名称", "sap", "电话", "联系人", "联系人电话"]
    twenty = ",".join(f"138001380{number:02}" for number in range(20))
    await run([header, ["甲", "1", "", "王伟", twenty]], columns=columns)
    job = await run(
        [header, ["甲", "1", "", "王伟", "13900139000,13800138000"]], columns=columns, mode=pb.Import.MODE_UPSERT
    )
    (error,) = await errors_of(imports, user, job.id)
    assert (error.column, error.value) == ("联系人电话", "13900139000,13800138000")
    assert error.reason == "TOO_MANY_VALUES"


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


async def test_an_account_whose_owner_is_named_again_stays_in_the_team_it_was_given_to(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, run: Run
) -> None:
    north, south = await customer.team(user.tenant_id), await customer.team(user.tenant_id)
    seller = await customer.user(user.tenant_id, team_id=north)
    login = f"{seller.id.hex[-12:]}@example.test"
    rows = [["客户编号", "客户名称", "客户经理"], ["C1", "甲", login]]
    await run(rows, external_source="sap")
    await customer.change_user(seller, team_id=south)
    again = await run(rows, external_source="sap", mode=pb.Import.MODE_UPSERT)
    assert again.skipped_count == 1
    assert [each.owner_team_id for each in await all_accounts(accounts, user)] == [str(north)]


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


async def test_a_row_that_stands_above_its_parent_comes_in_with_the_report(
    imports: "ImportServiceAsyncStub", accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    job = await run([["客户名称", "客户编号", "上级客户"], ["子", "C1", "母"], ["母", "C2", ""], ["女", "C3", "母"]])
    assert counts(job) == (2, 0, 0, 1)
    (error,) = await errors_of(imports, user, job.id)
    assert (error.row_number, error.column, error.reason) == (2, "上级客户", "REFERENCE_NOT_FOUND")
    report = await imports.GetImportReport(pb.GetImportReportRequest(id=job.id), metadata=user.metadata)
    assert counts(await run(report.content)) == (1, 0, 0, 0)
    found = {each.display_name: each for each in await all_accounts(accounts, user)}
    assert {found[name].parent_id for name in ("子", "女")} == {found["母"].id}


async def test_no_more_errors_are_kept_than_are_listed_and_the_counter_goes_on(
    imports: "ImportServiceAsyncStub", user: User, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_customer.imports.progress.MAX_ERRORS", 150)
    job = await run([["客户名称", "电话"], *(["甲", "1"] for _ in range(400))])
    assert (job.failed_count, job.reported_count) == (400, 150)
    assert [each.row_number for each in await errors_of(imports, user, job.id)] == list(range(2, 152))
