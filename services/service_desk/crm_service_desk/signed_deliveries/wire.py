"""What adapters bring, read from the JSON that they signed."""

import dataclasses
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

import orjson
from buf.validate import validate_pb2
from crm.service_desk.v1 import calls_pb2 as calls_pb
from crm.service_desk.v1 import inbound_messages_pb2 as pb
from crm_kit.composition import compose_texts
from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.resource.storable import check_storable
from crm_kit.resource.validation import check_message
from crm_kit.resource.values import enum_choices, enum_prefix
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from crm_service_desk.mail.file_names import cleaned
from crm_service_desk.outbound_messages.model import MAX_DETAIL, Report, State

# Where a request has what happened to a call.
EVENT = "event"
MESSAGE, MAIL = "message.received", "mail.received"
# What happens to calls, and the type that says so in the contract.
CALLS = {
    "call.ringing": calls_pb.CallEvent.TYPE_RINGING,
    "call.ivr": calls_pb.CallEvent.TYPE_IVR,
    "call.answered": calls_pb.CallEvent.TYPE_ANSWERED,
    "call.ended": calls_pb.CallEvent.TYPE_ENDED,
    "call.recording": calls_pb.CallEvent.TYPE_RECORDING,
}
# What became of a message that the adapter has taken, by how the report is called.
REPORTS = {"message.sent": State.SENT, "message.delivered": State.DELIVERED, "message.failed": State.FAILED}
TAKE = "messages.take"
MAX_TAKEN, TAKEN = 20, 10
# No list of a message has more entries; what has is not worth the time to look at each.
MAX_ENTRIES = 100
MAX_ATTEMPT = 1_000_000
MAX_BROUGHT_FILES = 20
Kind = TypeVar("Kind", bound=Message)
Request = pb.ReceiveMailRequest | calls_pb.ReceiveCallEventRequest


@dataclasses.dataclass(frozen=True, slots=True)
class BroughtMessage:
    """A message that an adapter brings, and its files by name and content."""

    request: pb.CreateInboundMessageRequest
    files: tuple[tuple[str, bytes], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class MessageReport:
    """What an adapter reports on a message that it has taken."""

    message_id: UUID
    report: Report


def read_delivery(channel_id: str, payload: bytes) -> Request | BroughtMessage | MessageReport:
    """The request that a delivery means, which keeps the contract's rules; InvalidArgument where it means none."""
    type, data = type_and_data(payload)
    if type == MESSAGE:
        return message_request(channel_id, data)
    if type == MAIL:
        return mail_request(channel_id, data)
    if type in CALLS:
        return call_request(channel_id, CALLS[type], data)
    if type in REPORTS:
        return message_report(REPORTS[type], data)
    raise unknown_type(MESSAGE, MAIL, *CALLS, *REPORTS)


def read_take(payload: bytes) -> int:
    """How many messages an adapter wants to take; InvalidArgument where it wants something else."""
    type, data = type_and_data(payload)
    if type != TAKE:
        raise unknown_type(TAKE)
    check_names(data, {"limit"})
    return whole_number(data, "limit", least=1, most=MAX_TAKEN) if "limit" in data else TAKEN


def type_and_data(payload: bytes) -> tuple[str, dict[str, Any]]:
    """What a delivery is, and what it has; InvalidArgument for what is none."""
    content = as_object(payload)
    type, data = content.get("type"), content.get("data")
    if not isinstance(data, dict):
        raise invalid_field("data", "delivery_object", "must be an object")
    return type if isinstance(type, str) else "", data


def unknown_type(*known: str) -> InvalidArgument:
    types = ", ".join(known)
    return invalid_field("type", "delivery_type", f"must be one of {types}", metadata={"types": types})


def message_report(state: State, data: dict[str, Any]) -> MessageReport:
    """What became of a message, and of which attempt that is said."""
    check_names(data, {"outbound_message_id", "attempt", *(["detail"] if state is State.FAILED else [])})
    attempt = whole_number(data, "attempt", least=1, most=MAX_ATTEMPT)
    detail = data.get("detail")
    if detail is not None and not (isinstance(detail, str) and len(detail) <= MAX_DETAIL and detail.isprintable()):
        what = f"must be a text in one line of at most {MAX_DETAIL} characters"
        raise invalid_field("data.detail", "delivery_detail", what, metadata={"most": str(MAX_DETAIL)})
    id = data.get("outbound_message_id")
    try:
        message_id = UUID(id if isinstance(id, str) else "")
    except ValueError:
        raise invalid_field("data.outbound_message_id", "string.uuid", "must be a UUID") from None
    return MessageReport(message_id, Report(state, detail or None, attempt))


def check_names(data: dict[str, Any], known: set[str]) -> None:
    """InvalidArgument for a name that the data cannot have."""
    if unknown := data.keys() - known:
        raise invalid_field(f"data.{min(unknown)}", "unknown_field", "there is no such field")


def whole_number(data: dict[str, Any], name: str, *, least: int, most: int) -> int:
    """A number of the data; InvalidArgument for anything else."""
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        detail = f"must be a whole number from {least} to {most}"
        metadata = {"least": str(least), "most": str(most)}
        raise invalid_field(f"data.{name}", "delivery_number", detail, metadata=metadata)
    return value


def as_object(payload: bytes) -> Mapping[str, Any]:
    """A JSON object; InvalidArgument for anything else."""
    try:
        content = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise invalid_field("payload", "delivery_json", "is not JSON") from error
    if not isinstance(content, dict):
        raise invalid_field("payload", "delivery_object", "must be an object")
    return content


def message_request(channel_id: str, data: dict[str, Any]) -> BroughtMessage:
    """A message as `CreateInboundMessage` takes it, by a channel that the data need not name, and its files."""
    data, files = dict(data), files_of(data)
    data.pop("files", None)
    named = data.get("channel_id", channel_id)
    if named != channel_id:
        raise invalid_field("data.channel_id", "delivery_channel", "is not the channel by which it comes")
    message = put_into(pb.InboundMessage(), data | {"channel_id": channel_id})
    request = checked(pb.CreateInboundMessageRequest(inbound_message=message), "inbound_message")
    return BroughtMessage(request, files)


def files_of(data: dict[str, Any]) -> tuple[tuple[str, bytes], ...]:
    """The files of a message by name and content; InvalidArgument for what is none."""
    files = data.get("files", [])
    if not isinstance(files, list) or len(files) > MAX_BROUGHT_FILES:
        detail = f"must be a list of at most {MAX_BROUGHT_FILES} files"
        raise invalid_field("data.files", "delivery_files", detail, metadata={"most": str(MAX_BROUGHT_FILES)})
    return tuple(file_at(f"data.files[{index}]", each) for index, each in enumerate(files))


def file_at(place: str, file: Any) -> tuple[str, bytes]:
    """One of them: `{"name": "电表.jpg", "content": "<base64>"}`."""
    name = file.get("name") if isinstance(file, dict) else None
    if not isinstance(name, str) or file.keys() != {"name", "content"} or not (called := cleaned(name)):
        raise invalid_field(place, "delivery_file", "must have a `name` that files can have, and `content`")
    content = decoded(file["content"])
    if content is None:
        raise invalid_field(f"{place}.content", "delivery_base64", "must be in base64")
    return called, content


def decoded(text: Any) -> bytes | None:
    """What is written in base64; line breaks within are none of it."""
    try:
        return b64decode("".join(text.split()), validate=True) if isinstance(text, str) else None
    except ValueError:
        return None


def mail_request(channel_id: str, data: dict[str, Any]) -> pb.ReceiveMailRequest:
    """A mail as `ReceiveMail` takes it."""
    check_names(data, {"mail"})
    mail = decoded(data.get("mail"))
    if not mail:
        raise invalid_field("data.mail", "delivery_mail", "must be a mail in base64")
    return checked(pb.ReceiveMailRequest(channel_id=channel_id, mail=mail), "")


def call_request(
    channel_id: str, type: "calls_pb.CallEvent.Type.ValueType", data: dict[str, Any]
) -> calls_pb.ReceiveCallEventRequest:
    """What happened to a call, as `ReceiveCallEvent` takes it."""
    if "type" in data:
        raise invalid_field("data.type", "unknown_field", "stands beside the data")
    event = put_into(calls_pb.CallEvent(), data)
    event.type = type
    return checked(calls_pb.ReceiveCallEventRequest(channel_id=channel_id, event=event), EVENT)


def put_into(message: Kind, data: dict[str, Any]) -> Kind:
    """Fill a message from JSON; InvalidArgument for names and values that it has not."""
    unknown = data.keys() - message.DESCRIPTOR.fields_by_name.keys()
    if unknown:
        raise invalid_field(f"data.{min(unknown)}", "unknown_field", "there is no such field")
    for name, value in data.items():
        if isinstance(value, list) and len(value) > MAX_ENTRIES:
            raise invalid_field(f"data.{name}", "delivery_entries", f"has more than {MAX_ENTRIES} entries")
        try:
            ParseDict({name: as_named(message.DESCRIPTOR.fields_by_name[name], value)}, message)
        except (ParseError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise no_value(message.DESCRIPTOR.fields_by_name[name]) from error
    compose_texts(message)
    return message


def no_value(field: Any) -> InvalidArgument:
    """What is told of a value that a field cannot have: what it can have, of enums and instants."""
    place = f"data.{field.name}"
    if field.enum_type is not None:
        choices = choices_of(field)
        return invalid_field(place, "enum", f"expected one of {choices}", metadata={"choices": choices})
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp":
        detail = "expected an RFC 3339 instant such as 2026-01-31T09:30:00Z"
        return invalid_field(place, "delivery_instant", detail)
    return invalid_field(place, "delivery_value", "is no value that this field can have")


def choices_of(field: Any) -> str:
    """The values that an enum can have in a field, for people to read: without those that its rules refuse."""
    refused = field.GetOptions().Extensions[validate_pb2.field].enum.not_in
    prefix = enum_prefix(field.enum_type.name)
    left_out = {field.enum_type.values_by_number[number].name.removeprefix(prefix) for number in refused}
    return ", ".join(each for each in enum_choices(field.enum_type) if each not in left_out)


def as_named(field: Any, value: Any) -> Any:
    """The value of an enum as the contract names it: adapters leave its prefix out, as all do who speak REST."""
    if field.enum_type is None or not isinstance(value, str):
        return value
    prefix = enum_prefix(field.enum_type.name)
    return value if value.startswith(prefix) else prefix + value


def checked(request: Kind, place: str) -> Kind:
    """The request itself; InvalidArgument by the contract's rules, with paths as the sender has them."""
    try:
        check_storable(request)
        check_message(request)
    except InvalidArgument as error:
        raise with_choices(as_sent(error, place), getattr(request, place) if place else request) from None
    return request


def with_choices(error: InvalidArgument, filled: Message) -> InvalidArgument:
    """The same refusal with the values that an enum has, instead of the number that it must not be."""
    found, metadata = [], dict(error.metadata)
    for each in error.violations:
        field = filled.DESCRIPTOR.fields_by_name.get(each.field.removeprefix("data."))
        if each.rule == "enum.not_in" and field is not None:
            choices = choices_of(field)
            each = dataclasses.replace(each, detail=f"must be one of {choices}")
            metadata |= {"choices": choices} if len(error.violations) == 1 else {}
        found.append(each)
    detail = "; ".join(f"{each.field}: {each.detail}" for each in found) or error.detail
    return InvalidArgument(detail, reason=error.reason, violations=found, metadata=metadata)


def as_sent(error: InvalidArgument, place: str) -> InvalidArgument:
    """The same refusal with what is at `place` in the request called `data`."""
    prefix = f"{place}." if place else ""
    found = [dataclasses.replace(each, field=f"data.{each.field.removeprefix(prefix)}") for each in error.violations]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in found) or error.detail
    return InvalidArgument(detail, reason=error.reason, violations=found, metadata=error.metadata)
