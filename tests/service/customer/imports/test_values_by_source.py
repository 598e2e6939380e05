"""An import that names its source: what rows say stands among what sources say, beside what accounts have."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, source_values_pb2
from crm.customer.v1 import imports_pb2 as pb
from crm.customer.v1.source_values_pb2_grpc import SourceValueServiceStub
from crm_customer.records.accounts.commands import update_account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.source_values.keeping import lock
from crm_kit.clock import system_now
from crm_kit.resource.values import from_value
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.feeds.bringing import bringing_by, day
from tests.service.customer.imports.calls import Run, Upload, all_accounts, as_csv, counts, errors_of
from tests.service.customer.told import told_of
from tests.service.eventually import eventually
from tests.service.running import Running, User, violations_of

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

HEADER = ["客户编号", "客户名称", "行业", "电话", "员工人数", "城市"]
POWER = ["K-1", "华信电力", "power", "0755-86661234", "", ""]
UPSERT: dict[str, Any] = {"mode": pb.Import.MODE_UPSERT, "external_source": "erp"}
KEEPING = UPSERT | {"value_source": "erp", "keep_values": True}


async def said_of(customer: Running, user: User, account: accounts_pb2.Account) -> dict[str, tuple[object, bool]]:
    """What each source says, and whether the account agrees."""
    request = source_values_pb2.GetAccountSourceValuesRequest(id=account.id)
    found = await SourceValueServiceStub(customer.channel).GetAccountSourceValues(request, metadata=user.metadata)
    return {f"{each.source} {each.field}": (from_value(each.value), each.agrees) for each in found.source_values}


async def one(accounts: "AccountServiceAsyncStub", user: User) -> accounts_pb2.Account:
    (account,) = await all_accounts(accounts, user)
    return account


async def test_what_differs_stands_beside_the_account_and_what_it_lacks_it_gets(
    run: Run, accounts: "AccountServiceAsyncStub", customer: Running, user: User
) -> None:
    await run([HEADER, POWER], **UPSERT)
    row = ["K-1", "华信电力", "energy", "0755 8666 1234", "250", "深圳"]
    preview = await run([HEADER, row], **KEEPING, dry_run=True)
    assert (preview.disagreeing_count, counts(preview)) == (1, (0, 1, 0, 0))
    before = await one(accounts, user)
    assert not before.conflicting_fields
    assert await said_of(customer, user, before) == {}
    done = await run([HEADER, row], **KEEPING)
    assert (done.disagreeing_count, counts(done)) == (1, (0, 1, 0, 0))
    after = await one(accounts, user)
    assert (after.industry, after.display_name, after.employee_count) == ("power", "华信电力", 250)
    assert [each.city for each in after.addresses] == ["深圳"]
    assert list(after.conflicting_fields) == ["industry"]
    said = await said_of(customer, user, after)
    assert said["erp industry"] == ("energy", False)
    assert said["erp phone_numbers"] == (["+8675586661234"], True)
    assert {name for name, (_, agrees) in said.items() if agrees} == {
        "erp addresses",
        "erp display_name",
        "erp employee_count",
        "erp phone_numbers",
    }
    # The same again says nothing new; who has taken it over agrees.
    again = await run([HEADER, row], **KEEPING)
    assert (again.disagreeing_count, counts(again)) == (1, (0, 0, 1, 0))
    assert (await one(accounts, user)).etag == after.etag
    update = accounts_pb2.UpdateAccountRequest(
        account=accounts_pb2.Account(id=after.id, industry="energy"), update_mask=FieldMask(paths=["industry"])
    )
    await accounts.UpdateAccount(update, metadata=user.metadata)
    assert (await run([HEADER, row], **KEEPING)).disagreeing_count == 0
    assert list((await one(accounts, user)).conflicting_fields) == []


async def test_without_keeping_rows_overwrite_and_their_source_says_what_they_say(
    run: Run, accounts: "AccountServiceAsyncStub", customer: Running, user: User
) -> None:
    named = UPSERT | {"value_source": "business register"}
    first = await run([HEADER, POWER], **named)
    assert (first.disagreeing_count, counts(first)) == (0, (1, 0, 0, 0))
    account = await one(accounts, user)
    names = [each.DESCRIPTOR.name for each in await told_of(customer, user.tenant_id, account.id)]
    assert names == ["AccountCreated"], "with what its source says of it"
    assert (await said_of(customer, user, account))["business register industry"] == ("power", True)
    second = await run([HEADER, ["K-1", "华信电力", "energy", "", "", ""]], **named)
    assert (second.disagreeing_count, counts(second)) == (0, (0, 1, 0, 0))
    said = await said_of(customer, user, account)
    assert said["business register industry"] == ("energy", True)
    assert said["business register phone_numbers"][0] == ["+8675586661234"], "an empty cell says nothing"


async def test_of_one_source_the_newest_stands_by_when_it_was_observed(
    run: Run, accounts: "AccountServiceAsyncStub", customer: Running, user: User
) -> None:
    await run([HEADER, POWER], **UPSERT)
    now = system_now()
    for days, industry in ((1, "newer"), (9, "older")):
        rows = [HEADER, ["K-1", "华信电力", industry, "", "", ""]]
        await run(rows, **KEEPING, observed_time=now - timedelta(days=days))
    assert (await said_of(customer, user, await one(accounts, user)))["erp industry"] == ("newer", False)


async def test_several_rows_of_an_account_in_one_file_and_its_contacts(
    run: Run, accounts: "AccountServiceAsyncStub", contacts: "ContactServiceAsyncStub", customer: Running, user: User
) -> None:
    header = ["客户编号", "客户名称", "行业", "联系人", "联系人手机", "职务"]
    await run([header, ["K-1", "华信电力", "power", "陈静", "138 0013 8000", "经理"]], **UPSERT)
    rows = [
        header,
        ["K-1", "华信电力", "energy", "陈静", "139 0013 8000", "总监"],
        ["K-1", "华信电力", "energy", "王芳", "", ""],
        ["K-2", "北辰钢铁", "steel", "李强", "", ""],
        ["K-2", "北辰钢铁", "iron", "赵敏", "", ""],
    ]
    done = await run(rows, **KEEPING)
    assert done.failed_count == 0
    assert (done.created_count, done.disagreeing_count) == (1, 2)
    found = {each.display_name: each for each in await all_accounts(accounts, user)}
    # An account that the file itself has made is no one's yet: its later row changes it.
    assert (found["华信电力"].industry, found["北辰钢铁"].industry) == ("power", "iron")
    assert (await said_of(customer, user, found["北辰钢铁"]))["erp industry"] == ("iron", True)
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(page_size=50), metadata=user.metadata)
    people = {each.display_name: each for each in page.contacts}
    assert people.keys() == {"陈静", "王芳", "李强", "赵敏"}
    assert (people["陈静"].job_title, list(people["陈静"].phone_numbers)) == ("经理", ["+8613800138000"])


async def test_values_are_kept_only_where_somebody_says_what_differs(
    imports: "ImportServiceAsyncStub", upload: Upload, user: User
) -> None:
    upload_id, later = await upload(as_csv([HEADER, POWER])), system_now() + timedelta(days=2)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"keep_values": True}, "job.value_source"),
        ({"observed_time": later}, "job.observed_time"),
        ({"observed_time": later, "value_source": "erp"}, "job.observed_time"),
        ({"value_source": " erp"}, "job.value_source"),
    ]
    for fields, place in wrong:
        request = pb.CreateImportRequest(job=pb.Import(upload_id=upload_id, **UPSERT | fields))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await imports.CreateImport(request, metadata=user.metadata)
        assert [each.field for each in violations_of(caught.value)] == [place]


async def test_a_feed_says_its_values_as_of_the_day_of_the_delivery(customer: Running, user: User) -> None:
    bringing = bringing_by(customer, user)
    feed = await bringing.feed()
    await bringing.ended(await bringing.bring(feed, 0, [("K-1", "华信电力", "power")]))
    feed.value_source, feed.keep_values = "ERP", True
    await bringing.update(feed, "value_source", "keep_values")
    done = await bringing.ended(await bringing.bring(feed, 3, [("K-1", "华信电力", "energy")]))
    assert (done.disagreeing_count, done.updated_count) == (1, 1)
    (account,) = await all_accounts(bringing.accounts, user)
    assert (account.industry, list(account.conflicting_fields)) == ("power", ["industry"])
    (job,) = await bringing.imports_of(done)
    assert job.observed_time.ToDatetime().strftime("%Y-%m-%d %H:%M") == f"{day(3)} 16:00", "midnight in Shanghai"


@pytest.mark.parametrize("keeps", [True, False])
async def test_what_sources_can_say_no_more_is_an_error_of_its_row_alone(
    run: Run,
    imports: "ImportServiceAsyncStub",
    accounts: "AccountServiceAsyncStub",
    customer: Running,
    user: User,
    keeps: bool,
) -> None:
    await run([HEADER, POWER], **UPSERT)
    stub = SourceValueServiceStub(customer.channel)
    account = await one(accounts, user)
    for number in range(20):
        request = source_values_pb2.StateAccountSourceValuesRequest(id=account.id, source=f"source {number}")
        request.values["industry"].string_value = "steel"
        await stub.StateAccountSourceValues(request, metadata=user.metadata)
    rows = [HEADER, ["K-1", "华信电力", "energy", "", "", ""], ["K-2", "北辰钢铁", "steel", "", "", ""]]
    done = await run(rows, **KEEPING | {"keep_values": keeps})
    assert counts(done) == (1, 0, 0, 1)
    (error,) = await errors_of(imports, user, done.id)
    assert error.reason == "SOURCE_VALUE_LIMIT_REACHED"
    found = {each.display_name: each.industry for each in await all_accounts(accounts, user)}
    assert found == {"华信电力": "power", "北辰钢铁": "steel"}


async def test_of_a_row_that_is_refused_nothing_is_in_whatever_was_sent_of_it_before(
    run: Run, accounts: "AccountServiceAsyncStub", contacts: "ContactServiceAsyncStub", customer: Running, user: User
) -> None:
    header = ["客户编号", "客户名称", "行业", "员工人数", "联系人", "职务"]
    await run([header, ["K-1", "华信电力", "power", "", "陈静", "经理"]], **UPSERT)
    stub = SourceValueServiceStub(customer.channel)
    account = await one(accounts, user)
    for number in range(20):
        request = source_values_pb2.StateAccountSourceValuesRequest(id=account.id, source=f"source {number}")
        request.values["industry"].string_value = "steel"
        await stub.StateAccountSourceValues(request, metadata=user.metadata)
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(page_size=50), metadata=user.metadata)
    (chen,) = page.contacts
    said = source_values_pb2.StateContactSourceValuesRequest(id=chen.id, source="card")
    said.values["job_title"].string_value = "工程师"
    await stub.StateContactSourceValues(said, metadata=user.metadata)
    # A change of what sources speak of holds the contact, and sends what was gathered of the account.
    rows = [
        header,
        ["K-1", "华信电力", "energy", "250", "陈静", "总监"],
        ["K-2", "北辰钢铁", "steel", "", "", ""],
    ]
    done = await run(rows, **UPSERT | {"value_source": "erp"})
    assert counts(done) == (1, 0, 0, 1)
    found = {each.display_name: each for each in await all_accounts(accounts, user)}
    assert (found["华信电力"].industry, found["华信电力"].employee_count) == ("power", 0)
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(page_size=50), metadata=user.metadata)
    assert [each.job_title for each in page.contacts] == ["经理"]


async def test_a_number_in_another_system_that_an_account_has_is_kept_as_its_other_values_are(
    run: Run, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    await run([HEADER, POWER], **UPSERT)
    before = await one(accounts, user)
    header, row = ["id", "external_ids"], [before.id, "erp: K-9; sap: S-1"]
    changed = {"mode": pb.Import.MODE_UPDATE, "external_source": "erp", "value_source": "erp"}
    done = await run([header, row], **changed, keep_values=True)
    assert (done.updated_count, done.disagreeing_count) == (1, 1), "what is not taken over is not lost in silence"
    after = await one(accounts, user)
    assert {(each.source, each.value) for each in after.external_ids} == {("erp", "K-1"), ("sap", "S-1")}
    assert (await run([header, row], **changed, keep_values=False)).disagreeing_count == 0
    # Remarks go where an account has its preferences, if it has none.
    for remarks, disagreeing in (("只用顺丰", 0), ("周五不送货", 1), ("只用顺丰", 0)):
        noted = await run([["id", "备注"], [before.id, remarks]], **changed, keep_values=True)
        assert noted.disagreeing_count == disagreeing, remarks
    assert (await one(accounts, user)).preferences == "只用顺丰"
    numbers = {(each.source, each.value) for each in (await one(accounts, user)).external_ids}
    assert numbers == {("erp", "K-9"), ("sap", "S-1")}


async def test_what_somebody_changes_while_an_import_waits_for_its_account_is_what_its_values_are_held_against(
    run: Run, accounts: "AccountServiceAsyncStub", customer: Running, user: User
) -> None:
    await run([HEADER, POWER], **UPSERT)
    await run([HEADER, ["K-1", "华信电力", "steel", "", "", ""]], **KEEPING)
    account = await one(accounts, user)
    assert list(account.conflicting_fields) == ["industry"]

    async def waits() -> bool:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        async with customer.service.database.connection(user.tenant_id) as connection:
            return bool(await connection.fetchval(query))

    async with customer.unit_of_work(user.tenant_id) as work:
        await lock(work, ACCOUNTS, UUID(account.id))
        running = asyncio.ensure_future(run([HEADER, ["K-1", "华信电力", "iron", "", "", ""]], **KEEPING))
        await eventually(waits)
        await update_account(work, await ACCOUNTS.get(work, UUID(account.id)), {"industry": "steel"})
    assert (await running).disagreeing_count == 1
    after = await one(accounts, user)
    assert (after.industry, list(after.conflicting_fields)) == ("steel", ["industry"])
    assert (await said_of(customer, user, after))["erp industry"] == ("iron", False)
