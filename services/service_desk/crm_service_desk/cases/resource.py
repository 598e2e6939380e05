"""Cases, declared."""

from crm.service_desk.v1 import cases_pb2 as pb
from crm.service_desk.v1 import events_pb2 as events
from crm_kit.identity.access import Scope, visible
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, any_, bindparam, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_service_desk.accounts.tables import accounts
from crm_service_desk.cases.model import Case, CaseState
from crm_service_desk.cases.tables import cases


def reached(scope: Scope) -> ColumnElement[bool]:
    """Which cases the actor may see: those they work on, those they created, and those of their accounts.

    For TEAM these of everybody in the teams, too.
    """
    if scope is Scope.ALL:
        return true()
    of_accounts = select(accounts.c.id).where(accounts.c.tenant_id == bindparam("tenant_id"), visible(accounts, scope))
    own = [
        cases.c.assignee_id == bindparam("me"),
        cases.c.creator_id == bindparam("me"),
        cases.c.account_id.in_(of_accounts),
    ]
    if scope is Scope.TEAM:
        teams = any_(bindparam("team_ids", type_=ARRAY(Uuid)))
        own += [cases.c.assignee_team_id == teams, cases.c.creator_team_id == teams]
    return or_(*own)


CASES = Resource(
    "case",
    entity=Case,
    table=cases,
    message=pb.Case,
    created=events.CaseCreated,
    updated=events.CaseUpdated,
    visible=reached,
    at=Case.at,
    verbs={
        "AssignCase": lambda _case, _: None,
        "OpenCase": lambda case, _: case.require_move(CaseState.OPEN),
        "ReplyToCustomer": lambda _case, _: None,
        "RecordCustomerMessage": lambda _case, _: None,
        "AddNote": lambda _case, _: None,
        "WaitForCustomer": lambda case, _: case.require_move(CaseState.WAITING_CUSTOMER),
        "WaitForThirdParty": lambda case, _: case.require_move(CaseState.WAITING_THIRD_PARTY),
        "ResolveCase": lambda case, _: case.require_move(CaseState.RESOLVED),
        "CloseCase": lambda case, _: case.require_closable(),
        # For how long is up to the installation, which the composition root knows.
        "ReopenCase": lambda case, _: case.require_move(CaseState.REOPENED),
        "CancelCase": lambda case, _: case.require_move(CaseState.CANCELLED),
    },
)
