"""Attachments, declared. They are read with their record, so every scope that reaches the record reaches them."""

from crm.resource.v1 import attachments_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Uuid, and_, bindparam, true

from crm_kit.attachments.model import Attachment, State
from crm_kit.plumbing import attachments
from crm_kit.resource.writing import Resource

ATTACHMENTS = Resource(
    "attachment",
    entity=Attachment,
    table=attachments.attachments,
    message=pb.Attachment,
    created=events.AttachmentAdded,
    # Events stay in the broker when an attachment is purged with its record.
    untold={"name", "description"},
    visible=lambda _scope: true(),
    hidden={"state": {State.DELETED}},
    # Ids grow with time, and the index of a record's attachments ends with them.
    default_order="id desc",
)
_columns = attachments.attachments.c
# Needs the bind parameters `collection` and `record_id`.
OF_RECORD_ROWS = and_(
    _columns.collection == bindparam("collection"), _columns.record_id == bindparam("record_id", type_=Uuid)
)
OF_RECORD = ATTACHMENTS.list_of("attachments", of=OF_RECORD_ROWS)
