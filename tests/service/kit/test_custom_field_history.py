"""What history, as-of reads and events tell of custom fields."""

from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as account_events
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import custom_fields_pb2 as pb
from crm.resource.v1 import events_pb2
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account
from tests.service.customer.told import told_of
from tests.service.history import changes_of
from tests.service.kit.custom_fields import (
    MULTI_SELECT,
    custom_of,
    message_values,
    new_field,
    options,
    stub_of,
    update,
)
from tests.service.running import Running, User


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


async def account_with(customer: Running, user: User, **values: Any) -> accounts_pb2.Account:
    return await new_account(customer, user, custom=message_values(values))


async def test_the_history_names_custom_fields_one_by_one_and_the_past_can_be_read(
    customer: Running, user: User
) -> None:
    await new_field(customer, user, "contract_no")
    await new_field(customer, user, "tags", MULTI_SELECT, options=options("a", "b"))
    account = await account_with(customer, user, contract_no="A-1")
    changes: list[dict[str, Any]] = [
        {"contract_no": "A-2", "tags": ["b"]},
        {"contract_no": None},
        {"tags": ["a", "b"]},
    ]
    states = [account, *[await update(customer, user, account.id, **values) for values in changes]]
    told = (await changes_of(customer, "accounts", account.id, user.metadata)).changes
    fields = [{each.field: (each.old_value, each.new_value) for each in change.fields} for change in told]
    assert [set(each) for each in fields] == [
        {"custom.tags"},
        {"custom.contract_no"},
        {"custom.contract_no", "custom.tags"},
        set(),
    ]
    assert [value.string_value for value in fields[2]["custom.contract_no"]] == ["A-1", "A-2"]
    resources: Any = ResourceServiceStub(customer.channel)
    for state in states:
        asked = generic.GetRecordAsOfRequest(collection="accounts", id=account.id, read_time=state.update_time)
        then = await resources.GetRecordAsOf(asked, metadata=user.metadata)
        assert accounts_pb2.Account.FromString(then.SerializeToString()) == state


async def test_an_update_of_other_fields_leaves_custom_fields_alone(customer: Running, user: User) -> None:
    await new_field(customer, user, "contract_no")
    account = await account_with(customer, user, contract_no="A-1")
    stub: Any = AccountServiceStub(customer.channel)
    sent = accounts_pb2.Account(id=account.id, industry="steel")
    request = accounts_pb2.UpdateAccountRequest(account=sent, update_mask=FieldMask(paths=["industry"]))
    changed = await stub.UpdateAccount(request, metadata=user.metadata)
    assert (changed.industry, custom_of(changed)) == ("steel", {"contract_no": "A-1"})
    archived = await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=account.id), metadata=user.metadata)
    assert custom_of(archived) == {"contract_no": "A-1"}


async def test_events_carry_the_values_and_name_the_fields_that_changed(customer: Running, user: User) -> None:
    field = await new_field(customer, user, "contract_no")
    account = await account_with(customer, user, contract_no="A-1")
    changed = await update(customer, user, account.id, contract_no="A-2")
    created, updated = await told_of(customer, user.tenant_id, account.id)
    assert isinstance(created, account_events.AccountCreated)
    assert isinstance(updated, account_events.AccountUpdated)
    told_values = [custom_of(each) for each in (created.account, updated.account)]
    assert told_values == [custom_of(account), custom_of(changed)] == [{"contract_no": "A-1"}, {"contract_no": "A-2"}]
    assert list(updated.changed_fields) == ["custom.contract_no"]
    request = pb.ArchiveCustomFieldRequest(collection="accounts", id=field.id)
    archived = await stub_of(customer).ArchiveCustomField(request, metadata=user.metadata)
    told = await told_of(customer, user.tenant_id, field.id)
    assert [type(each) for each in told] == [events_pb2.CustomFieldCreated, events_pb2.CustomFieldArchived]
    assert told[-1] == events_pb2.CustomFieldArchived(custom_field=archived.custom_field)
