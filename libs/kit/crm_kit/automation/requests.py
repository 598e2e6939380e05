"""From an action, written as REST would be sent it, to the request of its rpc."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from crm.options.v1 import options_pb2
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

from crm_kit.approvals.declaration import Approvable
from crm_kit.automation import templates
from crm_kit.automation.refusals import expecting, not_changeable, of_another_service, one_of, without_custom_fields
from crm_kit.automation.rules.model import Action, Creation, Notification, Submission
from crm_kit.automation.watched import Call, Creatable, Watched
from crm_kit.custom_fields.model import CustomField
from crm_kit.errors import FieldViolation, InvalidArgument, invalid_field
from crm_kit.resource.codecs import is_map
from crm_kit.resource.contract import ADDRESSING
from crm_kit.resource.declaration import CUSTOM
from crm_kit.resource.validation import check_message
from crm_kit.resource.values import MONEY, VALUE, enum_choices, enum_prefix
from crm_kit.resource.violations import joined
from crm_kit.resource.writing import Resource

Fields = Mapping[str, Any]
AnyResource = Resource[Any, Any]
NO_RECORD = UUID(int=0)
# A process remembers all active rules of the tenants that are at work.
MAX_REQUEST_BYTES = 8 * 1024
# Of all values of the record in one request, in characters: it can name a long text hundreds of times, and what it
# comes to is checked while others wait for the loop.
MAX_FILLED = 64 * 1024
# Rules that are broken whatever a value of the record is.
WHATEVER_THE_VALUE = frozenset({"unknown_field", "not_changeable", "other_service", "value_type"})
# Whose records an update may refer to unless told otherwise: what users and teams are every service knows.
KNOWN_EVERYWHERE = frozenset({"", "users", "teams"})
# What a task is at; it is told by where it is created.
RECORD = "record_id"
INSTANT = "google.protobuf.Timestamp"


def reader_of(
    watched: Watched, record: Message, cause: templates.Cause, *, for_people: bool = False
) -> Callable[[templates.Named], Any]:
    """Reads what texts name of a record and of its cause, for one request. InvalidArgument where they become too long.

    For texts that people read, instants are as clocks in the tenant's zone show them; otherwise as JSON has them.
    """
    shown = MessageToDict(record, preserving_proto_field_name=True)
    contract, left = watched.resource.contract, MAX_FILLED

    def read(named: templates.Named) -> Any:
        nonlocal left
        if isinstance(named, templates.Reckoned):
            value, is_instant, place = cause.reckon(named), not named.is_date, "cause"
        else:
            field = field_at(contract, named)
            value, place = _short(field, templates.value_at(shown, named)), f"record.{named}"
            is_instant = field is not None and _is_instant(field)
        if for_people and value and is_instant:
            value = f"{datetime.fromisoformat(value).astimezone(cause.zone):%Y-%m-%d %H:%M}"
        left -= len(templates.written(value))
        if left < 0:
            detail = f"with it the values of the record in one request have more than {MAX_FILLED} characters together"
            raise invalid_field(place, "max_filled", detail)
        return value

    return read


def request_of(
    watched: Watched, called: Watched, action: Action, record: Message, cause: templates.Cause, *, record_id: str
) -> Message:
    """What the rpc is asked of a record that is `called`.

    Its values are those of the record of the rule, as whoever activated that sees it. InvalidArgument as the rpc says.
    """
    content = templates.filled(action.request, reader_of(watched, record, cause))
    return literal_request(called.resource, called.calls[action.verb], content, record_id=record_id)


def creation_of(
    watched: Watched, creation: Creation, record: Message, cause: templates.Cause, *, record_id: str
) -> Message:
    """What the rpc is asked that creates a record, as `request_of`."""
    content = templates.filled(creation.values, reader_of(watched, record, cause))
    created = watched.creatable[creation.collection]
    return literal_request(created.resource, created.call, content, record_id=record_id)


def submission_of(
    watched: Watched, submission: Submission, record: Message, cause: templates.Cause, *, record_id: str
) -> Message:
    """What approval is asked for, as `request_of`."""
    content = templates.filled(submission.request, reader_of(watched, record, cause))
    call = _call_of(watched.submissions[submission.verb])
    return literal_request(watched.resource, call, content, record_id=record_id)


def literal_request(
    resource: AnyResource,
    call: Call,
    content: Fields,
    *,
    record_id: str,
    known: Collection[str] = KNOWN_EVERYWHERE,
) -> Message:
    """What the rpc is asked of a record, with the values as they stand. InvalidArgument as the rpc says.

    `known` are the collections whose records an update may refer to.
    """
    request: Message = _read(resource, call, content, record_id=record_id, known=known)
    check_message(request)
    return request


def check_literal(
    resource: AnyResource,
    call: Call,
    content: Fields,
    custom: Mapping[str, CustomField],
    *,
    place: str,
    known: Collection[str] = KNOWN_EVERYWHERE,
) -> None:
    """InvalidArgument for what no record can be asked; `place` is where the content stands.

    `custom` are the tenant's own fields of the collection, `known` the collections whose records it may refer to.
    """
    _check_size(content, place=place)
    if call.is_update:
        _check_update(content, custom, place=place, known=known)
    try:
        literal_request(resource, call, content, record_id=str(NO_RECORD), known=known)
    except InvalidArgument as error:
        found = list(_below(error, resource if call.has_record else None, set(), place))
        raise _all_of(found, error) from None


def _call_of(approvable: Approvable) -> Call:
    return Call(approvable.verb.name, approvable.path, approvable.verb.permission, approvable.request)


def check_action(
    watched: Watched, called: Watched, action: Action, custom: Mapping[str, CustomField], *, place: str
) -> None:
    """InvalidArgument for an action that could never be done, whatever the record; `place` is where it stands.

    `called` is the collection of the record that is called, and `custom` are the tenant's own fields of that, or of the
    one that is created.
    """
    if action.submission is not None:
        _check_submission(watched, action.submission, place=f"{place}.submission")
    elif action.notification is not None:
        _check_notification(watched, action.notification, place=f"{place}.notification")
    elif action.webhook_call is not None:
        _check_tokens(watched, action.webhook_call.values, place=f"{place}.webhook_call.values")
    elif action.creation is not None:
        _check_creation(watched, action.creation, custom, place=f"{place}.creation")
    elif action.verb not in called.calls:
        raise one_of(f"{place}.verb", called.calls)
    else:
        call, request = called.calls[action.verb], action.request
        if call.is_update:
            _check_update(request, custom, place=f"{place}.request")
        _check_request(watched, called.resource, call, request, place=f"{place}.request")


def _check_update(
    content: Fields,
    custom: Mapping[str, CustomField],
    *,
    place: str,
    known: Collection[str] = KNOWN_EVERYWHERE,
) -> None:
    if not content:
        raise invalid_field(place, "required", "an update changes a field at least")
    _check_custom(content.get(CUSTOM), custom, place=f"{place}.{CUSTOM}", known=known)


def _check_creation(watched: Watched, creation: Creation, custom: Mapping[str, CustomField], *, place: str) -> None:
    created = creatable_of(watched, creation, place=place)
    place = f"{place}.values"
    _check_custom(creation.values.get(CUSTOM), custom, place=f"{place}.{CUSTOM}")
    contract = created.resource.contract
    for name in creation.values:
        if name in contract and contract[name].refers_to not in created.known:
            raise of_another_service(f"{place}.{name}")
    _check_request(watched, created.resource, created.call, creation.values, place=place)


def creatable_of(watched: Watched, creation: Creation, *, place: str) -> Creatable:
    """The collection of what is created. InvalidArgument for one whose records rules do not create."""
    if creation.collection not in watched.creatable:
        raise one_of(f"{place}.collection", watched.creatable)
    return watched.creatable[creation.collection]


def _check_submission(watched: Watched, submission: Submission, *, place: str) -> None:
    approvable = watched.submissions.get(submission.verb)
    if approvable is None:
        raise one_of(f"{place}.verb", watched.submissions)
    _check_tokens(watched, submission.comment, place=f"{place}.comment")
    _check_request(watched, watched.resource, _call_of(approvable), submission.request, place=f"{place}.request")


def _check_notification(watched: Watched, notification: Notification, *, place: str) -> None:
    if not notification.user_ids and not notification.recipients:
        choices = "recipients, user_ids"
        detail = "say who is told: give user_ids, recipients or both"
        raise invalid_field(f"{place}.recipients", "any_of", detail, metadata={"choices": choices})
    _check_tokens(watched, notification.text, place=f"{place}.text")


def _check_size(sent: Fields, *, place: str) -> None:
    if len(orjson.dumps(sent)) > MAX_REQUEST_BYTES:
        raise invalid_field(place, "max_bytes", f"is larger than {MAX_REQUEST_BYTES} bytes")


def _check_request(watched: Watched, called: AnyResource, call: Call, sent: Fields, *, place: str) -> None:
    _check_size(sent, place=place)
    _check_tokens(watched, sent, place=place)
    content = templates.filled(sent, lambda named: _sample(watched.resource.contract, named))
    templated = {path for path, _ in templates.tokens_in(sent, "")}
    try:
        check_message(_read(called, call, content, record_id=str(NO_RECORD)))
    except InvalidArgument as error:
        found = list(_below(error, called if call.has_record else None, templated, place))
        if found:
            raise _all_of(found, error) from None


def _all_of(found: Sequence[FieldViolation], error: InvalidArgument) -> InvalidArgument:
    """The same error at other places."""
    detail = "; ".join(f"{each.field}: {each.detail}" for each in found)
    return InvalidArgument(detail, reason=error.reason, violations=found, metadata=error.metadata)


def _check_tokens(watched: Watched, content: object, *, place: str) -> None:
    contract = watched.resource.contract
    for path, named in templates.tokens_in(content, place):
        if named is None or (isinstance(named, str) and not is_value(contract, named)):
            known = [f"{{{{record.{name}}}}}" for name in contract if is_value(contract, name)]
            raise one_of(path, [*known, "{{cause.date+3d}}", "{{cause.time+2h}}"])


def _check_custom(
    values: object,
    custom: Mapping[str, CustomField],
    *,
    place: str,
    known: Collection[str] = KNOWN_EVERYWHERE,
) -> None:
    if not isinstance(values, Mapping):
        return
    keys = [key for key, field in custom.items() if field.is_active]
    for key in values:
        if key not in keys:
            raise one_of(f"{place}.{key}", keys) if keys else without_custom_fields(f"{place}.{key}")
        if (custom[key].reference_collection or "") not in known:
            raise of_another_service(f"{place}.{key}")


def is_value(contract: Mapping[str, Any], path: str) -> bool:
    """Whether a record has a single value there that whoever reads the record reads, such as a text, or money."""
    name, _, rest = path.partition(".")
    if name not in contract or contract[name].descriptor.GetOptions().Extensions[options_pb2.withheld_without]:
        return False
    return bool(rest) if name == CUSTOM else sample_of(contract, path) is not None


def _below(
    error: InvalidArgument, updated: AnyResource | None, templated: set[str], place: str
) -> Iterator[FieldViolation]:
    """What is wrong at its place in the rule; rules that a value of the record may keep are asked when it is there."""
    for each in error.violations:
        path = each.field.removeprefix(f"{updated.place}.") if updated else each.field
        is_templated = any(_is_within(path, name) or _is_within(name, path) for name in templated)
        if each.rule in WHATEVER_THE_VALUE or not is_templated:
            yield FieldViolation(joined(place, path), each.rule, each.detail)


def _is_within(path: str, other: str) -> bool:
    """Whether a path is another, or that of something in it: `custom.size` and `tags[0]` are in `custom`, `tags`."""
    return path == other or path.startswith((f"{other}.", f"{other}["))


def _read(
    resource: AnyResource,
    call: Call,
    content: Fields,
    *,
    record_id: str,
    known: Collection[str] = KNOWN_EVERYWHERE,
) -> Any:
    request = call.request()
    if not call.has_record:
        _check_names(request, content)
        _fill(request, content)
        request.id = record_id
        return request
    place = resource.place
    try:
        target = getattr(request, place)
        _check_names(target, content, expected=_expected(resource, call))
        if call.is_update:
            _check_changeable(resource, content, known)
        _fill(target, content)
    except InvalidArgument as error:
        violations = [FieldViolation(joined(place, each.field), each.rule, each.detail) for each in error.violations]
        raise InvalidArgument(error.detail, violations=violations, metadata=error.metadata) from None
    if call.beside:
        request.collection, target.record_id = call.beside, record_id
    if call.is_update:
        target.id = record_id
        request.update_mask.paths.extend(mask_of(target.DESCRIPTOR, content))
    return request


def _check_names(message: Message, content: Fields, *, expected: Sequence[str] = ()) -> None:
    """InvalidArgument for a name that the message has not, which tells what is expected: all that it has, or these."""
    known = [field.name for field in message.DESCRIPTOR.fields if field.name not in ADDRESSING]
    for name in content:
        if name not in known:
            raise expecting(name, "unknown_field", "there is no such field; ", expected or sorted(known))


def _expected(resource: AnyResource, call: Call) -> list[str]:
    """The fields that an update changes, or a create sets, of which a task at a record is told the record."""
    fields = resource.contract.values()
    if call.is_update:
        return sorted(field.name for field in fields if field.changeable)
    return sorted(each.name for each in fields if each.settable and not (call.beside and each.name == RECORD))


def _check_changeable(resource: AnyResource, content: Fields, known: Collection[str]) -> None:
    for name in content:
        field = resource.contract.get(name)
        if field is None or not field.changeable:
            raise not_changeable(resource.message_type, name, field.changed_by if field else ())
        if field.refers_to not in known:
            raise of_another_service(name)


def _fill(message: Message, content: Fields) -> None:
    """Read JSON into a message, each field by itself, so that what cannot be read is named."""
    for name, value in content.items():
        if value is None:
            continue
        field = message.DESCRIPTOR.fields_by_name[name]
        try:
            ParseDict({name: _spelled(field, value)}, message)
        except (ParseError, ValueError, TypeError, AttributeError):
            if field.enum_type is not None:
                raise expecting(name, "value_type", "", enum_choices(field.enum_type)) from None
            raise invalid_field(name, "value_type", "is not a value that the field can have") from None


def _spelled(field: Any, value: Any) -> Any:
    """The JSON with the values of enums as protobuf has them: REST leaves out their prefix."""
    if isinstance(value, list):
        return [_spelled(field, each) for each in value]
    if field.enum_type is not None and isinstance(value, str):
        prefix = enum_prefix(field.enum_type.name)
        return value if value.startswith(prefix) else prefix + value
    kind = field.message_type
    if kind is None or not isinstance(value, Mapping) or is_map(field) or kind.file.package.startswith("google."):
        return value
    inner = kind.fields_by_name
    return {name: _spelled(inner[name], each) if name in inner else each for name, each in value.items()}


def mask_of(resource: Any, content: Fields) -> Iterator[str]:
    """What an update with this content changes, as REST takes it: objects and custom fields one by one."""
    for name, value in content.items():
        field = resource.fields_by_name[name]
        kind = field.message_type
        is_object = kind is not None and not field.is_repeated and kind.file.package.startswith("crm.")
        if isinstance(value, Mapping) and value and (name == CUSTOM or (is_object and kind.full_name != MONEY)):
            yield from (f"{name}.{key}" for key in value)
        else:
            yield name


def _is_instant(field: Any) -> bool:
    return field.message_type is not None and field.message_type.full_name == INSTANT


def field_at(contract: Mapping[str, Any], path: str) -> Any:
    """The descriptor of a record's field, or of one within an object; None where the contract does not tell."""
    name, *rest = path.split(".")
    field = contract[name].descriptor
    for each in rest:
        kind = field.message_type
        if is_map(field) or kind is None or each not in kind.fields_by_name:
            return None
        field = kind.fields_by_name[each]
    return field


def _short(field: Any, value: Any) -> Any:
    """A value of an enum as REST and filters have it: without the prefix."""
    is_enum = field is not None and field.enum_type is not None and isinstance(value, str)
    return value.removeprefix(enum_prefix(field.enum_type.name)) if is_enum else value


def _sample(contract: Mapping[str, Any], named: templates.Named) -> Any:
    """A value, as JSON has it, of what a text names."""
    if isinstance(named, templates.Reckoned):
        return SAMPLE_DATE if named.is_date else SAMPLES[INSTANT]
    return sample_of(contract, named)


def sample_of(contract: Mapping[str, Any], path: str) -> Any:
    """A value, as JSON has it, of the type of a record's field; None where any type is possible."""
    field = field_at(contract, path)
    if field is None or field.is_repeated or (field.message_type is not None and field.message_type.full_name == VALUE):
        return None
    if field.enum_type is not None:
        return field.enum_type.values[-1].name
    if field.message_type is not None:
        return SAMPLES.get(field.message_type.full_name)
    return {str: "x", bool: True}.get(type(field.default_value), 1)


SAMPLE_DATE = "2026-01-31"
SAMPLES: Mapping[str, Any] = {
    MONEY: {"amount": "1", "currency_code": "CNY"},
    INSTANT: "2026-01-31T08:00:00Z",
    "google.protobuf.Duration": "60s",
}
