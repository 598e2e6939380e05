"""What requests on notifications say."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import notifications_pb2 as pb
from crm.type.v1.notice_kind_pb2 import NoticeKind as KindName
from crm_kit.errors import invalid_field
from crm_kit.notice_texts import NoticeKind
from crm_kit.wire import time_from

from crm_customer.workspace.notification_preferences.model import MutedRecord


def marking_of(request: pb.MarkAllNotificationsReadRequest) -> dict[str, Any]:
    """Which are marked. InvalidArgument for a record of which only half is named."""
    if bool(request.collection) != bool(request.record_id):
        missing = "record_id" if request.collection else "collection"
        raise invalid_field(missing, "required", "a record is named by its collection and its id")
    record = MutedRecord(request.collection, UUID(request.record_id)) if request.record_id else None
    return {
        "until_time": time_from(request.until_time),
        "kind": NoticeKind(KindName.Name(request.kind).removeprefix("NOTICE_KIND_")) if request.kind else None,
        "record": record,
    }
