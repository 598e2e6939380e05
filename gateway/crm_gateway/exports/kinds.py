"""What the columns of an export hold, by the contract and by a tenant's own fields."""

from crm.metadata.v1 import metadata_pb2
from crm.resource.v1 import custom_fields_pb2
from crm_kit.spreadsheets.kinds import Kind
from google.protobuf.descriptor import FieldDescriptor

from crm_gateway.metadata.fields import type_of

_Type = metadata_pb2.FieldMetadata
_Custom = custom_fields_pb2.CustomField

_KINDS = {
    _Type.TYPE_NUMBER: Kind.NUMBER,
    _Type.TYPE_DECIMAL: Kind.NUMBER,
    _Type.TYPE_DATE: Kind.DATE,
    _Type.TYPE_TIME: Kind.INSTANT,
    _Type.TYPE_BOOLEAN: Kind.TRUTH,
}
CUSTOM_KINDS = {_Custom.TYPE_NUMBER: Kind.NUMBER, _Custom.TYPE_DATE: Kind.DATE, _Custom.TYPE_BOOL: Kind.TRUTH}


def kind_of(field: FieldDescriptor) -> Kind:
    """What a field of the contract is in a cell; several values in one cell are text."""
    return Kind.TEXT if field.is_repeated else _KINDS.get(type_of(field), Kind.TEXT)
