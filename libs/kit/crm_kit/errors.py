"""What can go wrong, as typed errors that rules raise and the RPC pipeline turns into `google.rpc.Status`.

`reason` is a name of `crm.error.v1.ErrorReason` without its prefix. The detail is written for the caller:
it names field, rule and position, never anything internal.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks one rule. `field` is a path such as `account.phone_numbers[2]`."""

    field: str
    rule: str
    detail: str


class CrmError(Exception):
    """Base of all errors that a caller may see. `code` is the name of a gRPC status code.

    `metadata` are the values that the detail names, for who tells it in another language; where a reason has several
    texts, `rule` among them says which.
    """

    code = "INTERNAL"
    default_reason = "INTERNAL"

    def __init__(
        self,
        detail: str,
        *,
        reason: str = "",
        violations: Sequence[FieldViolation] = (),
        retry_after_seconds: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = reason or self.default_reason
        self.violations = tuple(violations)
        self.retry_after_seconds = retry_after_seconds
        self.metadata = dict(metadata or {})


class InvalidArgument(CrmError):
    """The request breaks a rule whatever the state of the system."""

    code = "INVALID_ARGUMENT"
    default_reason = "INVALID_ARGUMENT"


class NotFound(CrmError):
    """It does not exist, or the caller may not know that it does."""

    code = "NOT_FOUND"
    default_reason = "NOT_FOUND"


class AlreadyExists(CrmError):
    """Something of this key is already there."""

    code = "ALREADY_EXISTS"
    default_reason = "ALREADY_EXISTS"


class FailedPrecondition(CrmError):
    """The state of the system does not allow it; retrying without a change does not help."""

    code = "FAILED_PRECONDITION"
    default_reason = "ILLEGAL_STATE"


@dataclass(frozen=True, slots=True)
class UnseenChange:
    """One version of a record that a caller has not read: who did what to which fields, and when."""

    etag: str
    action: str
    actor_id: str
    actor_name: str
    change_time: datetime
    fields: tuple[str, ...]


class EtagMismatch(CrmError):
    """The resource has changed since the caller read it.

    `current_etag` and `changes`, the newest first, are for those who may read it; `truncated`: there were more.
    """

    code = "ABORTED"
    default_reason = "ETAG_MISMATCH"

    def __init__(
        self,
        detail: str,
        *,
        current_etag: str = "",
        changes: Sequence[UnseenChange] = (),
        truncated: bool = False,
        rule: str = "",
    ) -> None:
        super().__init__(detail, metadata={"rule": rule} if rule else {})
        self.current_etag = current_etag
        self.changes = tuple(changes)
        self.truncated = truncated


class Conflict(CrmError):
    """Others changed the same thing at the same time; trying again may succeed."""

    code = "ABORTED"
    default_reason = "CONFLICT"


class Unauthenticated(CrmError):
    """Who the caller is, is not known."""

    code = "UNAUTHENTICATED"
    default_reason = "UNAUTHENTICATED"


class PermissionDenied(CrmError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"
    default_reason = "PERMISSION_DENIED"


class ResourceExhausted(CrmError):
    """A limit is reached."""

    code = "RESOURCE_EXHAUSTED"
    default_reason = "RATE_LIMITED"


class Unavailable(CrmError):
    """A part of the platform does not answer; trying again may succeed."""

    code = "UNAVAILABLE"
    default_reason = "UNAVAILABLE"


def denied(rule: str, detail: str, **values: object) -> PermissionDenied:
    """A PermissionDenied. The texts of each language have `PERMISSION_DENIED.<rule>` with these values."""
    return PermissionDenied(detail, metadata={"rule": rule} | {name: str(value) for name, value in values.items()})


def illegal_state(rule: str, detail: str, **values: object) -> FailedPrecondition:
    """A FailedPrecondition ILLEGAL_STATE. The texts of each language have `ILLEGAL_STATE.<rule>` with these values."""
    return FailedPrecondition(detail, metadata={"rule": rule} | {name: str(value) for name, value in values.items()})


def wrong_state(noun: str, state: str, done: str, *, legal: Iterable[str] = ()) -> FailedPrecondition:
    """ILLEGAL_STATE: what is in this state cannot be `done`, as `archived`; `legal` are the states in which it can."""
    called, states = noun.replace("_", " "), list(legal)
    remedy = f"; it must be {' or '.join(states)}" if states else ""
    named = {"legal": ", ".join(states)} if states else {}
    detail = f"{_article(called)} {called} that is {state} cannot be {done}{remedy}"
    return illegal_state("wrong_state", detail, noun=noun, state=state, done=done, **named)


def wrong_move(noun: str, state: str, target: str, *, legal: Iterable[str]) -> FailedPrecondition:
    """ILLEGAL_STATE: what is in this state cannot come to the target; `legal` are the states to which it can."""
    states = sorted(legal)
    detail = f"{_article(noun)} {noun} that is {state} cannot become {target}"
    named = {"legal": ", ".join(states)} if states else {}
    detail += f"; it can become: {', '.join(states) or 'none'}"
    return illegal_state("wrong_move", detail, noun=noun, state=state, target=target, **named)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"


def invalid_field(
    field: str, rule: str, detail: str, *, reason: str = "", metadata: Mapping[str, str] | None = None
) -> InvalidArgument:
    """An InvalidArgument of one field; `metadata` are the values that the text of its rule names."""
    violations = [FieldViolation(field, rule, detail)]
    return InvalidArgument(f"{field}: {detail}", reason=reason, violations=violations, metadata=metadata)
