"""A tenant's own fields, as metadata tells them beside those of the contract."""

from typing import Any

from crm.metadata.v1 import metadata_pb2 as pb
from crm.resource.v1 import custom_fields_pb2
from crm_kit.labels import Label

from crm_gateway.metadata.fields import label_to_pb

PLACE = "custom."
_Type = custom_fields_pb2.CustomField
_TYPES = {
    _Type.TYPE_TEXT: pb.FieldMetadata.TYPE_TEXT,
    _Type.TYPE_NUMBER: pb.FieldMetadata.TYPE_DECIMAL,
    _Type.TYPE_DATE: pb.FieldMetadata.TYPE_DATE,
    _Type.TYPE_BOOL: pb.FieldMetadata.TYPE_BOOLEAN,
    _Type.TYPE_SINGLE_SELECT: pb.FieldMetadata.TYPE_ENUM,
    _Type.TYPE_MULTI_SELECT: pb.FieldMetadata.TYPE_ENUM,
    _Type.TYPE_REFERENCE: pb.FieldMetadata.TYPE_ID,
}


def custom_field_metadata(field: Any, *, settable: bool, changeable: bool) -> pb.FieldMetadata:
    """Its name is that in filters and masks, `custom.contract_no`; values that nobody takes anew are left out."""
    is_list = field.type == _Type.TYPE_MULTI_SELECT
    offered = [each for each in field.options if not each.retired]
    return pb.FieldMetadata(
        name=f"{PLACE}{field.key}",
        label=_label(field.label),
        type=_TYPES[field.type],
        list=is_list,
        required=field.required,
        settable=settable,
        changeable=changeable,
        filterable=True,
        # Ids are in no order that means anything.
        sortable=not is_list and field.type != _Type.TYPE_REFERENCE,
        groupable=not is_list,
        summable=field.type == _Type.TYPE_NUMBER,
        refers_to=field.reference_collection,
        values=[pb.ValueMetadata(value=each.key, label=_label(each.label)) for each in offered],
    )


def _label(label: Any) -> Any:
    """Where one language says nothing, people read the other."""
    return label_to_pb(Label(label.en or label.zh, label.zh or label.en))
