"""Cases, declared."""

from typing import Any

from crm.service_desk.v1 import cases_pb2 as pb
from crm.service_desk.v1 import events_pb2 as events
from crm_kit.identity.access import Scope
from crm_kit.resource.reach import Reach, asked_of_each, at_one_of_owned, at_open, at_owned, ids_at_owned
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, Select, Table, any_, bindparam, exists, not_, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_service_desk.accounts.tables import accounts
from crm_service_desk.cases.model import Case, CaseState
from crm_service_desk.cases.tables import cases


def reached(scope: Scope) -> ColumnElement[bool]:
    """Which cases the actor may see: those they work on, those they created, and those of their accounts.

    For TEAM these of everybody in the teams, too.
    """
    return or_(*worked_on(scope), at_owned(cases, cases.c.account_id, accounts, scope))


def of_many(scope: Scope) -> ColumnElement[bool]:
    """The same, asked of many cases."""
    return or_(*worked_on(scope), at_one_of_owned(cases.c.account_id, accounts, scope))


def worked_on(scope: Scope) -> list[ColumnElement[bool]]:
    """Those they work on and those they created; for TEAM those of everybody in the teams, too."""
    own = [cases.c.assignee_id == bindparam("me"), cases.c.creator_id == bindparam("me")]
    if scope is Scope.TEAM:
        teams = any_(bindparam("team_ids", type_=ARRAY(Uuid)))
        own += [cases.c.assignee_team_id == teams, cases.c.creator_team_id == teams]
    return own


def ways(scope: Scope) -> list[Select[Any]]:
    """The same cases, each way along an index."""
    of_tenant = cases.c.tenant_id == bindparam("tenant_id")
    own = [select(cases.c.id).where(of_tenant, way) for way in worked_on(scope)]
    return [*own, *ids_at_owned(cases, cases.c.account_id, accounts, scope)]


def open_to(scope: Scope) -> ColumnElement[bool]:
    """Which cases are about no account that is restricted from the actor, whoever works on them."""
    return at_open(cases, cases.c.account_id, accounts, scope)


def at_cases(table: Table) -> Reach:
    """Who sees the rows of a table with a `case_id`: who sees the case; with the scope ALL those of no case, too.

    Nobody sees what is at an account that is restricted from them, or at a case about one.
    """
    same = (cases.c.tenant_id == table.c.tenant_id) & (cases.c.id == table.c.case_id)

    def each(scope: Scope) -> ColumnElement[bool]:
        return asked_of_each(select(cases.c.id).where(same, reached(scope)), table)

    def among_many(scope: Scope) -> ColumnElement[bool]:
        seen = select(cases.c.id).where(cases.c.tenant_id == bindparam("tenant_id"), of_many(scope))
        return table.c.case_id.in_(seen)

    def along(scope: Scope) -> list[Select[Any]]:
        of_tenant = table.c.tenant_id == bindparam("tenant_id")
        return [select(table.c.id).where(of_tenant, table.c.case_id.in_(way)) for way in ways(scope)]

    def open_at(scope: Scope) -> ColumnElement[bool]:
        closed = exists().where(same, not_(open_to(scope))).correlate(table)
        if "account_id" not in table.c:
            return not_(closed)
        return not_(closed) & at_open(table, table.c.account_id, accounts, scope)

    return Reach(table, each, along, among_many, open=open_at)


CASES = Resource(
    "case",
    entity=Case,
    table=cases,
    message=pb.Case,
    created=events.CaseCreated,
    updated=events.CaseUpdated,
    visible=Reach(cases, reached, ways, of_many, open=open_to),
    at=Case.at,
    verbs={
        "AssignCase": lambda _case, _: None,
        "OpenCase": lambda case, _: case.require_move(CaseState.OPEN),
        "ReplyToCustomer": lambda case, _: case.require_room(),
        "RecordCustomerMessage": lambda case, _: case.require_room(),
        "AddNote": lambda case, _: case.require_room(),
        "WaitForCustomer": lambda case, _: case.require_move(CaseState.WAITING_CUSTOMER),
        "WaitForThirdParty": lambda case, _: case.require_move(CaseState.WAITING_THIRD_PARTY),
        "ResolveCase": lambda case, _: case.require_move(CaseState.RESOLVED),
        "CloseCase": lambda case, _: case.require_closable(),
        # For how long is up to the installation, which the composition root knows.
        "ReopenCase": lambda case, _: case.require_move(CaseState.REOPENED),
        "CancelCase": lambda case, _: case.require_move(CaseState.CANCELLED),
    },
    assigned="assignee_id",
)
