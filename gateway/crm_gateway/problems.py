"""Problems as the REST side tells them: RFC 9457, made from gRPC errors or found by the gateway itself.

Nothing a caller must not see gets through: a message of gRPC itself may hold addresses, so a detail is passed on only
when the error carries our own ErrorInfo, and a failure of ours has a request id and nothing else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import grpc
import orjson
from crm_kit.errors import CrmError, FieldViolation
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "guanxi"
DETAILS_KEY = "grpc-status-details-bin"
MEDIA_TYPE = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, without what only the request knows (instance, request id). `retry_after` is in seconds."""

    status: int
    reason: str
    detail: str = ""
    errors: Sequence[FieldViolation] = ()
    retry_after: int | None = None
    headers: Sequence[tuple[bytes, bytes]] = field(default=())

    def body(self, *, instance: str, request_id: str) -> bytes:
        """The problem document."""
        document: dict[str, Any] = {
            "type": f"/docs/errors#{anchor(self.reason)}",
            "title": title(self.reason),
            "status": self.status,
            "detail": self.detail or HTTPStatus(self.status).description or title(self.reason),
            "instance": instance,
            "reason": self.reason,
            "errors": [{"field": e.field, "rule": e.rule, "detail": e.detail} for e in self.errors],
            "request_id": request_id,
        }
        return orjson.dumps(document)

    def all_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers the standards ask for with this status."""
        headers = list(self.headers)
        if self.retry_after is not None:
            headers.append((b"retry-after", str(self.retry_after).encode()))
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers


class ProblemError(Exception):
    """A request that ends with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a gRPC code means over HTTP, and what is said when the error does not explain itself."""

    status: int
    reason: str
    detail: str
    retry_after: int | None = None


_INTERNAL = _Meaning(500, "INTERNAL", "A failure of ours. The request id finds it in the logs.")
_UNAVAILABLE = _Meaning(503, "UNAVAILABLE", "A part of the platform does not answer; try again.", 1)
_MEANINGS: Mapping[str, _Meaning] = {
    "INVALID_ARGUMENT": _Meaning(422, "INVALID_ARGUMENT", "The request breaks a rule."),
    "NOT_FOUND": _Meaning(404, "NOT_FOUND", "It does not exist, or you may not know that it does."),
    "ALREADY_EXISTS": _Meaning(409, "ALREADY_EXISTS", "It is already there."),
    "FAILED_PRECONDITION": _Meaning(409, "ILLEGAL_STATE", "Its state does not allow this."),
    "ABORTED": _Meaning(409, "CONFLICT", "Others changed the same thing at the same time; try again."),
    "UNAUTHENTICATED": _Meaning(401, "UNAUTHENTICATED", "A valid bearer token is needed."),
    "PERMISSION_DENIED": _Meaning(403, "PERMISSION_DENIED", "You may not do this."),
    "RESOURCE_EXHAUSTED": _Meaning(429, "RATE_LIMITED", "Too much at once; come back later.", 1),
    "DEADLINE_EXCEEDED": _Meaning(504, "DEADLINE_EXCEEDED", "The answer was not ready in time."),
    "UNAVAILABLE": _UNAVAILABLE,
    "UNIMPLEMENTED": _UNAVAILABLE,
    "CANCELLED": _UNAVAILABLE,
}
# The detail of these comes from gRPC or from a defect, never from a rule.
_SILENT = frozenset({"UNIMPLEMENTED", "CANCELLED"})
_PRECONDITION_FAILED = frozenset({"ETAG_MISMATCH"})


def anchor(reason: str) -> str:
    """The place of a reason on the errors page: ACCOUNT_NOT_FOUND -> account-not-found."""
    return reason.lower().replace("_", "-")


def title(reason: str) -> str:
    """A reason as a short sentence without end: ACCOUNT_NOT_FOUND -> Account not found."""
    return reason.replace("_", " ").capitalize()


def malformed(field_path: str, rule: str, detail: str) -> Problem:
    """A request the gateway cannot read, because of one field, header or parameter."""
    return unreadable([FieldViolation(field_path, rule, detail)])


def unreadable(errors: Sequence[FieldViolation]) -> Problem:
    """A request the gateway cannot read, with everything that is wrong with it."""
    first = errors[0]
    detail = f"{first.field}: {first.detail}" if first.field else first.detail
    return Problem(400, "INVALID_ARGUMENT", detail, errors)


def internal() -> Problem:
    """A failure of ours: the request id finds it in the logs, and nothing else is told."""
    return Problem(_INTERNAL.status, _INTERNAL.reason, _INTERNAL.detail)


def from_crm_error(error: CrmError) -> Problem:
    """The problem of an error raised inside the gateway."""
    meaning = _MEANINGS.get(error.code, _INTERNAL)
    if meaning is _INTERNAL:
        return internal()
    return Problem(
        _status(meaning, error.reason),
        error.reason,
        error.detail,
        error.violations,
        meaning.retry_after if error.retry_after_seconds is None else _whole(error.retry_after_seconds),
    )


def from_rpc_error(error: grpc.aio.AioRpcError, *, body_field: str = "") -> Problem:
    """The problem of a failed call. Paths below the field that the body fills are told as the body has them."""
    meaning = _MEANINGS.get(error.code().name, _INTERNAL)
    if meaning is _INTERNAL:
        return internal()
    details = _details(error)
    info = details.get("ErrorInfo")
    if info is None or info.domain != DOMAIN or error.code().name in _SILENT:
        return Problem(meaning.status, meaning.reason, meaning.detail, retry_after=meaning.retry_after)
    retry = details.get("RetryInfo")
    return Problem(
        _status(meaning, info.reason),
        info.reason,
        _detail(error.details() or meaning.detail, details.get("BadRequest"), body_field),
        _violations(details.get("BadRequest"), body_field),
        meaning.retry_after if retry is None else _whole(retry.retry_delay.ToTimedelta().total_seconds()),
    )


def _status(meaning: _Meaning, reason: str) -> int:
    return 412 if reason in _PRECONDITION_FAILED else meaning.status


def _whole(seconds: float) -> int:
    return max(1, math.ceil(seconds))


def _details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The details of a `google.rpc.Status`, by message name; none when there is no status or it cannot be read."""
    found: dict[str, Any] = {}
    for key, value in error.trailing_metadata() or ():
        if key != DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            for packed in status_pb2.Status.FromString(value).details:
                name = packed.TypeName().rpartition(".")[2]
                if name in _DETAILS:
                    found[name] = _DETAILS[name].FromString(packed.value)
        except DecodeError:
            return {}
    return found


_DETAILS: Mapping[str, Any] = {
    "ErrorInfo": error_details_pb2.ErrorInfo,
    "BadRequest": error_details_pb2.BadRequest,
    "RetryInfo": error_details_pb2.RetryInfo,
}


def _violations(bad_request: Any, body_field: str) -> list[FieldViolation]:
    if bad_request is None:
        return []
    return [
        FieldViolation(_as_sent(each.field, body_field), each.reason, each.description)
        for each in bad_request.field_violations
    ]


def _detail(text: str, bad_request: Any, body_field: str) -> str:
    """The text with the paths of its fields as they were sent."""
    for each in () if bad_request is None else bad_request.field_violations:
        text = text.replace(f"{each.field}:", f"{_as_sent(each.field, body_field)}:")
    return text


def _as_sent(path: str, body_field: str) -> str:
    return path.removeprefix(body_field + ".") if body_field and body_field != "*" else path
