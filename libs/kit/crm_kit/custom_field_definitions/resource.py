"""Custom fields, declared."""

from crm.resource.v1 import custom_fields_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import bindparam

from crm_kit.custom_fields.model import CustomField, State
from crm_kit.plumbing import custom_fields
from crm_kit.resource.writing import Resource

CUSTOM_FIELDS = Resource(
    "custom_field",
    entity=CustomField,
    table=custom_fields,
    message=pb.CustomField,
    created=events.CustomFieldCreated,
    updated=events.CustomFieldUpdated,
    hidden={"state": {State.ARCHIVED}},
    default_order="position",
    verbs={
        "ArchiveCustomField": lambda field, _now: field.archive(),
        "RestoreCustomField": lambda field, _now: field.restore(),
        "RetypeCustomField": lambda field, _now: field.require_active("retyped"),
    },
)
# Needs the bind parameter `collection`.
OF_COLLECTION = CUSTOM_FIELDS.list_of("custom_fields", of=custom_fields.c.collection == bindparam("collection"))
