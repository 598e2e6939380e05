"""Messages as the services serve them: with a value in every field that always has one."""

from typing import Any

from crm.customer.v1 import accounts_pb2
from crm.type.v1 import money_pb2
from crm_gateway.protojson.fields import is_map, is_never_null, is_well_known
from google.protobuf.descriptor import FieldDescriptor

_ID = "01920f3c-8d2a-7c41-9b1e-5a2f6c7d8e90"
# Messages that have limits in answers too.
_WHOLE: dict[str, Any] = {
    "crm.customer.v1.ExternalId": accounts_pb2.ExternalId(source="sap", value="4711"),
    "crm.type.v1.Money": money_pb2.Money(amount="12.50", currency_code="CNY"),
}


def served(message: Any) -> Any:
    """The message itself, filled at every depth."""
    if message.DESCRIPTOR.full_name in _WHOLE:
        message.CopyFrom(_WHOLE[message.DESCRIPTOR.full_name])
        return message
    for field in message.DESCRIPTOR.fields:
        if is_never_null(field) and not field.is_repeated:
            _set(message, field)
    for field, value in message.ListFields():
        if field.message_type is not None and not is_well_known(field.message_type) and not is_map(field):
            for each in value if field.is_repeated else [value]:
                served(each)
    return message


def _set(message: Any, field: FieldDescriptor) -> None:
    if field.message_type is not None:
        getattr(message, field.name).SetInParent()
    elif field.enum_type is not None and not getattr(message, field.name):
        setattr(message, field.name, 1)
    elif field.type == FieldDescriptor.TYPE_STRING and not getattr(message, field.name):
        setattr(message, field.name, "2026-11-30" if field.name.endswith("_date") else _ID)
