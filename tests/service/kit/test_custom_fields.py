"""Custom fields through gRPC: definitions, values of every type, and who may do what."""

from typing import Any

import grpc
import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import custom_fields_pb2 as pb
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

from tests.service.customer.customers import new_account, new_contact
from tests.service.kit.custom_fields import (
    BOOL,
    DATE,
    MULTI_SELECT,
    NUMBER,
    REFERENCE,
    SINGLE_SELECT,
    TEXT,
    custom_of,
    label,
    message_values,
    new_field,
    options,
    stub_of,
    update,
)
from tests.service.running import Running, User, refused, violations_of


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


async def account_with(customer: Running, user: User, **values: Any) -> accounts_pb2.Account:
    return await new_account(customer, user, custom=message_values(values))


# --- values


@pytest.mark.parametrize(
    ("type", "more", "sent", "kept"),
    [
        (TEXT, {}, "A-1", "A-1"),
        (TEXT, {}, "长" * 500, "长" * 500),
        (NUMBER, {}, "120.50", "120.5"),
        (NUMBER, {}, "-0.0", "0"),
        (NUMBER, {}, "12345678901234567890.0123456789", "12345678901234567890.0123456789"),
        (NUMBER, {}, 120.5, "120.5"),
        (NUMBER, {}, 7, "7"),
        (DATE, {}, "2028-02-29", "2028-02-29"),
        (BOOL, {}, False, False),
        (SINGLE_SELECT, {"options": options("a", "b")}, "b", "b"),
        (MULTI_SELECT, {"options": options("a", "b", "c")}, ["c", "a"], ["a", "c"]),
    ],
)
async def test_a_value_of_every_type_is_kept_exactly(
    customer: Running, user: User, type: Any, more: dict[str, Any], sent: Any, kept: Any
) -> None:
    await new_field(customer, user, "one", type, **more)
    account = await account_with(customer, user, one=sent)
    assert custom_of(account) == {"one": kept}
    stub: Any = AccountServiceStub(customer.channel)
    read = await stub.GetAccount(accounts_pb2.GetAccountRequest(id=account.id), metadata=user.metadata)
    assert read == account


@pytest.mark.parametrize(
    ("type", "more", "sent", "rule"),
    [
        (TEXT, {}, "x" * 501, "max_len"),
        (TEXT, {}, 12, "text"),
        (TEXT, {}, "a\0b", "string.nul"),
        (TEXT, {"required": True}, " \u3000\n", "blank"),
        (NUMBER, {}, "1e3", "number"),
        (NUMBER, {}, "1.23456789012", "number"),
        (NUMBER, {}, 0.1234567890123456, "number"),
        (NUMBER, {}, True, "number"),
        (DATE, {}, "2027-02-29", "date"),
        (DATE, {}, "20270228", "date"),
        (BOOL, {}, "true", "bool"),
        (SINGLE_SELECT, {"options": options("a", "b")}, "c", "option"),
        (MULTI_SELECT, {"options": options("a", "b")}, ["a", "a"], "unique"),
        (MULTI_SELECT, {"options": options("a", "b")}, "a", "list"),
        (REFERENCE, {"reference_collection": "accounts"}, "me", "uuid"),
        (REFERENCE, {"reference_collection": "users"}, {"a": "b"}, "uuid"),
    ],
)
async def test_a_value_that_is_none_of_the_type_is_refused_with_its_path_and_rule(
    customer: Running, user: User, type: Any, more: dict[str, Any], sent: Any, rule: str
) -> None:
    await new_field(customer, user, "one", type, **more)
    values = message_values({"one": sent}) if not isinstance(sent, dict) else {}
    if isinstance(sent, dict):
        values["one"] = message_values({"one": "x"})["one"]
        values["one"].struct_value.update(sent)
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await new_account(customer, user, custom=values)
    assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = violations_of(told.value)
    assert (violation.field, violation.reason) == ("account.custom.one", rule)


async def test_every_value_that_is_wrong_is_told_at_once(customer: Running, user: User) -> None:
    await new_field(customer, user, "area", NUMBER)
    await new_field(customer, user, "signed", DATE, required=True)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await account_with(customer, user, area="wide", colour="red")
    assert told.fields == ["account.custom.area", "account.custom.colour", "account.custom.signed"]
    assert "'wide' is not a decimal" in told.detail


async def test_an_update_changes_the_keys_it_names_and_null_clears_one(customer: Running, user: User) -> None:
    for key in ("a", "b", "c"):
        await new_field(customer, user, key)
    account = await account_with(customer, user, a="1", b="2", c="3")
    changed = await update(customer, user, account.id, a="9", b=None)
    assert custom_of(changed) == {"a": "9", "c": "3"}
    # Without a mask what is sent changes, the rest stays.
    changed = await update(customer, user, account.id, mask=[], b="8")
    assert custom_of(changed) == {"a": "9", "b": "8", "c": "3"}
    # As a whole it is replaced.
    changed = await update(customer, user, account.id, mask=["custom"], c="7")
    assert custom_of(changed) == {"c": "7"}


async def test_an_update_that_sends_values_as_they_are_makes_no_version(customer: Running, user: User) -> None:
    await new_field(customer, user, "area", NUMBER)
    account = await account_with(customer, user, area="120.5")
    assert await update(customer, user, account.id, area="120.500") == account


async def test_a_required_value_is_neither_left_out_nor_cleared(customer: Running, user: User) -> None:
    before = await new_account(customer, user)
    await new_field(customer, user, "contract_no", required=True)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await new_account(customer, user)
    assert told.fields == ["account.custom.contract_no"]
    account = await account_with(customer, user, contract_no="A-1")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await update(customer, user, account.id, contract_no=None)
    # What was there before the field goes on without a value.
    stub: Any = AccountServiceStub(customer.channel)
    renamed = accounts_pb2.Account(id=before.id, display_name="renamed")
    await stub.UpdateAccount(accounts_pb2.UpdateAccountRequest(account=renamed), metadata=user.metadata)


async def test_a_reference_is_to_a_record_that_the_caller_sees(customer: Running, user: User) -> None:
    await new_field(customer, user, "buyer", REFERENCE, reference_collection="contacts")
    await new_field(customer, user, "engineer", REFERENCE, reference_collection="users")
    account = await new_account(customer, user)
    contact = await new_contact(customer, user, account.id)
    changed = await update(customer, user, account.id, buyer=contact.id.upper(), engineer=str(user.id))
    assert custom_of(changed) == {"buyer": contact.id, "engineer": str(user.id)}
    stranger = await customer.user()
    foreign = await new_contact(customer, stranger, (await new_account(customer, stranger)).id)
    for key, id in (("buyer", foreign.id), ("buyer", str(new_id())), ("engineer", str(stranger.id))):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as told:
            await update(customer, user, account.id, mask=[f"custom.{key}"], **{key: id})
        assert told.fields == [f"account.custom.{key}"]
    without = await customer.user(user.tenant_id, grants={"accounts.write": Scope.ALL, "accounts.read": Scope.ALL})
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await update(customer, without, account.id, mask=["custom.buyer"], buyer=str(new_id()))


async def test_a_reference_to_what_the_service_does_not_know_cannot_be_defined(customer: Running, user: User) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await new_field(customer, user, "order", REFERENCE, reference_collection="orders")
    assert told.fields == ["custom_field.reference_collection"]
    assert " accounts, " in told.detail


async def test_a_unique_value_is_refused_to_all_but_one(customer: Running, user: User) -> None:
    await new_field(customer, user, "contract_no", unique=True)
    first = await account_with(customer, user, contract_no="A-1")
    with refused("ALREADY_EXISTS", "CUSTOM_FIELD_VALUE_TAKEN") as told:
        await account_with(customer, user, contract_no="A-1")
    assert told.fields == ["account.custom.contract_no"]
    assert "another record has 'A-1' already" in told.detail
    second = await account_with(customer, user, contract_no="A-2")
    with refused("ALREADY_EXISTS", "CUSTOM_FIELD_VALUE_TAKEN"):
        await update(customer, user, second.id, contract_no="A-1")
    await update(customer, user, first.id, contract_no=None)
    assert custom_of(await update(customer, user, second.id, contract_no="A-1")) == {"contract_no": "A-1"}
    # Tenants do not meet.
    stranger = await customer.user()
    await new_field(customer, stranger, "contract_no", unique=True)
    await account_with(customer, stranger, contract_no="A-1")


# --- definitions


async def test_a_definition_is_read_listed_and_changed(customer: Running, user: User) -> None:
    stub = stub_of(customer)
    made = await new_field(customer, user, "grade", SINGLE_SELECT, options=options("a", "b"))
    other = await new_field(customer, user, "area", NUMBER)
    await new_field(customer, user, "grade", collection="contacts")
    assert (made.collection, made.state, made.position, other.position) == ("accounts", 1, 1, 2)
    request = pb.GetCustomFieldRequest(collection="accounts", id=made.id)
    assert await stub.GetCustomField(request, metadata=user.metadata) == made
    with refused("NOT_FOUND", "CUSTOM_FIELD_NOT_FOUND"):
        elsewhere = pb.GetCustomFieldRequest(collection="contacts", id=made.id)
        await stub.GetCustomField(elsewhere, metadata=user.metadata)
    moved = pb.CustomField(id=made.id, etag=made.etag, position=7, label=label("Grade"))
    asked = pb.UpdateCustomFieldRequest(collection="accounts", custom_field=moved)
    asked.update_mask.paths.extend(["position", "label"])
    changed = await stub.UpdateCustomField(asked, metadata=user.metadata)
    assert (changed.position, changed.label.en, changed.options) == (7, "Grade", made.options)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await stub.UpdateCustomField(asked, metadata=user.metadata)
    page = await stub.ListCustomFields(pb.ListCustomFieldsRequest(collection="accounts"), metadata=user.metadata)
    assert list(page.custom_fields) == [other, changed]
    history = pb.ListCustomFieldChangesRequest(collection="accounts", id=made.id)
    told = await stub.ListCustomFieldChanges(history, metadata=user.metadata)
    assert [each.action for each in told.changes] == ["UPDATED", "CREATED"]
    assert {each.field for each in told.changes[0].fields} == {"position", "label"}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"type": SINGLE_SELECT}, "custom_field.options"),
        ({"type": SINGLE_SELECT, "options": options("a", "a")}, "custom_field.options[1].key"),
        ({"type": TEXT, "options": options("a")}, "custom_field.options"),
        ({"type": BOOL, "unique": True}, "custom_field.unique"),
        ({"type": REFERENCE}, "custom_field.reference_collection"),
        ({"type": TEXT, "reference_collection": "users"}, "custom_field.reference_collection"),
        ({"key": "Contract No"}, "custom_field.key"),
        ({"label": pb.CustomField.Label()}, "custom_field.label.zh"),
    ],
)
async def test_a_definition_that_means_nothing_is_refused(
    customer: Running, user: User, fields: dict[str, Any], path: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await new_field(customer, user, **{"key": "one", **fields})
    assert told.fields == [path]


async def test_key_type_and_uniqueness_of_a_definition_are_not_updated(customer: Running, user: User) -> None:
    made = await new_field(customer, user, "one")
    for path, changed in (("key", {"key": "two"}), ("type", {"type": NUMBER}), ("unique", {"unique": True})):
        asked = pb.UpdateCustomFieldRequest(collection="accounts", custom_field=pb.CustomField(id=made.id, **changed))
        asked.update_mask.paths.append(path)
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
            await stub_of(customer).UpdateCustomField(asked, metadata=user.metadata)
        assert told.fields == [f"custom_field.{path}"]


async def test_a_key_is_taken_once_and_a_collection_has_a_hundred_fields(customer: Running, user: User) -> None:
    await new_field(customer, user, "one")
    with refused("ALREADY_EXISTS", "CUSTOM_FIELD_KEY_TAKEN"):
        await new_field(customer, user, "one")
    for number in range(99):
        await new_field(customer, user, f"field_{number}")
    with refused("FAILED_PRECONDITION", "CUSTOM_FIELD_LIMIT_REACHED"):
        await new_field(customer, user, "one_more")
    await new_field(customer, user, "one", collection="contacts")


async def test_an_option_that_is_left_out_is_retired_and_records_keep_it(customer: Running, user: User) -> None:
    made = await new_field(customer, user, "grade", SINGLE_SELECT, options=options("a", "b"))
    account = await account_with(customer, user, grade="a")
    asked = pb.UpdateCustomFieldRequest(
        collection="accounts", custom_field=pb.CustomField(id=made.id, options=options("b", "c"))
    )
    asked.update_mask.paths.append("options")
    changed = await stub_of(customer).UpdateCustomField(asked, metadata=user.metadata)
    assert [(each.key, each.retired) for each in changed.options] == [("b", False), ("c", False), ("a", True)]
    assert await update(customer, user, account.id, grade="a") == account
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await account_with(customer, user, grade="a")
    assert custom_of(await update(customer, user, account.id, grade="c")) == {"grade": "c"}


async def test_an_archived_field_keeps_its_values_takes_none_and_comes_back(customer: Running, user: User) -> None:
    stub = stub_of(customer)
    made = await new_field(customer, user, "contract_no", required=True)
    account = await account_with(customer, user, contract_no="A-1")
    request = pb.ArchiveCustomFieldRequest(collection="accounts", id=made.id)
    archived = await stub.ArchiveCustomField(request, metadata=user.metadata)
    assert (archived.record_count, archived.custom_field.state) == (1, pb.CustomField.STATE_ARCHIVED)
    await new_account(customer, user)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await update(customer, user, account.id, contract_no="A-2")
    assert told.fields == ["account.custom.contract_no"]
    account.custom.clear()
    assert await update(customer, user, account.id, contract_no="A-1") == account
    page = await stub.ListCustomFields(pb.ListCustomFieldsRequest(collection="accounts"), metadata=user.metadata)
    assert not page.custom_fields
    with refused("ALREADY_EXISTS", "CUSTOM_FIELD_KEY_TAKEN"):
        await new_field(customer, user, "contract_no")
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await stub.ArchiveCustomField(request, metadata=user.metadata)
    back = pb.RestoreCustomFieldRequest(collection="accounts", id=made.id)
    assert (await stub.RestoreCustomField(back, metadata=user.metadata)).state == pb.CustomField.STATE_ACTIVE
    assert custom_of(await update(customer, user, account.id, contract_no="A-2")) == {"contract_no": "A-2"}


async def test_values_of_an_archived_field_are_shown_nowhere_until_it_comes_back(customer: Running, user: User) -> None:
    stub, accounts, records = (
        stub_of(customer),
        AccountServiceStub(customer.channel),
        ResourceServiceStub(customer.channel),
    )
    made = await new_field(customer, user, "contract_no")
    await new_field(customer, user, "floor")
    account = await account_with(customer, user, contract_no="A-1", floor="3")
    archive = pb.ArchiveCustomFieldRequest(collection="accounts", id=made.id)
    await stub.ArchiveCustomField(archive, metadata=user.metadata)
    by_id = generic.BatchGetRecordsRequest(collection="accounts", ids=[account.id])

    async def shown() -> list[dict[str, Any]]:
        """Its custom fields in each kind of answer."""
        got = await accounts.GetAccount(accounts_pb2.GetAccountRequest(id=account.id), metadata=user.metadata)
        listed = await accounts.ListAccounts(accounts_pb2.ListAccountsRequest(), metadata=user.metadata)
        found = await accounts.SearchAccounts(accounts_pb2.SearchAccountsRequest(query="华信"), metadata=user.metadata)
        batch = await records.BatchGetRecords(by_id, metadata=user.metadata)
        record = accounts_pb2.Account.FromString(batch.records[0].SerializeToString())
        return [custom_of(each) for each in (got, listed.accounts[0], found.accounts[0], record)]

    assert await shown() == [{"floor": "3"}] * 4
    # What is sent back without them leaves them as they are.
    await update(customer, user, account.id, mask=["custom"], floor="4")
    assert await shown() == [{"floor": "4"}] * 4
    back = pb.RestoreCustomFieldRequest(collection="accounts", id=made.id)
    await stub.RestoreCustomField(back, metadata=user.metadata)
    assert await shown() == [{"contract_no": "A-1", "floor": "4"}] * 4


# --- who may, and what is told


async def test_definitions_are_changed_with_a_permission_of_their_own_and_read_with_the_collections(
    customer: Running, user: User
) -> None:
    made = await new_field(customer, user, "one")
    everything = {"accounts.read": Scope.OWN, "accounts.write": Scope.OWN, "contacts.read": Scope.OWN}
    reader = await customer.user(user.tenant_id, grants=everything)
    stub, request = stub_of(customer), pb.GetCustomFieldRequest(collection="accounts", id=made.id)
    assert await stub.GetCustomField(request, metadata=reader.metadata) == made
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await new_field(customer, reader, "two")
    writer = await customer.user(user.tenant_id, grants={"custom_fields.write": Scope.ALL})
    await new_field(customer, writer, "two")
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await stub.GetCustomField(request, metadata=writer.metadata)
    with refused("NOT_FOUND", "CUSTOM_FIELD_NOT_FOUND"):
        await stub.GetCustomField(request, metadata=(await customer.user()).metadata)
    with refused("NOT_FOUND", "COLLECTION_NOT_FOUND"):
        await new_field(customer, user, "one", collection="interactions")


async def test_a_repeated_definition_is_answered_like_the_first(customer: Running, user: User) -> None:
    field = pb.CustomField(key="one", type=TEXT, label=label("one"))
    request = pb.CreateCustomFieldRequest(collection="accounts", custom_field=field)
    stub, metadata = stub_of(customer), user.with_key(str(new_id()))
    first = await stub.CreateCustomField(request, metadata=metadata)
    assert await stub.CreateCustomField(request, metadata=metadata) == first
