"""Custom fields of accounts in spreadsheets."""

import io
import unicodedata
from datetime import datetime
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import imports_pb2 as pb
from crm.customer.v1.accounts_pb2 import ExternalId
from crm.resource.v1.custom_fields_pb2 import CustomField
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH

from tests.service.customer.customers import new_account
from tests.service.customer.imports.calls import Run, all_accounts, counts, errors_of
from tests.service.kit.custom_fields import (
    BOOL,
    DATE,
    MULTI_SELECT,
    NUMBER,
    REFERENCE,
    SINGLE_SELECT,
    custom_of,
    label,
    message_values,
    new_field,
    options,
)
from tests.service.running import Running, User
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


async def test_columns_are_taken_for_custom_fields_by_label_and_by_key_and_read_as_people_write_them(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "contract_no", label=CustomField.Label(zh="合同编号"))
    await new_field(customer, user, "area", NUMBER, label=CustomField.Label(en="Floor area"))
    await new_field(customer, user, "signed", DATE)
    await new_field(customer, user, "vip", BOOL)
    await new_field(customer, user, "grade", SINGLE_SELECT, options=options("gold", "silver"))
    await new_field(customer, user, "marks", MULTI_SELECT, options=options("x", "y"))
    rows = [
        ["客户名称", "合同编号", "Floor area", "signed", "vip", "级", "marks"],
        ["华信电力", "HT-1", "1,234.50", "2026年1月31日", "是", "中文 gold", "y；x"],
        ["南方钢铁", "HT-2", "", "2026/2/3", "no", "silver", ""],
    ]
    job = await run(rows, columns=[pb.ImportColumn(column="级", field="custom.grade")])
    assert counts(job) == (2, 0, 0, 0), job.failure
    found = {each.display_name: custom_of(each) for each in await all_accounts(accounts, user)}
    assert found == {
        "华信电力": {
            "contract_no": "HT-1",
            "area": "1234.5",
            "signed": "2026-01-31",
            "vip": True,
            "grade": "gold",
            "marks": ["x", "y"],
        },
        "南方钢铁": {"contract_no": "HT-2", "signed": "2026-02-03", "vip": False, "grade": "silver"},
    }


async def test_a_value_that_does_not_fit_is_told_with_its_column_and_keeps_out_its_row_alone(
    customer: Running,
    accounts: "AccountServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    user: User,
    run: Run,
) -> None:
    await new_field(customer, user, "contract_no", unique=True, required=True)
    await new_field(customer, user, "area", NUMBER, label=label("面积"))
    rows = [
        ["名称", "contract_no", "area"],
        ["A", "HT-1", "10"],
        ["B", "HT-2", "wide"],
        ["C", "HT-1", "11"],
        ["D", "", "12"],
    ]
    job = await run(rows)
    assert counts(job) == (1, 0, 0, 3), job.failure
    told = [(each.row_number, each.column, each.value) for each in await errors_of(imports, user, job.id)]
    assert told == [(3, "area", "wide"), (4, "contract_no", "HT-1"), (5, "contract_no", "")]
    (account,) = await all_accounts(accounts, user)
    assert custom_of(account) == {"contract_no": "HT-1", "area": "10"}


async def test_a_field_of_users_takes_logins_and_names_as_owners_do(
    customer: Running, accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "expert", REFERENCE, reference_collection="users")
    li = await customer.user(user.tenant_id, name="李敏")
    job = await run([["名称", "expert"], ["A", "李敏"], ["B", str(li.id)], ["C", "nobody at all"]])
    assert counts(job) == (2, 0, 0, 1)
    (error,) = await errors_of(imports, user, job.id)
    assert (error.column, error.value, error.reason) == ("expert", "nobody at all", "REFERENCE_NOT_FOUND")
    assert {custom_of(each)["expert"] for each in await all_accounts(accounts, user)} == {str(li.id)}


async def test_a_required_field_that_no_column_has_is_named(
    customer: Running, imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "contract_no", required=True)
    job = await run([["名称"], ["A"]])
    (error,) = await errors_of(imports, user, job.id)
    assert (error.reason, error.detail, error.metadata["field"]) == (
        *("FIELD_MISSING", "contract_no is required", "contract_no"),
    )


async def test_an_update_by_spreadsheet_changes_what_it_tells_and_leaves_the_rest(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "contract_no")
    await new_field(customer, user, "area", NUMBER)
    await run([["名称", "客户编号", "contract_no", "area"], ["A", "C1", "HT-1", "10"]])
    again = [["客户编号", "contract_no", "area"], ["C1", "", "11"]]
    assert counts(await run(again, mode=pb.Import.MODE_UPDATE)) == (0, 1, 0, 0)
    (account,) = await all_accounts(accounts, user)
    assert custom_of(account) == {"contract_no": "HT-1", "area": "11"}
    assert counts(await run(again, mode=pb.Import.MODE_UPDATE)) == (0, 0, 1, 0)


async def test_a_column_of_a_custom_field_that_is_not_there_is_refused(user: User, run: Run) -> None:
    rows = [["名称", "等级2"], ["A", "gold"]]
    job = await run(rows, columns=[pb.ImportColumn(column="等级2", field="custom.grade")])
    assert (job.state, job.failure_reason) == (pb.Import.STATE_FAILED, "IMPORT_MAPPING_INCOMPLETE")


@pytest.mark.parametrize("language", [{}, {"accept-language": "en"}, {"accept-language": "zh"}], ids=str)
async def test_an_export_is_imported_as_it_is_whatever_custom_fields_are_called(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run, language: dict[str, str]
) -> None:
    labels = {"no": "Number", "status": "status", "one": "Size", "two": "size"}
    values = {"no": "=A-1", "status": "signed", "one": "1", "two": "2"}
    other = await customer.user()
    for by in (user, other):
        for key, text in labels.items():
            await new_field(customer, by, key, label=CustomField.Label(en=text))
    keys = [ExternalId(source="erp", value="007"), ExternalId(source="sap", value="=1")]
    keys.append(ExternalId(source="old.crm", value='1.38E+10; "a": b'))
    named: dict[str, Any] = {"display_name": "+1+1", "industry": "steel", "phone_numbers": ["+8613800138000"]}
    named |= {"legal_name": "华信", "roles": [accounts_pb2.Account.ROLE_SUPPLIER], "tags": ["A, B", "C"]}
    made = await new_account(customer, user, external_ids=keys, custom=message_values(values), **named)
    async with gateway(customer) as web:
        file = (await web.get("/v1/accounts:export", headers=bearer(user) | language)).content
    job = await run(file, by=other)
    assert counts(job) == (1, 0, 0, 0), job.failure
    (account,) = await all_accounts(accounts, other)
    for name in (*named, "external_ids", "status"):
        assert getattr(account, name) == getattr(made, name)
    assert custom_of(account) == values
    # The keys say whose row it is.
    assert b"erp: 007; sap: =1; " in file
    assert counts(await run(file, mode=pb.Import.MODE_UPDATE)) == (0, 0, 1, 0)
    assert counts(await run(file.replace(b"steel", b"power"), mode=pb.Import.MODE_UPSERT)) == (0, 1, 0, 0)


async def test_numbers_and_dates_are_read_as_the_file_writes_them_and_refused_where_it_does_not_say(
    customer: Running, accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "area", NUMBER)
    await new_field(customer, user, "height", NUMBER)
    await new_field(customer, user, "signed", DATE)
    german = [["名称", "area", "signed"], ["A", "1.234", "02/01/2026"], ["B", "12,5", "31/01/2026"]]
    german += [["C", "1.234,56", ""], ["D", "50%", ""]]
    job = await run(german)
    assert counts(job) == (3, 0, 0, 1), job.failure
    found = {each.display_name: custom_of(each) for each in await all_accounts(accounts, user)}
    assert found == {
        "A": {"area": "1234", "signed": "2026-01-02"},
        "B": {"area": "12.5", "signed": "2026-01-31"},
        "C": {"area": "1234.56"},
    }
    [percentage] = await errors_of(imports, user, job.id)
    assert (percentage.column, percentage.reason, percentage.value) == ("area", "NUMBER_INVALID", "50%")
    job = await run([["名称", "area", "height", "signed"], ["E", "1.234", "2", "01/02/2026"]])
    assert counts(job) == (0, 0, 0, 1), job.failure
    number, day = await errors_of(imports, user, job.id)
    assert (number.column, number.reason, number.value) == ("area", "NOTATION_UNCLEAR", "1.234")
    assert "may be 1.234 or 1234" in number.detail and "write it as 1.2340 or 1234" in number.detail
    assert (day.column, day.reason, day.metadata["rule"]) == ("signed", "NOTATION_UNCLEAR", "date")
    assert "write it as 2026-02-01 or 2026-01-02" in day.detail
    async with gateway(customer) as web:
        url = f"/v1/imports/{job.id}/errors"
        answer = (await web.get(url, headers=bearer(user) | {"accept-language": "zh"})).json()
    assert answer["errors"][0]["detail"].startswith("“1.234”可能是 1.234，也可能是 1234")


async def test_a_number_of_a_workbook_is_the_same_when_its_row_comes_back_in_a_report(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "area", NUMBER)
    book, file = openpyxl.Workbook(), io.BytesIO()
    page = book.create_sheet("list", 0)
    for row in (["名称", "area", "邮箱"], ["A", 1.234, "wrong@"], ["B", "12,5", ""], ["C", "1.234", ""]):
        page.append(row)
    book.save(file)
    job = await run(file.getvalue())
    assert counts(job) == (2, 0, 0, 1), job.failure
    async with gateway(customer) as web:
        report = (await web.get(f"/v1/imports/{job.id}/report.csv", headers=bearer(user))).content
    assert counts(await run(report.replace(b"wrong@", b"") + b'D,"13,5",,\r\n')) == (2, 0, 0, 0)
    found = {each.display_name: custom_of(each) for each in await all_accounts(accounts, user)}
    assert found == {name: {"area": area} for name, area in zip("ABCD", ("1.234", "12.5", "1234", "13.5"), strict=True)}


async def test_letters_that_a_file_writes_apart_from_their_accents_are_the_same_letters(
    customer: Running, accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    larger = CustomField.Option(key="l", label=label("größer"))
    await new_field(customer, user, "size", SINGLE_SELECT, options=[larger], label=label("Größe"))
    await new_field(customer, user, "seal", unique=True)
    await run([["名称", "seal"], ["Zürich AG", "Zürich"]])
    rows = [["名称", "Größe", "seal"], ["Müller", "größer", "Köln"], ["Weiß", "größer", "Zürich"]]
    decomposed = [[unicodedata.normalize("NFD", cell) for cell in row] for row in rows]
    job = await run(decomposed)
    assert counts(job) == (1, 0, 0, 1), job.failure
    (error,) = await errors_of(imports, user, job.id)
    assert (error.column, error.value, error.reason) == ("seal", "Zürich", "CUSTOM_FIELD_VALUE_TAKEN")
    (made,) = [each for each in await all_accounts(accounts, user) if each.display_name == "Müller"]
    assert custom_of(made) == {"size": "l", "seal": "Köln"}


async def test_a_zero_is_a_value_and_no_empty_cell(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "area", NUMBER)
    await new_field(customer, user, "code")
    await new_field(customer, user, "vip", BOOL)
    await new_field(customer, user, "since", DATE)
    header = ["名称", "客户编号", "人数", "area", "code", "vip", "since"]
    await run([header, ["0", "0", "5", "5", "5", "1", "1999-12-31"]])
    # The first second of what many systems count time from is a time, too.
    job = await run([header, ["0", "0", "0", "0", "0", "0", "1970-01-01"]], mode=pb.Import.MODE_UPSERT)
    assert counts(job) == (0, 1, 0, 0), job.failure
    (account,) = await all_accounts(accounts, user)
    assert (account.display_name, account.external_ids[0].value, account.employee_count) == ("0", "0", 0)
    assert account.HasField("employee_count")
    assert custom_of(account) == {"area": "0", "code": "0", "vip": False, "since": "1970-01-01"}


async def test_an_option_that_there_is_not_leaves_the_value_that_there_was(
    customer: Running, accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "grade", SINGLE_SELECT, options=options("gold", "silver"))
    await run([["名称", "客户编号", "grade"], ["A", "C1", "中文 GOLD "]])
    job = await run([["名称", "客户编号", "grade"], ["A", "C1", "bronze"]], mode=pb.Import.MODE_UPSERT)
    assert counts(job) == (0, 0, 0, 1)
    (error,) = await errors_of(imports, user, job.id)
    assert (error.column, error.value) == ("grade", "bronze")
    (account,) = await all_accounts(accounts, user)
    assert custom_of(account) == {"grade": "gold"}


async def test_days_of_a_workbook_are_those_that_it_shows_from_whichever_year_it_counts(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    await new_field(customer, user, "signed", DATE)
    for epoch in (WINDOWS_EPOCH, MAC_EPOCH):
        workbook = openpyxl.Workbook()
        workbook.epoch = epoch
        late = datetime.fromisoformat("2026-01-31T23:59:59")
        for row in (["名称", "signed"], ["A", late.date()], ["B", late]):
            workbook.worksheets[0].append(row)
        file = io.BytesIO()
        workbook.save(file)
        assert counts(await run(file.getvalue())) == (2, 0, 0, 0)
    days = [custom_of(each)["signed"] for each in await all_accounts(accounts, user)]
    assert days == ["2026-01-31"] * 4


@pytest.mark.parametrize(("separator", "area"), [(".", "1.234"), (",", "1234")])
async def test_how_numbers_are_written_can_be_told(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run, separator: str, area: str
) -> None:
    await new_field(customer, user, "area", NUMBER)
    layout = pb.ImportLayout(decimal_separator=separator)
    job = await run([["名称", "area"], ["A", "1.234"]], layout=layout)
    assert (job.created_count, job.failed_count) == (1, 0)
    assert job.read_layout.decimal_separator == separator
    (account,) = await all_accounts(accounts, user)
    assert custom_of(account) == {"area": area}


@pytest.mark.parametrize("language", ["", "en", "zh"])
async def test_numbers_of_three_decimals_come_back_from_an_export(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run, language: str
) -> None:
    await new_field(customer, user, "area", NUMBER)
    await new_account(customer, user, display_name="甲", custom=message_values({"area": "1.234"}))
    before = await all_accounts(accounts, user)
    async with gateway(customer) as web:
        headers = bearer(user) | ({"accept-language": language} if language else {})
        file = (await web.get("/v1/accounts:export", headers=headers)).content
    job = await run(file, mode=pb.Import.MODE_UPSERT)
    assert counts(job) == (0, 0, 1, 0)
    assert await all_accounts(accounts, user) == before
