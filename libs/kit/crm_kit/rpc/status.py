"""Errors on the wire: `google.rpc.Status` with exactly one ErrorInfo, and other details where they fit."""

from collections.abc import Iterable, Iterator

import grpc
from crm.error.v1 import etag_mismatch_pb2
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from crm_kit.errors import CrmError, EtagMismatch, FieldViolation, UnseenChange

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "guanxi"

# gRPC gives up on trailing metadata of more than 8 KiB or so, and with it on the error that it tells of.
MAX_DETAIL = 1000
MAX_VIOLATIONS_BYTES = 4000
MAX_CHANGES_BYTES = 4000


def status_of(error: CrmError, request_id: str) -> status_pb2.Status:
    """The error as callers of every language can read it; of very many violations the first."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata),
        error_details_pb2.RequestInfo(request_id=request_id),
    ]
    detail, told = shortened(error.detail), list(told_violations(error.violations))
    if told:
        details.append(error_details_pb2.BadRequest(field_violations=told))
    if len(told) < len(error.violations):
        detail += f" (and {len(error.violations) - len(told)} more)"
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after_seconds * 1000))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if isinstance(error, EtagMismatch) and error.current_etag:
        details.append(_mismatch(error))
    return status_pb2.Status(
        code=code_pb2.Code.Value(error.code), message=detail, details=[_packed(each) for each in details]
    )


def told_violations(violations: Iterable[FieldViolation]) -> Iterator[error_details_pb2.BadRequest.FieldViolation]:
    """The first violations, as many as metadata can carry."""
    left = MAX_VIOLATIONS_BYTES
    for each in violations:
        told = error_details_pb2.BadRequest.FieldViolation(
            field=shortened(each.field), description=shortened(each.detail), reason=each.rule
        )
        left -= told.ByteSize()
        if left < 0:
            return
        yield told


def shortened(text: str) -> str:
    """A text that is not too long to be told."""
    return text if len(text) <= MAX_DETAIL else f"{text[:MAX_DETAIL]}..."


def _mismatch(error: EtagMismatch) -> etag_mismatch_pb2.EtagMismatch:
    """What the caller has not seen: the newest changes, as many as a status can carry."""
    told = etag_mismatch_pb2.EtagMismatch(current_etag=error.current_etag, changes=map(_change, error.changes))
    while told.ByteSize() > MAX_CHANGES_BYTES:
        del told.changes[-1]
    told.changes_truncated = error.truncated or len(told.changes) < len(error.changes)
    return told


def _change(change: UnseenChange) -> etag_mismatch_pb2.EtagMismatch.Change:
    told = etag_mismatch_pb2.EtagMismatch.Change(
        etag=change.etag,
        action=change.action,
        actor_id=change.actor_id,
        actor_name=change.actor_name,
        fields=change.fields,
    )
    told.change_time.FromDatetime(change.change_time)
    return told


def _packed(message: Message) -> Any:
    packed = Any()
    packed.Pack(message)
    return packed


def grpc_code(error: CrmError) -> grpc.StatusCode:
    """The status code object that grpc wants."""
    return grpc.StatusCode[error.code]


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason that a called service gave, or an empty string."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return ""
