"""Calls, declared. Who took part sees them, who their account belongs to, and who sees all calls."""

from typing import Any

from crm.service_desk.v1 import calls_pb2 as pb
from crm.service_desk.v1 import events_pb2 as events
from crm_kit.identity.access import Scope
from crm_kit.resource.reach import Reach, at_one_of_owned, at_open, at_owned, ids_at_owned
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, Select, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.types import Uuid

from crm_service_desk.accounts.tables import accounts
from crm_service_desk.calls.model import Call
from crm_service_desk.calls.tables import calls


def taken_part(scope: Scope) -> list[ColumnElement[bool]]:
    """Those of one's own telephone, or that rang there; for TEAM those of everybody in the teams, too."""
    me = bindparam("me", type_=Uuid)
    own = [calls.c.user_id == me, calls.c.ring_user_ids.contains(array([me]))]
    if scope is Scope.TEAM:
        own.append(calls.c.user_team_id == any_(bindparam("team_ids", type_=ARRAY(Uuid))))
    return own


def reached(scope: Scope) -> ColumnElement[bool]:
    """Those, and those with one's own accounts."""
    return or_(*taken_part(scope), at_owned(calls, calls.c.account_id, accounts, scope))


def of_many(scope: Scope) -> ColumnElement[bool]:
    """The same, asked of many calls."""
    return or_(*taken_part(scope), at_one_of_owned(calls.c.account_id, accounts, scope))


def ways(scope: Scope) -> list[Select[Any]]:
    """The same calls, each way along an index."""
    of_tenant = calls.c.tenant_id == bindparam("tenant_id")
    own = [select(calls.c.id).where(of_tenant, way) for way in taken_part(scope)]
    return [*own, *ids_at_owned(calls, calls.c.account_id, accounts, scope)]


def open_to(scope: Scope) -> ColumnElement[bool]:
    """Which calls are with no account that is restricted from the actor, whoever took part."""
    return at_open(calls, calls.c.account_id, accounts, scope)


CALLS = Resource(
    "call",
    entity=Call,
    table=calls,
    message=pb.Call,
    created=events.CallCreated,
    updated=events.CallUpdated,
    beside={"called_back"},
    visible=Reach(calls, reached, ways, of_many, open=open_to),
    default_order="begin_time desc",
    verbs={
        "AssignCall": lambda call, _: call.require_assignable(),
        "IgnoreCall": lambda call, _: call.ignore(),
    },
)
