"""Errors on the wire: `google.rpc.Status` with exactly one ErrorInfo, and other details where they fit."""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

import grpc
from crm.error.v1 import etag_mismatch_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from crm_kit.errors import CrmError, EtagMismatch, FieldViolation, UnseenChange

DETAILS_KEY = "grpc-status-details-bin"
DOMAIN = "guanxi"
# Printable ASCII goes as it is, but for the percent sign itself.
_UNCODED = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

# gRPC gives up on trailing metadata of more than 8 KiB, and with it on the error that it tells of. On the wire the
# message is percent-encoded (a Chinese character takes nine bytes) and stands in the status once more; the status is in
# base64 (four bytes for three).
MAX_MESSAGE_BYTES = 1500
MAX_TEXT_BYTES = 600
MAX_STATUS_BYTES = 4400
# What "(and 2999 more)" and the frame around each detail may still need.
_RESERVED_BYTES = 200


def status_of(error: CrmError, request_id: str) -> status_pb2.Status:
    """The error as callers of every language can read it; of very many violations or changes the first."""
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=shortened(error.detail, MAX_MESSAGE_BYTES))
    metadata = {name: shortened(value) for name, value in error.metadata.items()}
    _add(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    _add(status, error_details_pb2.RequestInfo(request_id=request_id))
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromMilliseconds(int(error.retry_after_seconds * 1000))
        _add(status, error_details_pb2.RetryInfo(retry_delay=delay))
    if isinstance(error, EtagMismatch) and error.current_etag:
        _add(status, _mismatch(error, _room(status)))
    told = list(told_violations(error.violations, _room(status)))
    if told:
        _add(status, error_details_pb2.BadRequest(field_violations=told))
    if len(told) < len(error.violations):
        status.message += f" (and {len(error.violations) - len(told)} more)"
    return status


def _add(status: status_pb2.Status, detail: Message) -> None:
    status.details.add().Pack(detail)


def _room(status: status_pb2.Status) -> int:
    """Bytes that another detail may have."""
    return MAX_STATUS_BYTES - _RESERVED_BYTES - status.ByteSize()


def told_violations(
    violations: Iterable[FieldViolation], room: int
) -> Iterator[error_details_pb2.BadRequest.FieldViolation]:
    """The first violations, as many as fit into so many bytes."""
    for each in violations:
        told = error_details_pb2.BadRequest.FieldViolation(
            field=shortened(each.field), description=shortened(each.detail), reason=shortened(each.rule)
        )
        # Tag and length of a repeated message take up to three bytes beside it.
        room -= told.ByteSize() + 3
        if room < 0:
            return
        yield told


def shortened(text: str, limit: int = MAX_TEXT_BYTES) -> str:
    """A text that takes no more than so many bytes when it is percent-encoded."""
    if 9 * len(text) <= limit or len(quote(text, safe=_UNCODED)) <= limit:
        return text
    left = limit - len("...")
    for at, character in enumerate(text[:limit]):
        left -= len(quote(character, safe=_UNCODED))
        if left < 0:
            return f"{text[:at]}..."
    return text


def _mismatch(error: EtagMismatch, room: int) -> etag_mismatch_pb2.EtagMismatch:
    """What the caller has not seen: the newest changes, as many as a status can carry."""
    told = etag_mismatch_pb2.EtagMismatch(current_etag=error.current_etag, changes=map(_change, error.changes))
    while told.ByteSize() > room:
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


def grpc_code(error: CrmError) -> grpc.StatusCode:
    """The status code object that grpc wants."""
    return grpc.StatusCode[error.code]


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason that a called service gave, or an empty string."""
    return str(info_of(error).reason)


def info_of(error: grpc.aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    """The reason and the values that a called service gave; empty when it gave none."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info
    return error_details_pb2.ErrorInfo()
