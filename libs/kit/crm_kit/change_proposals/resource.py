"""Change proposals, declared. Whoever may read a record reads what is proposed for it."""

from typing import Any

from crm.resource.v1 import change_proposals_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import ColumnElement, Table, Uuid, and_, any_, bindparam, cast, null, or_, select

from crm_kit.change_proposals.model import ChangeProposal, State
from crm_kit.plumbing import change_proposals
from crm_kit.resource.reach import Reach, beside_records
from crm_kit.resource.values import DeclarationError
from crm_kit.resource.writing import Resource

ChangeProposals = Resource[ChangeProposal, pb.ChangeProposal]
# Needs the bind parameter `collection`.
OF_COLLECTION = change_proposals.c.collection == bindparam("collection")
# Whose a record is, as collections call it.
OWNERS = ("owner_id", "assignee_id")


def change_proposals_of(records: Resource[Any, Any]) -> ChangeProposals:
    """The change proposals of the records of a resource."""
    if not isinstance(records.visible, Reach) or records.masked is not None:
        raise DeclarationError(f"{records.noun}: proposals need a Reach, and records of which nothing is masked")
    owner_id = owner_of(records.table)
    return Resource(
        "change_proposal",
        entity=ChangeProposal,
        table=change_proposals,
        message=pb.ChangeProposal,
        created=events.ChangeProposalCreated,
        # Who reads events has not been asked for which fields they see.
        untold={"values", "old_values", "reason", "evidence", "link", "decisions"},
        visible=beside_records(change_proposals, records.table, records.visible),
        computed={"owner_id": owner_id, "awaits_me": awaits_me(owner_id)},
        unversioned={"owner_id", "awaits_me"},
        # Whether somebody may decide takes more than the proposal: which records they may change.
        verbs={f"{verb}ChangeProposal": lambda *_: None for verb in ("Accept", "Decline", "Withdraw")},
    )


def owner_of(records: Table) -> ColumnElement[Any]:
    """Who owns the record that a proposal is for; nobody where records have no owner."""
    column = next((records.c[name] for name in OWNERS if name in records.c), None)
    if column is None:
        return cast(null(), Uuid)
    own = (records.c.tenant_id == change_proposals.c.tenant_id) & (records.c.id == change_proposals.c.record_id)
    return select(column).where(own).correlate(change_proposals).scalar_subquery()


def awaits_me(owner_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether it waits for the caller."""
    me = bindparam("me", type_=Uuid)
    is_mine = or_(owner_id.is_not_distinct_from(me), me == any_(change_proposals.c.escalated_to_ids))
    return and_(change_proposals.c.state == State.PENDING, is_mine)
