"""Asking another service about the custom fields of its collections, in the name of whoever asks us."""

from uuid import UUID

from crm.resource.v1 import custom_fields_pb2 as pb

from crm_kit.custom_fields.model import CustomField, FieldType, Label, Option
from crm_kit.rpc.clients import ServiceClient
from crm_kit.wire import time_from

LIST_CUSTOM_FIELDS = "/crm.resource.v1.CustomFieldService/ListCustomFields"


async def custom_fields_of(peer: ServiceClient, collection: str) -> dict[str, CustomField]:
    """The custom fields of a collection that are in use, by key."""
    # A page has room for all that there can be.
    request = pb.ListCustomFieldsRequest(collection=collection, page_size=200)
    page = await peer.call(LIST_CUSTOM_FIELDS, request, pb.ListCustomFieldsResponse)
    return {field.key: field_from_pb(field) for field in page.custom_fields}


def field_from_pb(field: pb.CustomField) -> CustomField:
    """The custom field of an answer."""
    return CustomField(
        id=UUID(field.id),
        collection=field.collection,
        key=field.key,
        type=FieldType(pb.CustomField.Type.Name(field.type).removeprefix("TYPE_")),
        label=label_from(field.label),
        position=field.position,
        create_time=time_from(field.create_time),
        update_time=time_from(field.update_time),
        options=tuple(Option(each.key, label_from(each.label), each.retired) for each in field.options),
        required=field.required,
        unique=field.unique,
        reference_collection=field.reference_collection or None,
    )


def label_from(label: pb.CustomField.Label) -> Label:
    return Label(label.zh or None, label.en or None)
