"""Whom proposals tell: who owns the record, a leader that it goes up to, and who proposed it, once it is decided."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from crm_kit.change_proposals.model import ChangeProposal, Outcome, State
from crm_kit.change_proposals.proposable import Proposable
from crm_kit.database.work import UnitOfWork
from crm_kit.labels import noun_label
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice, what
from crm_kit.resource.contract import NAME

ESCALATED = "ESCALATED"


def tell_proposed(work: UnitOfWork, on: Proposable, record: Any, proposal: ChangeProposal) -> None:
    """Gather a notice for who owns the record."""
    owner = [proposal.owner_id] if proposal.owner_id else []
    _tell(work, on, proposal, Kind.NOTICE_KIND_CHANGE_PROPOSED, owner, record=record)


def tell_escalated(work: UnitOfWork, on: Proposable, record: Any, proposal: ChangeProposal) -> None:
    """Gather a notice for the leader that it has just gone up to."""
    leader = proposal.escalated_to_ids[-1:]
    _tell(work, on, proposal, Kind.NOTICE_KIND_CHANGE_PROPOSED, leader, record=record, outcome=ESCALATED)


def tell_decided(work: UnitOfWork, on: Proposable, record: Any, proposal: ChangeProposal) -> None:
    """Gather a notice for who proposed it, once nothing of it waits."""
    if proposal.state is State.PENDING:
        return
    text = next((each.comment for each in reversed(proposal.decisions) if each.outcome in SAID), None)
    told, kind = [proposal.proposer_id], Kind.NOTICE_KIND_CHANGE_PROPOSAL_DECIDED
    _tell(work, on, proposal, kind, told, record=record, outcome=proposal.state, text=text)


SAID = (Outcome.ACCEPTED, Outcome.DECLINED)


def _tell(
    work: UnitOfWork,
    on: Proposable,
    proposal: ChangeProposal,
    kind: "Kind.ValueType",
    user_ids: Iterable[UUID],
    *,
    record: Any,
    outcome: str = "",
    text: str | None = None,
) -> None:
    descriptor = on.records.message_type.DESCRIPTOR
    values = what(noun_label(descriptor.name, descriptor.GetOptions())) | {"change_proposal_id": str(proposal.id)}
    raise_notice(
        work,
        kind,
        user_ids,
        record=(on.collection, proposal.record_id),
        name=getattr(record, NAME, "") or "",
        text=text or "",
        values=values | ({OUTCOME: outcome} if outcome else {}),
    )
