"""Inbound messages, declared. Who sees a case sees its messages; who sees all cases, those of no case, too."""

from crm.service_desk.v1 import events_pb2 as events
from crm.service_desk.v1 import inbound_messages_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_service_desk.cases.resource import at_cases
from crm_service_desk.inbound_messages.model import InboundMessage, place_of
from crm_service_desk.inbound_messages.tables import inbound_messages

INBOUND_MESSAGES = Resource(
    "inbound_message",
    entity=InboundMessage,
    table=inbound_messages,
    message=pb.InboundMessage,
    created=events.InboundMessageCreated,
    visible=at_cases(inbound_messages),
    files_at=lambda message: place_of(message.id, message.case_id),
    verbs={
        "AssignInboundMessage": lambda message, _: message.require_undecided("added to a case"),
        "OpenInboundMessageCase": lambda message, _: message.require_undecided("the opening of a case"),
        "IgnoreInboundMessage": lambda message, _: message.ignore(),
    },
)
