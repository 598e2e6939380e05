"""Approval delegations, declared. Deputies see those that name them."""

from crm.customer.v1 import approval_delegations_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.identity.access import Scope, ways_to_own
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, bindparam, or_, true

from crm_customer.directory.approval_delegations.model import ApprovalDelegation, State
from crm_customer.directory.approval_delegations.tables import approval_delegations


def seen(scope: Scope) -> ColumnElement[bool]:
    """Those of one's own and of one's teams, and those that one is the deputy in."""
    if scope is Scope.ALL:
        return true()
    return or_(*ways_to_own(approval_delegations, scope), approval_delegations.c.deputy_id == bindparam("me"))


DELEGATIONS = Resource(
    "approval_delegation",
    entity=ApprovalDelegation,
    table=approval_delegations,
    message=pb.ApprovalDelegation,
    created=events.ApprovalDelegationCreated,
    updated=events.ApprovalDelegationUpdated,
    visible=seen,
    hidden={"state": {State.CANCELLED}},
    verbs={"CancelApprovalDelegation": lambda delegation, _: delegation.cancel()},
)
