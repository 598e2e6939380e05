"""An export that is imported as it is changes nothing."""

import io
from datetime import datetime
from typing import TYPE_CHECKING

import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import imports_pb2
from crm.resource.v1.custom_fields_pb2 import CustomField
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account
from tests.service.customer.imports.calls import Run, all_accounts, counts, errors_of
from tests.service.kit.custom_fields import (
    BOOL,
    DATE,
    MULTI_SELECT,
    NUMBER,
    SINGLE_SELECT,
    custom_of,
    message_values,
    new_field,
)
from tests.service.running import Running, User
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


async def accounts_of_every_kind(customer: Running, user: User) -> None:
    group = await new_account(
        customer,
        user,
        display_name="华信集团",
        external_ids=[pb.ExternalId(source="sap", value="0001"), pb.ExternalId(source="crm", value="a; b, c")],
    )
    await new_account(
        customer,
        user,
        display_name="华信电力",
        parent_id=group.id,
        legal_name="华信电力（深圳）有限公司",
        short_name="华信",
        credit_code="91440300708461136T",
        roles=[pb.Account.ROLE_CUSTOMER, pb.Account.ROLE_SUPPLIER],
        industry="能源",
        employee_count=1200,
        region_code="CN-GD",
        addresses=[
            pb.Address(kind=pb.Address.KIND_OFFICE, city="深圳", line="深南大道 1 号; A 座", postal_code="518000"),
            pb.Address(kind=pb.Address.KIND_BILLING, city="广州", line="天河路 2 号"),
        ],
        phone_numbers=["+8613800138000", "+8675586661234;ext=801"],
        emails=["info@huaxin.example", "sales@huaxin.example"],
        website="https://huaxin.example/a?b=c",
        source="展会",
        external_ids=[pb.ExternalId(source="sap", value="0002")],
        tags=["重点", "A/B, C"],
        preferences="喜欢\n龙井",
        taboos="-",
    )
    person = pb.Account.KIND_PERSON
    await new_account(
        customer,
        user,
        display_name="李 雷",
        kind=person,
        region_code="DE",
        phone_numbers=["+4930901820"],
        external_ids=[pb.ExternalId(source="sap", value="=3")],
    )


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("language", [{}, {"accept-language": "en"}, {"accept-language": "zh"}], ids=str)
async def test_an_export_that_comes_back_changes_nothing(
    customer: Running,
    accounts: "AccountServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    user: User,
    run: Run,
    language: dict[str, str],
    form: str,
) -> None:
    await accounts_of_every_kind(customer, user)
    before = await all_accounts(accounts, user)
    async with gateway(customer) as web:
        exported = await web.get("/v1/accounts:export", params={"format": form}, headers=bearer(user) | language)
    job = await run(exported.content, mode=imports_pb2.Import.MODE_UPSERT)
    assert (counts(job), await errors_of(imports, user, job.id)) == ((0, 0, 3, 0), [])
    assert await all_accounts(accounts, user) == before


HEADINGS = [{}, {"accept-language": "en"}, {"accept-language": "zh"}]


async def exported(customer: Running, user: User, form: str = "csv", **headers: str) -> bytes:
    async with gateway(customer) as web:
        return (await web.get("/v1/accounts:export", params={"format": form}, headers=bearer(user) | headers)).content


@pytest.mark.parametrize("mode", [imports_pb2.Import.MODE_UPSERT, imports_pb2.Import.MODE_UPDATE])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("language", HEADINGS, ids=str)
async def test_accounts_without_keys_of_other_systems_are_known_by_their_id(
    customer: Running,
    accounts: "AccountServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    user: User,
    run: Run,
    language: dict[str, str],
    form: str,
    mode: imports_pb2.Import.Mode,
) -> None:
    group = await new_account(customer, user, display_name="华信集团")
    await new_account(customer, user, display_name="华信  电力", tags=["a  b", "+1"], parent_id=group.id)
    await new_account(customer, user, display_name="华信集团", preferences="喜欢\r\n龙井", industry="A  B")
    before = await all_accounts(accounts, user)
    job = await run(await exported(customer, user, form, **language), mode=mode)
    assert (counts(job), await errors_of(imports, user, job.id)) == ((0, 0, 3, 0), [])
    assert await all_accounts(accounts, user) == before
    assert job.mapping[0] == imports_pb2.ImportColumn(column="id", field="id")


async def test_an_id_is_the_key_of_its_account_and_of_no_other(
    customer: Running,
    accounts: "AccountServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    user: User,
    run: Run,
) -> None:
    one = await new_account(customer, user, display_name="甲")
    other = await new_account(customer, user, display_name="乙", external_ids=[pb.ExternalId(source="sap", value="2")])
    put_away = await new_account(customer, user, display_name="丙")
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=put_away.id), metadata=user.metadata)
    foreign = await new_account(customer, await customer.user(), display_name="丁")
    rows = [
        ["id", "客户名称", "external_ids", "行业"],
        [one.id.upper(), "甲", "sap: 1", "能源"],
        ["", "新", "", ""],
        [one.id, "甲", "sap: 2", ""],
        [foreign.id, "丁", "", "x"],
        ["1001", "戊", "", ""],
        [put_away.id, "丙", "", "x"],
        [one.id, "己", "", ""],
    ]
    job = await run(rows, mode=imports_pb2.Import.MODE_UPSERT)
    assert counts(job) == (1, 1, 0, 5)
    assert [(each.row_number, each.column, each.reason) for each in await errors_of(imports, user, job.id)] == [
        (4, "external_ids", "EXTERNAL_ID_TAKEN"),
        (5, "id", "ACCOUNT_NOT_FOUND"),
        (6, "id", "ID_INVALID"),
        (7, "", "ILLEGAL_STATE"),
        (8, "id", "EXTERNAL_ID_DUPLICATE"),
    ]
    found = {each.display_name: each for each in await all_accounts(accounts, user)}
    assert {name: each.industry for name, each in found.items()} == {"甲": "能源", "乙": "", "新": ""}
    assert [(key.source, key.value) for key in found["甲"].external_ids] == [("sap", "1")]
    assert found["乙"] == other


async def test_who_may_change_their_own_accounts_changes_no_other_by_its_id(
    customer: Running, accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    grants = {"accounts.read": Scope.ALL, "accounts.write": Scope.OWN, "imports.read": Scope.ALL}
    narrow = await customer.user(user.tenant_id, grants=grants | {"imports.write": Scope.ALL})
    theirs = await new_account(customer, user, display_name="甲")
    own = await new_account(customer, user, display_name="乙", parent_id=theirs.id, owner_id=str(narrow.id))
    rows = [["id", "客户名称", "parent_id"], [theirs.id, "A", ""], [own.id, "乙", theirs.id]]
    job = await run(rows, by=narrow, mode=imports_pb2.Import.MODE_UPDATE)
    # A parent that the row leaves as it is need not be the user's.
    assert counts(job) == (0, 0, 1, 1)
    (error,) = await errors_of(imports, narrow, job.id)
    assert (error.row_number, error.column, error.reason) == (2, "id", "ACCOUNT_NOT_FOUND")
    assert (await accounts.GetAccount(pb.GetAccountRequest(id=theirs.id), metadata=user.metadata)) == theirs


async def test_rows_that_would_put_accounts_below_themselves_are_refused_each_by_its_number(
    customer: Running, accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    one, two, three = [await new_account(customer, user, display_name=name) for name in ("甲", "乙", "丙")]
    rows = [
        ["id", "客户名称", "parent_id"],
        [one.id, "甲", one.id],
        [two.id, "乙", three.id],
        [three.id, "丙", two.id],
    ]
    job = await run(rows, mode=imports_pb2.Import.MODE_UPDATE)
    assert counts(job) == (0, 1, 0, 2)
    assert [(each.row_number, each.column) for each in await errors_of(imports, user, job.id)] == [
        (2, "parent_id"),
        (4, "parent_id"),
    ]
    found = await accounts.GetAccount(pb.GetAccountRequest(id=two.id), metadata=user.metadata)
    assert found.parent_id == three.id


async def test_an_import_that_creates_passes_over_the_ids_and_says_so(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    await new_account(customer, user, display_name="甲")
    job = await run(await exported(customer, user), mode=imports_pb2.Import.MODE_CREATE)
    assert counts(job) == (1, 0, 0, 0), job.failure
    assert job.mapping[0] == imports_pb2.ImportColumn(column="id", field="")


@pytest.mark.parametrize("language", HEADINGS, ids=str)
async def test_a_custom_field_takes_no_column_of_a_field_of_ours(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run, language: dict[str, str]
) -> None:
    """Whatever its key and its labels are: those of fields that imports change, and of those that they do not."""
    keys = {
        "tags": "T",
        "value_tier": "V",
        "owner_name": "Addresses: City",
        "a": "Value-tier",
        "b": "等级",
        "c": "标签",
    }
    for key, text in keys.items():
        await new_field(customer, user, key, label=CustomField.Label(en=text))
    values = message_values({key: f"{key} 1" for key in keys})
    address = pb.Address(kind=pb.Address.KIND_OFFICE, city="深圳")
    await new_account(customer, user, display_name="甲", tags=["x"], custom=values, addresses=[address])
    before = await all_accounts(accounts, user)
    job = await run(await exported(customer, user, **language), mode=imports_pb2.Import.MODE_UPDATE)
    assert counts(job) == (0, 0, 1, 0), job.failure
    fields = [each.field for each in job.mapping if each.field.startswith("custom.")]
    assert sorted(fields) == sorted(f"custom.{key}" for key in keys)
    assert await all_accounts(accounts, user) == before


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("language", HEADINGS, ids=str)
async def test_values_of_every_type_of_custom_field_come_back_as_they_were(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run, language: dict[str, str], form: str
) -> None:
    choices = [
        CustomField.Option(key="gold", label=CustomField.Label(zh="金", en="Gold")),
        CustomField.Option(key="silver", label=CustomField.Label(zh="银; 灰", en="gold")),
        CustomField.Option(key="x", label=CustomField.Label(zh="y", en="Y")),
        CustomField.Option(key="y", label=CustomField.Label(zh="丁")),
    ]
    await new_field(customer, user, "note")
    await new_field(customer, user, "size", NUMBER)
    await new_field(customer, user, "signed", DATE)
    await new_field(customer, user, "vip", BOOL)
    await new_field(customer, user, "grade", SINGLE_SELECT, options=choices)
    await new_field(customer, user, "marks", MULTI_SELECT, options=choices)
    values: list[dict[str, object]] = [
        {"note": "a  b", "size": "120.5", "signed": "2026-01-31", "vip": True, "grade": "gold", "marks": ["gold", "x"]},
        {"note": "0012", "size": "12345678901234567890.1234567891", "signed": "1899-12-31", "vip": False},
        {"note": "13800138000.0", "size": "-0.1", "grade": "silver", "marks": ["silver", "x", "y"]},
        {"note": "=1+1\n2", "size": "0", "grade": "x"},
        {"note": "无", "size": "100000000000000", "grade": "y"},
    ]
    for number, each in enumerate(values):
        await new_account(customer, user, display_name=f"客户 {number}", custom=message_values(each))
    before = await all_accounts(accounts, user)
    job = await run(await exported(customer, user, form, **language), mode=imports_pb2.Import.MODE_UPSERT)
    assert counts(job) == (0, 0, len(values), 0), job.failure
    assert await all_accounts(accounts, user) == before
    copied = await customer.user()
    for key, type in {"note": None, "size": NUMBER, "signed": DATE, "vip": BOOL}.items():
        await new_field(customer, copied, key, *([type] if type else []))
    for key, type in {"grade": SINGLE_SELECT, "marks": MULTI_SELECT}.items():
        await new_field(customer, copied, key, type, options=choices)
    job = await run(await exported(customer, user, form, **language), by=copied)
    assert counts(job) == (len(values), 0, 0, 0), job.failure
    exact = [{key: value for key, value in each.items() if key != "note"} for each in values]
    found = [custom_of(each) for each in await all_accounts(accounts, copied)]
    assert [{key: value for key, value in each.items() if key != "note"} for each in found] == exact


async def test_a_workbook_of_accounts_has_numbers_dates_and_words_of_its_language(
    customer: Running, user: User
) -> None:
    await new_field(customer, user, "size", NUMBER)
    await new_field(customer, user, "signed", DATE)
    values = message_values({"size": "120.5", "signed": "2026-01-31"})
    phones = ["+8613800138000"]
    await new_account(customer, user, display_name="甲", employee_count=1200, custom=values, phone_numbers=phones)
    await new_account(customer, user, display_name="乙")
    file = await exported(customer, user, "xlsx", **{"accept-language": "zh"})
    heading, *rows = openpyxl.load_workbook(io.BytesIO(file)).worksheets[0].iter_rows(values_only=True)
    named = {row[heading.index("客户名称")]: dict(zip(heading, row, strict=False)) for row in rows}
    shown = named["甲"]
    assert named["乙"]["员工人数"] is None
    signed = datetime.fromisoformat("2026-01-31")
    assert (shown["员工人数"], shown["中文 size"], shown["中文 signed"]) == (1200, 120.5, signed)
    assert (shown["客户类型"], shown["客户状态"], shown["电话"]) == ("企业", "潜在", "+8613800138000")
    assert isinstance(shown["创建时间"], datetime)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_signs_of_any_meaning_elsewhere_come_and_go_as_they_are(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, run: Run, form: str
) -> None:
    names = ["Smith &amp; Sons", 'O\'Brien <b>"Ltd"</b>', "𠮷野家 🍚", "C:\\new\\tab", "100%_{x}", "1e5", "True", "#5"]
    await run([["客户名称", "行业"], *([name, name] for name in names)])
    made = await all_accounts(accounts, user)
    assert {each.display_name for each in made} == {each.industry for each in made} == set(names)
    async with gateway(customer) as web:
        file = await web.get(f"/v1/accounts:export?format={form}", headers=bearer(user))
    assert counts(await run(file.content, mode=imports_pb2.Import.MODE_UPDATE)) == (0, 0, len(names), 0)
