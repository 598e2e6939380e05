"""Inbound messages, declared. Who sees a case sees its messages; who sees all cases, those of no case, too."""

from typing import Any

from crm.service_desk.v1 import events_pb2 as events
from crm.service_desk.v1 import inbound_messages_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.resource.reach import Reach, asked_of_each, at_open
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, Select, bindparam, exists, not_, select

from crm_service_desk.accounts.tables import accounts
from crm_service_desk.cases import resource as of_cases
from crm_service_desk.cases.tables import cases
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.inbound_messages.tables import inbound_messages


def reached(scope: Scope) -> ColumnElement[bool]:
    """Those of the cases that the scope reaches."""
    same = (cases.c.tenant_id == inbound_messages.c.tenant_id) & (cases.c.id == inbound_messages.c.case_id)
    return asked_of_each(select(cases.c.id).where(same, of_cases.reached(scope)), inbound_messages)


def of_many(scope: Scope) -> ColumnElement[bool]:
    """The same, asked of many messages."""
    seen = select(cases.c.id).where(cases.c.tenant_id == bindparam("tenant_id"), of_cases.of_many(scope))
    return inbound_messages.c.case_id.in_(seen)


def ways(scope: Scope) -> list[Select[Any]]:
    """The same messages, each way along an index."""
    table = inbound_messages
    return [
        select(table.c.id).where(table.c.tenant_id == bindparam("tenant_id"), table.c.case_id.in_(way))
        for way in of_cases.ways(scope)
    ]


def open_to(scope: Scope) -> ColumnElement[bool]:
    """Which messages are of no account that is restricted from the actor, and belong to no case about one."""
    own = at_open(inbound_messages, inbound_messages.c.account_id, accounts, scope)
    same = (cases.c.tenant_id == inbound_messages.c.tenant_id) & (cases.c.id == inbound_messages.c.case_id)
    closed = exists().where(same, not_(of_cases.open_to(scope)))
    return own & not_(closed.correlate(inbound_messages))


INBOUND_MESSAGES = Resource(
    "inbound_message",
    entity=InboundMessage,
    table=inbound_messages,
    message=pb.InboundMessage,
    created=events.InboundMessageCreated,
    visible=Reach(inbound_messages, reached, ways, of_many, open=open_to),
    verbs={
        "AssignInboundMessage": lambda message, _: message.require_undecided("added to a case"),
        "OpenInboundMessageCase": lambda message, _: message.require_undecided("the opening of a case"),
        "IgnoreInboundMessage": lambda message, _: message.ignore(),
    },
)
