"""What adapters bring, read from the JSON that they signed."""

import dataclasses
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from crm.service_desk.v1 import calls_pb2 as calls_pb
from crm.service_desk.v1 import inbound_messages_pb2 as pb
from crm_kit.composition import compose_texts
from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.resource.validation import check_message
from crm_kit.resource.values import enum_prefix
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

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
# No list of a message has more entries; what has is not worth the time to look at each.
MAX_ENTRIES = 100
Kind = TypeVar("Kind", bound=Message)
Request = pb.CreateInboundMessageRequest | pb.ReceiveMailRequest | calls_pb.ReceiveCallEventRequest


def read_delivery(channel_id: str, payload: bytes) -> Request:
    """The request that a delivery means, which keeps the contract's rules; InvalidArgument where it means none."""
    content = as_object(payload)
    type, data = content.get("type"), content.get("data")
    if not isinstance(data, dict):
        raise invalid_field("data", "delivery_object", "must be an object")
    if type == MESSAGE:
        return message_request(channel_id, data)
    if type == MAIL:
        return mail_request(channel_id, data)
    if type in CALLS:
        return call_request(channel_id, CALLS[type], data)
    known = ", ".join((MESSAGE, MAIL, *CALLS))
    raise invalid_field("type", "delivery_type", f"must be one of {known}", metadata={"types": known})


def as_object(payload: bytes) -> Mapping[str, Any]:
    """A JSON object; InvalidArgument for anything else."""
    try:
        content = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise invalid_field("payload", "delivery_json", "is not JSON") from error
    if not isinstance(content, dict):
        raise invalid_field("payload", "delivery_object", "must be an object")
    return content


def message_request(channel_id: str, data: dict[str, Any]) -> pb.CreateInboundMessageRequest:
    """A message as `CreateInboundMessage` takes it, by a channel that the data need not name."""
    named = data.get("channel_id", channel_id)
    if named != channel_id:
        raise invalid_field("data.channel_id", "delivery_channel", "is not the channel by which it comes")
    message = put_into(pb.InboundMessage(), data | {"channel_id": channel_id})
    return checked(pb.CreateInboundMessageRequest(inbound_message=message), "inbound_message")


def mail_request(channel_id: str, data: dict[str, Any]) -> pb.ReceiveMailRequest:
    """A mail as `ReceiveMail` takes it."""
    text = data.get("mail")
    if data.keys() - {"mail"}:
        raise invalid_field(f"data.{min(data.keys() - {'mail'})}", "unknown_field", "there is no such field")
    try:
        # Line breaks within are none of the mail's.
        mail = b64decode("".join(text.split()), validate=True) if isinstance(text, str) else b""
    except ValueError:
        mail = b""
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
            raise invalid_field(f"data.{name}", "delivery_value", "is no value that this field can have") from error
    compose_texts(message)
    return message


def as_named(field: Any, value: Any) -> Any:
    """The value of an enum as the contract names it: adapters leave its prefix out, as all do who speak REST."""
    if field.enum_type is None or not isinstance(value, str):
        return value
    prefix = enum_prefix(field.enum_type.name)
    return value if value.startswith(prefix) else prefix + value


def checked(request: Kind, place: str) -> Kind:
    """The request itself; InvalidArgument by the contract's rules, with paths as the sender has them."""
    try:
        check_message(request)
    except InvalidArgument as error:
        raise as_sent(error, place) from None
    return request


def as_sent(error: InvalidArgument, place: str) -> InvalidArgument:
    """The same refusal with what is at `place` in the request called `data`."""
    prefix = f"{place}." if place else ""
    found = [dataclasses.replace(each, field=f"data.{each.field.removeprefix(prefix)}") for each in error.violations]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in found) or error.detail
    return InvalidArgument(detail, reason=error.reason, violations=found, metadata=error.metadata)
