"""Custom fields for tests, defined and used through the contract."""

from typing import Any

from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import custom_fields_pb2 as pb
from crm.resource.v1.custom_fields_pb2_grpc import CustomFieldServiceStub
from crm_kit.resource.values import from_value, to_value
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Value

from tests.service.running import Running, User

Type = pb.CustomField.Type
TEXT, NUMBER, DATE, BOOL = (Type.Value(f"TYPE_{name}") for name in ("TEXT", "NUMBER", "DATE", "BOOL"))
SINGLE_SELECT, MULTI_SELECT, REFERENCE = (
    Type.Value(f"TYPE_{name}") for name in ("SINGLE_SELECT", "MULTI_SELECT", "REFERENCE")
)


def stub_of(service: Running) -> Any:
    return CustomFieldServiceStub(service.channel)


def label(text: str) -> pb.CustomField.Label:
    return pb.CustomField.Label(zh=f"中文 {text}", en=text)


def options(*keys: str) -> list[pb.CustomField.Option]:
    return [pb.CustomField.Option(key=key, label=label(key)) for key in keys]


async def new_field(
    service: Running, by: User, key: str, type: Any = TEXT, *, collection: str = "accounts", **fields: Any
) -> pb.CustomField:
    """A custom field of a collection."""
    field = pb.CustomField(**{"key": key, "type": type, "label": label(key), **fields})
    request = pb.CreateCustomFieldRequest(collection=collection, custom_field=field)
    found: pb.CustomField = await stub_of(service).CreateCustomField(request, metadata=by.metadata)
    return found


def message_values(values: dict[str, Any]) -> dict[str, Value]:
    """Values as `custom` of a message has them; numbers as JSON has them."""
    return {key: Value(number_value=v) if type(v) in (int, float) else to_value(v) for key, v in values.items()}


def custom_of(message: Any) -> dict[str, Any]:
    """The plain values in `custom` of a message."""
    return {key: from_value(value) for key, value in message.custom.items()}


async def update(service: Running, by: User, id: str, *, mask: list[str] | None = None, **values: Any) -> Any:
    """Change custom fields of an account, those named or those of the mask."""
    paths = [f"custom.{key}" for key in values] if mask is None else mask
    account = accounts_pb2.Account(id=id, custom=message_values(values))
    request = accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=paths))
    stub: Any = AccountServiceStub(service.channel)
    return await stub.UpdateAccount(request, metadata=by.metadata)


async def listed(service: Running, by: User, filter: str = "", order_by: str = "", size: int = 200) -> list[str]:
    """The display names of the accounts, read page by page."""
    stub: Any = AccountServiceStub(service.channel)
    names: list[str] = []
    request = accounts_pb2.ListAccountsRequest(filter=filter, order_by=order_by, page_size=size)
    while True:
        page = await stub.ListAccounts(request, metadata=by.metadata)
        names += [account.display_name for account in page.accounts]
        if not page.next_page_token:
            return names
        request.page_token = page.next_page_token
