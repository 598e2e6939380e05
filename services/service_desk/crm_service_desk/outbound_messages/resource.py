"""Outbound messages, declared. Who sees a case sees its messages."""

from crm.service_desk.v1 import events_pb2 as events
from crm.service_desk.v1 import outbound_messages_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_service_desk.cases.resource import at_cases
from crm_service_desk.outbound_messages.model import OutboundMessage
from crm_service_desk.outbound_messages.tables import outbound_messages

OUTBOUND_MESSAGES = Resource(
    "outbound_message",
    entity=OutboundMessage,
    table=outbound_messages,
    message=pb.OutboundMessage,
    created=events.OutboundMessageCreated,
    visible=at_cases(outbound_messages),
    verbs={
        "CancelOutboundMessage": lambda message, _: message.cancel(),
        "RetryOutboundMessage": lambda message, _: message.retry(),
    },
)
