"""Definitions that change while values are written: by others, at the same time, on another replica."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import custom_fields_pb2 as pb
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_customer.records.accounts.tables import accounts
from crm_kit.custom_field_definitions import retyping
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.custom_fields.values import tokens_of
from crm_kit.database.statements import Statement, compile_statement
from crm_kit.plumbing import custom_values
from crm_kit.rpc.status import reason_of
from crm_local.port_check import free_ports
from crm_local.testing import Servers
from sqlalchemy import bindparam, select

from tests.service.customer.customers import new_account
from tests.service.history import changes_of
from tests.service.kit.custom_fields import (
    BOOL,
    DATE,
    MULTI_SELECT,
    NUMBER,
    REFERENCE,
    SINGLE_SELECT,
    TEXT,
    custom_of,
    listed,
    message_values,
    new_field,
    options,
    stub_of,
    update,
)
from tests.service.restricting import EVERYBODY
from tests.service.running import Running, Tokens, User, refused, running


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture(scope="module")
async def replica(customer: Running, servers: Servers, tokens: Tokens) -> AsyncIterator[Running]:
    """The customer service once more, on the same database."""
    address = f"127.0.0.1:{free_ports().customer}"
    async with running("customer", servers, tokens, listen_address=address) as service:
        yield service


async def account_with(customer: Running, user: User, **values: Any) -> accounts_pb2.Account:
    return await new_account(customer, user, custom=message_values(values))


async def retype(customer: Running, user: User, field: pb.CustomField, type: Any, **more: Any) -> Any:
    request = pb.RetypeCustomFieldRequest(collection="accounts", id=field.id, type=type, **more)
    return await stub_of(customer).RetypeCustomField(request, metadata=user.metadata)


async def archive(customer: Running, user: User, field: pb.CustomField) -> None:
    request = pb.ArchiveCustomFieldRequest(collection="accounts", id=field.id)
    await stub_of(customer).ArchiveCustomField(request, metadata=user.metadata)


def of_tenant(*columns: Any) -> Statement:
    return compile_statement(select(*columns).where(columns[0].table.c.tenant_id == bindparam("tenant_id")))


VALUES = of_tenant(accounts.c.id, accounts.c.custom)
ROWS = of_tenant(*custom_values.c)


async def assert_rows_tell_the_values(customer: Running, user: User) -> None:
    """What lists go by is what the records have, as the types that the fields have."""
    async with customer.unit_of_work(user.tenant_id) as work:
        known = await definitions_of(work, "accounts", fresh=True)
        expected = {
            (record["id"], token, known.fields[key].unique)
            for record in await work.all(VALUES)
            for key, value in record["custom"].items()
            for token in tokens_of(known.fields[key], value)
        }
        found = {(row["record_id"], row["token"], row["unique"]) for row in await work.all(ROWS)}
    assert found == expected


async def test_of_many_who_write_a_unique_value_at_once_one_has_it(
    customer: Running, replica: Running, user: User
) -> None:
    await new_field(customer, user, "contract_no", unique=True)
    made = await asyncio.gather(
        *(account_with(service, user, contract_no="A-1") for service in (customer, replica) * 8), return_exceptions=True
    )
    failed = [each for each in made if isinstance(each, grpc.aio.AioRpcError)]
    assert len(made) - len(failed) == 1
    assert {reason_of(each) for each in failed} == {"CUSTOM_FIELD_VALUE_TAKEN"}
    await assert_rows_tell_the_values(customer, user)


async def test_another_replica_goes_by_the_definitions_as_they_are_now(
    customer: Running, replica: Running, user: User
) -> None:
    field = await new_field(customer, user, "size")
    account = await account_with(replica, user, size="12")
    # The replica has just looked, and remembers what was there then.
    await retype(customer, user, field, NUMBER)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await update(replica, user, account.id, size="wide")
    assert custom_of(await update(replica, user, account.id, size="13.0")) == {"size": "13"}
    await new_field(customer, user, "colour", SINGLE_SELECT, options=options("red"))
    assert custom_of(await update(replica, user, account.id, colour="red")) == {"size": "13", "colour": "red"}
    assert await listed(replica, user, "custom.colour = red") == [account.display_name]
    await archive(customer, user, field)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await update(replica, user, account.id, size="14")
    await assert_rows_tell_the_values(customer, user)


async def test_values_of_accounts_that_are_closed_to_who_changes_a_type_change_with_the_others(
    customer: Running, user: User
) -> None:
    field = await new_field(customer, user, "size")
    account = await account_with(customer, user, size="12")
    request = accounts_pb2.RestrictAccountRequest(id=account.id, reason="price negotiation")
    await AccountServiceStub(customer.channel).RestrictAccount(request, metadata=user.metadata)
    outsider = await customer.user(user.tenant_id, grants=EVERYBODY)
    await retype(customer, outsider, field, NUMBER)
    assert await listed(customer, user, "custom.size = 12") == [account.display_name]
    await update(customer, user, account.id, size="13")
    await retype(customer, outsider, field, TEXT)
    await update(customer, user, account.id, size="wide")
    # How many do not fit is told, and of those that are closed nothing else.
    with refused("FAILED_PRECONDITION", "CUSTOM_FIELD_VALUES_DO_NOT_FIT") as refusal:
        await retype(customer, outsider, field, NUMBER)
    assert account.id not in refusal.detail
    with refused("FAILED_PRECONDITION", "CUSTOM_FIELD_VALUES_DO_NOT_FIT") as refusal:
        await retype(customer, user, field, NUMBER)
    assert account.id in refusal.detail


async def test_a_type_that_changes_while_values_are_written_leaves_none_of_the_old_type(
    customer: Running, replica: Running, user: User
) -> None:
    field = await new_field(customer, user, "size")
    made = [await account_with(customer, user, size=str(number)) for number in range(30)]
    chance = random.Random(7)

    async def write(service: Running, account: accounts_pb2.Account, number: int) -> None:
        # Numbers are written so that each type keeps them as it likes; some texts are none.
        await update(service, user, account.id, size=f"{number}.0" if number % 5 else f"{number}")

    retyped = asyncio.Event()

    async def write_all() -> None:
        number = 0
        while not retyped.is_set():
            number += 1
            services = [chance.choice((customer, replica)) for _ in made]
            await asyncio.gather(*(write(each, account, number) for each, account in zip(services, made, strict=True)))

    writing = asyncio.create_task(write_all())
    for type in (NUMBER, TEXT, NUMBER):
        await retype(customer, user, field, type)
    retyped.set()
    await writing
    await assert_rows_tell_the_values(customer, user)
    assert len(await listed(customer, user, "custom.size >= 0")) == len(made)


@pytest.mark.parametrize(
    ("type", "more", "target", "target_more", "values", "becoming"),
    [
        (TEXT, {}, NUMBER, {}, ["12", "0012.50"], ["12", "12.5"]),
        (NUMBER, {}, TEXT, {}, ["12.5"], ["12.5"]),
        (TEXT, {}, DATE, {}, ["2026-01-31"], ["2026-01-31"]),
        (TEXT, {}, BOOL, {}, ["true", "false"], [True, False]),
        (BOOL, {}, TEXT, {}, [True], ["true"]),
        (TEXT, {}, SINGLE_SELECT, {"options": options("a", "b")}, ["a", "b"], ["a", "b"]),
        (
            SINGLE_SELECT,
            {"options": options("a", "b")},
            MULTI_SELECT,
            {},
            ["a", "b"],
            [["a"], ["b"]],
        ),
        (MULTI_SELECT, {"options": options("a", "b")}, SINGLE_SELECT, {}, [["a"], ["b"]], ["a", "b"]),
        (REFERENCE, {"reference_collection": "users"}, TEXT, {}, ["me"], ["me"]),
    ],
)
async def test_another_type_converts_every_value(
    customer: Running,
    user: User,
    type: Any,
    more: dict[str, Any],
    target: Any,
    target_more: dict[str, Any],
    values: list[Any],
    becoming: list[Any],
) -> None:
    field = await new_field(customer, user, "one", type, **more)
    values, becoming = ([str(user.id) if each == "me" else each for each in several] for several in (values, becoming))
    made = [await account_with(customer, user, one=value) for value in values]
    told = await retype(customer, user, field, target, **target_more)
    assert (told.custom_field.type, told.record_count) == (target, len(values))
    stub: Any = AccountServiceStub(customer.channel)
    for before, value in zip(made, becoming, strict=True):
        after = await stub.GetAccount(accounts_pb2.GetAccountRequest(id=before.id), metadata=user.metadata)
        assert custom_of(after) == {"one": value}
        changes = (await changes_of(customer, "accounts", before.id, user.metadata)).changes
        # A record whose value is written as before has not changed.
        changed = custom_of(before) != custom_of(after)
        assert [each.action for each in changes] == (["UPDATED", "CREATED"] if changed else ["CREATED"])
        assert changed == (after.etag != before.etag)
    await assert_rows_tell_the_values(customer, user)


async def test_a_type_that_values_do_not_fit_is_refused_with_the_first_of_them_and_changes_nothing(
    customer: Running, user: User
) -> None:
    field = await new_field(customer, user, "size")
    texts = ["12", "wide", "13", *("narrow" for _ in range(9))]
    made = [await account_with(customer, user, size=text) for text in texts]
    with refused("FAILED_PRECONDITION", "CUSTOM_FIELD_VALUES_DO_NOT_FIT") as told:
        await retype(customer, user, field, NUMBER)
    assert told.detail.startswith(f"10 values of size do not fit NUMBER: {made[1].id}: 'wide' is not a decimal")
    assert told.detail.count("is not a decimal") == retyping.NAMED
    request = pb.GetCustomFieldRequest(collection="accounts", id=field.id)
    assert await stub_of(customer).GetCustomField(request, metadata=user.metadata) == field
    assert sorted(custom_of(await update(customer, user, made[0].id, size="12")).values()) == ["12"]
    await assert_rows_tell_the_values(customer, user)


async def test_a_unique_field_whose_values_would_meet_in_the_new_type_keeps_its_type(
    customer: Running, user: User
) -> None:
    field = await new_field(customer, user, "number", unique=True)
    for text in ("1", "1.0"):
        await account_with(customer, user, number=text)
    with refused("FAILED_PRECONDITION", "CUSTOM_FIELD_VALUES_DO_NOT_FIT"):
        await retype(customer, user, field, NUMBER)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await retype(customer, user, field, BOOL)


async def test_more_values_than_can_be_converted_at_once_keep_their_type(
    customer: Running, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retyping, "MAX_VALUES", 3)
    monkeypatch.setattr(retyping, "BATCH", 2)
    field = await new_field(customer, user, "size")
    for number in range(3):
        await account_with(customer, user, size=str(number))
    assert (await retype(customer, user, field, NUMBER)).record_count == 3
    await account_with(customer, user, size="4")
    with refused("FAILED_PRECONDITION", "CUSTOM_FIELD_HAS_TOO_MANY_VALUES"):
        await retype(customer, user, field, TEXT)
    await assert_rows_tell_the_values(customer, user)


async def test_nothing_becomes_a_reference(customer: Running, user: User) -> None:
    field = await new_field(customer, user, "one")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await retype(customer, user, field, REFERENCE)
    assert told.fields == ["type"]


async def test_values_of_several_options_shrink_and_grow(customer: Running, user: User) -> None:
    await new_field(customer, user, "tags", MULTI_SELECT, options=options("a", "b", "c"))
    account = await account_with(customer, user, tags=["a", "b", "c"])
    for tags in (["b"], ["c", "b"], None, ["a"]):
        await update(customer, user, account.id, tags=tags)
        await assert_rows_tell_the_values(customer, user)


async def test_a_page_of_an_order_that_has_got_another_type_or_is_put_away_is_refused_and_says_why(
    customer: Running, user: User
) -> None:
    area = await new_field(customer, user, "area", NUMBER)
    for number in range(3):
        await account_with(customer, user, area=str(number))
    stub: Any = AccountServiceStub(customer.channel)
    request = accounts_pb2.ListAccountsRequest(order_by="custom.area", page_size=1)
    request.page_token = (await stub.ListAccounts(request, metadata=user.metadata)).next_page_token
    retype = pb.RetypeCustomFieldRequest(collection="accounts", id=area.id, type=TEXT)
    await stub_of(customer).RetypeCustomField(retype, metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await stub.ListAccounts(request, metadata=user.metadata)
    archive = pb.ArchiveCustomFieldRequest(collection="accounts", id=area.id)
    await stub_of(customer).ArchiveCustomField(archive, metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await stub.ListAccounts(request, metadata=user.metadata)
    assert told.fields == ["order_by"]


async def test_the_history_of_a_field_that_is_put_away_is_read_as_before(customer: Running, user: User) -> None:
    """But for records as they were: they show the fields that records show now, until the field is restored."""
    field = await new_field(customer, user, "contract_no")
    account = await account_with(customer, user, contract_no="A-1")
    await update(customer, user, account.id, contract_no=None)
    before = await changes_of(customer, "accounts", account.id, user.metadata)
    (change,) = before.changes[0].fields
    assert (change.old_value.string_value, change.new_value.WhichOneof("kind")) == ("A-1", "null_value")
    archive = pb.ArchiveCustomFieldRequest(collection="accounts", id=field.id)
    await stub_of(customer).ArchiveCustomField(archive, metadata=user.metadata)
    assert await changes_of(customer, "accounts", account.id, user.metadata) == before
    then = generic.GetRecordAsOfRequest(collection="accounts", id=account.id, read_time=account.update_time)
    resources: Any = ResourceServiceStub(customer.channel)
    found = await resources.GetRecordAsOf(then, metadata=user.metadata)
    assert not accounts_pb2.Account.FromString(found.SerializeToString()).custom
    restore = pb.RestoreCustomFieldRequest(collection="accounts", id=field.id)
    await stub_of(customer).RestoreCustomField(restore, metadata=user.metadata)
    found = await resources.GetRecordAsOf(then, metadata=user.metadata)
    assert accounts_pb2.Account.FromString(found.SerializeToString()) == account
