"""Problems as the REST side tells them: RFC 9457, made from gRPC errors or found by the gateway itself.

Nothing a caller must not see gets through: a message of gRPC itself may hold addresses, so a detail is passed on only
when the error carries our own ErrorInfo, and a failure of ours has a request id and nothing else.
Texts come from the catalogue of the caller's language, by reason and rule; English that a service wrote says more than
the catalogue and is kept, in another language it stands in where the catalogue has nothing.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import grpc
from crm.error.v1 import etag_mismatch_pb2
from crm_kit.errors import CrmError
from crm_kit.labels import Label
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from crm_gateway.protojson.encoder import Encoders, json_bytes
from crm_gateway.texts.catalogue import NO_LABELS, Language, catalogue

DOMAIN = "guanxi"
_MAX_TOLD = 5
# What the validator says of every field that is missing.
_REQUIRED = "value is required"
RESPONSE_TOO_LARGE = "RESPONSE_TOO_LARGE"
DETAILS_KEY = "grpc-status-details-bin"
MEDIA_TYPE = b"application/problem+json"


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks one rule. `detail` is what a service wrote of it, in English.

    `text` and `values` are the key of the catalogue and what its text names; without a key it is the rule.
    """

    field: str
    rule: str
    detail: str = ""
    text: str = ""
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def told(self, language: Language) -> str:
        """What the field should have been."""
        if self.detail and language == "en":
            return self.detail
        key = self.text or self.rule
        ours = catalogue(language).rule(key, self.values)
        return ours or self.detail or catalogue("en").rule(key, self.values) or self.rule


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, without what only the request knows (instance, request id, language). `retry_after` is in seconds.

    `detail` is what a service wrote, in English; `text` and `values` are as in Violation, the reason being the key.
    `labels` are what people call values such as the state of a record; `more` are members that only problems of this
    reason have. `peer` is the service that failed, for our log alone.
    """

    status: int
    reason: str
    detail: str = ""
    errors: Sequence[Violation] = ()
    retry_after: int | None = None
    headers: Sequence[tuple[bytes, bytes]] = dataclasses.field(default=())
    text: str = ""
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, Label] = dataclasses.field(default_factory=dict)
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    peer: str = ""

    def body(self, *, instance: str, request_id: str, language: Language = "en") -> bytes:
        """The problem document."""
        document: dict[str, Any] = {
            "type": f"/docs/errors#{anchor(self.reason)}",
            "title": title(self.reason, language),
            "status": self.status,
            "detail": self.told(language),
            "instance": instance,
            "reason": self.reason,
            "metadata": dict(self.values),
            "errors": [
                {"field": each.field, "rule": each.rule, "detail": each.told(language), "metadata": dict(each.values)}
                for each in self.errors
            ],
            "request_id": request_id,
            **self.more,
        }
        return json_bytes(document)

    def told(self, language: Language) -> str:
        """What went wrong, in words: what the service wrote, the fields that are wrong, or what the reason means."""
        if self.errors and (not self.detail or language != "en"):
            return _joined((each.field, each.told(language)) for each in self.errors[:_MAX_TOLD])
        if self.detail and language == "en":
            return self.detail
        key = self.text or variant(self.reason, self.values)
        ours = catalogue(language).detail(key, self.values, self.labels)
        return ours or self.detail or catalogue("en").detail(key, self.values) or title(self.reason, language)

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
    """What a gRPC code means over HTTP when the error does not explain itself."""

    status: int
    reason: str
    retry_after: int | None = None


_INTERNAL = _Meaning(500, "INTERNAL")
_UNAVAILABLE = _Meaning(503, "UNAVAILABLE", 1)
_MEANINGS: Mapping[str, _Meaning] = {
    "INVALID_ARGUMENT": _Meaning(422, "INVALID_ARGUMENT"),
    "NOT_FOUND": _Meaning(404, "NOT_FOUND"),
    "ALREADY_EXISTS": _Meaning(409, "ALREADY_EXISTS"),
    "FAILED_PRECONDITION": _Meaning(409, "ILLEGAL_STATE"),
    "ABORTED": _Meaning(409, "CONFLICT"),
    "UNAUTHENTICATED": _Meaning(401, "UNAUTHENTICATED"),
    "PERMISSION_DENIED": _Meaning(403, "PERMISSION_DENIED"),
    "RESOURCE_EXHAUSTED": _Meaning(429, "RATE_LIMITED", 1),
    "DEADLINE_EXCEEDED": _Meaning(504, "DEADLINE_EXCEEDED"),
    "UNAVAILABLE": _UNAVAILABLE,
    "UNIMPLEMENTED": _UNAVAILABLE,
    "CANCELLED": _UNAVAILABLE,
}
# The detail of these comes from gRPC or from a defect, never from a rule.
_SILENT = frozenset({"UNIMPLEMENTED", "CANCELLED"})
# gRPC itself says this of a message or of metadata that is too large: asking again does not help.
_ONLY_OURS = frozenset({"RESOURCE_EXHAUSTED"})
_PRECONDITION_FAILED = frozenset({"ETAG_MISMATCH"})


def anchor(reason: str) -> str:
    """The place of a reason on the errors page: ACCOUNT_NOT_FOUND -> account-not-found."""
    return reason.lower().replace("_", "-")


def title(reason: str, language: Language = "en") -> str:
    """A reason as a short sentence without its full stop; one that is not in the catalogue, by its name."""
    return catalogue(language).title(reason) or reason.replace("_", " ").capitalize()


def malformed(field_path: str, rule: str, variant: str = "", **values: object) -> Problem:
    """A request the gateway cannot read, because of one field, header or parameter; see `violation`."""
    return unreadable([violation(field_path, rule, variant, **values)])


def violation(field_path: str, rule: str, variant: str = "", **values: object) -> Violation:
    """A field that breaks a rule of the gateway; the catalogue has the text under the rule or this variant of it."""
    text = f"{rule}.{variant}" if variant else rule
    return Violation(field_path, rule, text=text, values={name: str(value) for name, value in values.items()})


def unreadable(errors: Sequence[Violation]) -> Problem:
    """A request the gateway cannot read, with everything that is wrong with it."""
    return Problem(400, "INVALID_ARGUMENT", errors=errors)


def internal() -> Problem:
    """A failure of ours: the request id finds it in the logs, and nothing else is told."""
    return Problem(_INTERNAL.status, _INTERNAL.reason)


def response_too_large(max_bytes: int, request: Descriptor) -> Problem:
    """A read that would be answered with more bytes than a message may have, and what to do about it."""
    is_page = "page_size" in request.fields_by_name
    text = "RESPONSE_TOO_LARGE.page" if is_page else ""
    return Problem(422, RESPONSE_TOO_LARGE, text=text, values={"max_bytes": str(max_bytes)})


def is_too_large(error: grpc.aio.AioRpcError) -> bool:
    """Whether a message did not fit: so says the transport, which gives no details as services do."""
    told = {name for name, _ in error.trailing_metadata() or ()}
    return error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and DETAILS_KEY not in told


def from_crm_error(error: CrmError, *, labels: Mapping[str, Label] = NO_LABELS) -> Problem:
    """The problem of an error raised inside the gateway."""
    meaning = _MEANINGS.get(error.code, _INTERNAL)
    if meaning is _INTERNAL:
        return internal()
    return Problem(
        _status(meaning, error.reason),
        error.reason,
        error.detail,
        [Violation(each.field, each.rule, each.detail) for each in error.violations],
        meaning.retry_after if error.retry_after_seconds is None else _whole(error.retry_after_seconds),
        values=error.metadata,
        labels=labels,
    )


def variant(reason: str, values: Mapping[str, str]) -> str:
    """The key of a reason's text: one that has several has its `rule` among the values."""
    return f"{reason}.{values['rule']}" if "rule" in values else reason


# Path of a field in the request and the rule it breaks -> key in the catalogue, and values.
Explain = Callable[[str, str], tuple[str, Mapping[str, str]]]
# What people call the states and fields of a kind of record, by its noun.
LabelsOf = Callable[[str], Mapping[str, Label]]


def unexplained(_path: str, rule: str) -> tuple[str, Mapping[str, str]]:
    """A rule of which nothing more is known."""
    return rule, {}


def without_labels(_noun: str) -> Mapping[str, Label]:
    """Records of which nothing is known."""
    return NO_LABELS


def from_rpc_error(
    error: grpc.aio.AioRpcError,
    *,
    body_field: str = "",
    explain: Explain = unexplained,
    labels_of: LabelsOf = without_labels,
    peer: str = "",
) -> Problem:
    """The problem of a failed call. Paths below the field that the body fills are told as the body has them.

    `peer` is the service that was called.
    """
    return dataclasses.replace(_problem_of(error, body_field, explain, labels_of), peer=peer)


def _problem_of(error: grpc.aio.AioRpcError, body_field: str, explain: Explain, labels_of: LabelsOf) -> Problem:
    meaning = _MEANINGS.get(error.code().name, _INTERNAL)
    if meaning is _INTERNAL:
        return internal()
    details = _details(error)
    info = details.get("ErrorInfo")
    is_ours = info is not None and info.domain == DOMAIN
    if not is_ours and error.code().name in _ONLY_OURS:
        return internal()
    if info is None or not is_ours or error.code().name in _SILENT:
        return Problem(meaning.status, meaning.reason, retry_after=meaning.retry_after)
    retry = details.get("RetryInfo")
    found = details["BadRequest"].field_violations if "BadRequest" in details else ()
    return Problem(
        _status(meaning, info.reason),
        info.reason,
        _detail(error.details() or "", found, body_field),
        [_explained(each, body_field, explain, info.metadata if len(found) == 1 else {}) for each in found],
        meaning.retry_after if retry is None else _whole(retry.retry_delay.ToTimedelta().total_seconds()),
        values=dict(info.metadata),
        labels=labels_of(info.metadata.get("noun", "")),
        more=_encode_mismatch(details["EtagMismatch"]) if "EtagMismatch" in details else {},
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
    "EtagMismatch": etag_mismatch_pb2.EtagMismatch,
}
_encode_mismatch = Encoders().of(etag_mismatch_pb2.EtagMismatch.DESCRIPTOR)


def _explained(found: Any, body_field: str, explain: Explain, told: Mapping[str, str]) -> Violation:
    """A violation under its catalogue key: what the validator wrote is left out, what a service wrote is kept.

    `told` are the values that the service gave for the only one; of the texts of a rule `problem` says which.
    """
    key, values = explain(found.field, found.reason)
    values = {**values, **told}
    if "problem" in told:
        return Violation(
            _as_sent(found.field, body_field), found.reason, found.description, f"{key}.{told['problem']}", values
        )
    is_of_contract = "." in key or found.description == _REQUIRED
    ours = is_of_contract and catalogue("en").rule(key, values) is not None
    detail = "" if ours else found.description
    return Violation(_as_sent(found.field, body_field), found.reason, detail, key, values)


def _detail(text: str, found: Sequence[Any], body_field: str) -> str:
    """What the service wrote, with paths as they were sent; nothing when it only lists the fields."""
    fields = [(each.field, each.description) for each in found]
    if fields and text in (_joined(fields), _joined(fields[:_MAX_TOLD])):
        return ""
    for each in found:
        text = text.replace(f"{each.field}:", f"{_as_sent(each.field, body_field)}:")
    return text


def _joined(fields: Iterable[tuple[str, str]]) -> str:
    return "; ".join(f"{name}: {text}" if name else text for name, text in fields)


def _as_sent(path: str, body_field: str) -> str:
    return path.removeprefix(body_field + ".") if body_field and body_field != "*" else path
