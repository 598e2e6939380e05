"""Every write on change proposals. Each function is one transaction's work."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from google.protobuf.message import Message
from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from crm_kit.attachments.queries import get_attachment
from crm_kit.change_proposals.model import (
    ChangeProposal,
    Outcome,
    State,
    check_conflicts,
    check_room,
)
from crm_kit.change_proposals.notices import tell_decided, tell_escalated, tell_proposed
from crm_kit.change_proposals.proposable import Proposable, Values
from crm_kit.change_proposals.queries import answer_time, pending_of, value_now
from crm_kit.change_proposals.resource import OWNERS
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, counting
from crm_kit.errors import (
    Conflict,
    CrmError,
    EtagMismatch,
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    Unavailable,
    invalid_field,
)
from crm_kit.field_rights import is_hidden
from crm_kit.identity.access import Scope
from crm_kit.identity.membership import READING
from crm_kit.ids import new_id
from crm_kit.plumbing import change_proposal_timers, change_proposals


async def create_proposal(work: UnitOfWork, on: Proposable, given: dict[str, Any]) -> ChangeProposal:
    """Propose values of a record that the caller may read, which an update has to take now.

    NotFound, InvalidArgument, FailedPrecondition CHANGE_PROPOSAL_LIMIT_REACHED; and what the update says.
    """
    record_id, values = given["record_id"], given["values"]
    # Who reads the record as a member of the account's team proposes, too.
    with counting(work, READING):
        record = await on.records.get(work, record_id)
        await check_takes(work, on, record_id, values)
    await check_attachments(work, on, record_id, given["attachment_ids"])
    until = await answer_time(work)
    proposal = ChangeProposal(
        id=new_id(),
        collection=on.collection,
        proposer_id=work.actor.user_id,
        owner_id=owner_id_of(record),
        old_values={path: value_now(on.records, record, path) for path in values},
        escalate_time=until,
        create_time=work.now,
        update_time=work.now,
        **given,
    )
    await make_room(work, on, proposal)
    put_timer(work, proposal)
    tell_proposed(work, on, record, proposal)
    return seen_by_caller(work, on.proposals.create(work, proposal))


async def check_takes(work: UnitOfWork, on: Proposable, record_id: UUID, values: Values) -> None:
    """Refuse what no update would take, and what it would not change."""
    await on.check(work, values)
    try:
        same = await on.unchanged(work, record_id, values)
        await on.try_out(work, record_id, values)
    except InvalidArgument as error:
        raise on.told(error) from None
    if same:
        violations = [
            FieldViolation(f"change_proposal.values.{path}", "unchanged", "is what the record has already")
            for path in sorted(same)
        ]
        raise InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations)


async def check_attachments(work: UnitOfWork, on: Proposable, record_id: UUID, ids: Sequence[UUID]) -> None:
    """InvalidArgument for what is no file at the record."""
    for at, id in enumerate(ids):
        try:
            await get_attachment(work, on.collection, record_id, id)
        except NotFound:
            field, detail = f"change_proposal.attachment_ids[{at}]", "is no attachment of this record"
            raise invalid_field(field, "reference", detail, reason="REFERENCE_NOT_FOUND") from None


async def make_room(work: UnitOfWork, on: Proposable, proposal: ChangeProposal) -> None:
    """End what the proposer has said of these fields before; refuse it where too many of the record wait.

    Of those who propose at the same time, each finds what the others have proposed.
    """
    await advisory_lock(work, f"change proposals of {on.collection} {proposal.record_id}")
    waiting = 0
    for before in await pending_of(work, on.proposals, on.collection, proposal.record_id):
        after = before
        if before.proposer_id == proposal.proposer_id:
            after = before.supersede(proposal.values, now=work.now)
            save(work, on, before, after, events.ChangeProposalSuperseded)
        waiting += after.state is State.PENDING
    check_room(waiting)


async def accept_proposal(
    work: UnitOfWork,
    on: Proposable,
    before: ChangeProposal,
    fields: Sequence[str],
    *,
    overwrite_fields: Collection[str],
    record_etag: str,
    comment: str | None,
) -> ChangeProposal:
    """Accept fields, all that wait where none are named: the record gets their values with this unit, as the caller.

    FailedPrecondition CHANGE_PROPOSAL_CONFLICT, CHANGE_PROPOSAL_CANNOT_TAKE_EFFECT; EtagMismatch of the record.
    """
    await on.check_decides(work, before.record_id)
    chosen = before.chosen(fields, hidden=hidden_of(work, on, before), done="accepted")
    check_among(overwrite_fields, chosen)
    with work.acting_as(work.actor, work.actor.access.scope(on.update.permission)):
        record = await on.records.get(work, before.record_id, etag=record_etag)
        await take_effect(work, on, record, before, chosen, overwrite_fields)
    after = before.decide(chosen, Outcome.ACCEPTED, work.actor.user_id, comment=comment, now=work.now)
    return decided(work, on, record, before, after, events.ChangeProposalAccepted)


async def take_effect(
    work: UnitOfWork,
    on: Proposable,
    record: Any,
    proposal: ChangeProposal,
    fields: Iterable[str],
    overwrite_fields: Collection[str],
) -> None:
    """Gather that a record gets the values of these fields; nothing where it has them already."""
    values = {path: proposal.values[path] for path in fields}
    try:
        same = await on.unchanged(work, record.id, values)
        wanted = {path: value for path, value in values.items() if path not in same}
        old = proposal.old_values
        check_conflicts([path for path in wanted if value_now(on.records, record, path) != old[path]], overwrite_fields)
        if wanted:
            with work.accepting(proposal.as_proposed()):
                await on.give(work, record, wanted)
    except EtagMismatch:
        raise Conflict("the record has changed at the same time; try again") from None
    except (Conflict, Unavailable):
        raise
    except CrmError as error:
        if error.reason == "CHANGE_PROPOSAL_CONFLICT":
            raise
        detail = f"the record does not take what is proposed: {error.detail}"
        reason, told = "CHANGE_PROPOSAL_CANNOT_TAKE_EFFECT", {"cause": error.reason}
        raise FailedPrecondition(detail, reason=reason, metadata=told) from error


async def decline_proposal(
    work: UnitOfWork, on: Proposable, before: ChangeProposal, fields: Sequence[str], comment: str
) -> ChangeProposal:
    """Decline fields, all that wait where none are named; the record stays as it is."""
    await on.check_decides(work, before.record_id)
    chosen = before.chosen(fields, hidden=hidden_of(work, on, before), done="declined")
    after = before.decide(chosen, Outcome.DECLINED, work.actor.user_id, comment=comment, now=work.now)
    record = await on.records.find(work, before.record_id, scope=Scope.ALL)
    return decided(work, on, record, before, after, events.ChangeProposalDeclined)


def withdraw_proposal(work: UnitOfWork, on: Proposable, before: ChangeProposal, comment: str | None) -> ChangeProposal:
    """Take back what the caller has proposed, as far as nobody has decided it."""
    after = before.withdraw(work.actor.user_id, comment=comment, now=work.now)
    return seen_by_caller(work, save(work, on, before, after, events.ChangeProposalWithdrawn))


async def escalate_proposal(work: UnitOfWork, on: Proposable, before: ChangeProposal, leaders: Iterable[UUID]) -> None:
    """Have it go up to the next of the leaders above the owner; where there is none, look again as much later."""
    to, until = before.next_above(leaders, owner_id=before.owner_id), await answer_time(work)
    if to is None:
        waiting = replace(before, escalate_time=until)
        put_timer(work, waiting)
        # Who decides it meanwhile takes the timer away, and it must not come back.
        changed = Conflict("it was decided at the same time")
        work.execute(put_escalate_time(), unmet=lambda: changed, id=before.id, escalate_time=waiting.escalate_time)
        return
    record = await on.records.find(work, before.record_id)
    after = before.escalate(to, until=until)
    tell_escalated(work, on, record, after)
    save(work, on, before, after, events.ChangeProposalEscalated)


def decided(
    work: UnitOfWork,
    on: Proposable,
    record: Any,
    before: ChangeProposal,
    after: ChangeProposal,
    event: type[Message],
) -> ChangeProposal:
    """Gather what somebody has decided."""
    tell_decided(work, on, record, after)
    return seen_by_caller(work, save(work, on, before, after, event))


def save(
    work: UnitOfWork, on: Proposable, before: ChangeProposal, after: ChangeProposal, event: type[Message]
) -> ChangeProposal:
    """Gather a changed proposal, and when it goes up."""
    if before.escalate_time != after.escalate_time:
        put_timer(work, after)
    # What is told to everybody says nothing of who happens to be at work.
    return on.proposals.save(work, before, replace(after, awaits_me=False), event)


def seen_by_caller(work: UnitOfWork, proposal: ChangeProposal) -> ChangeProposal:
    """A proposal as it is after what the caller did."""
    is_mine = work.actor.user_id in (proposal.owner_id, *proposal.escalated_to_ids)
    return replace(proposal, awaits_me=is_mine and proposal.state is State.PENDING)


def put_timer(work: UnitOfWork, proposal: ChangeProposal) -> None:
    """Gather when it is to be looked at; not at all where it goes up no more."""
    due_time: datetime | None = proposal.escalate_time
    if due_time is None:
        work.delete(change_proposal_timers, proposal_id=proposal.id)
    else:
        work.execute(set_timer(), proposal_id=proposal.id, collection=proposal.collection, due_time=due_time)


def hidden_of(work: UnitOfWork, on: Proposable, proposal: ChangeProposal) -> set[str]:
    """The proposed fields that the caller does not see."""
    hidden = on.records.hidden_from(work)
    return {path for path in proposal.values if is_hidden(path, hidden)}


def check_among(overwrite_fields: Collection[str], chosen: Sequence[str]) -> None:
    """InvalidArgument for a field to be overwritten that is not accepted."""
    for at, path in enumerate(overwrite_fields):
        if path not in chosen:
            choices = ", ".join(chosen)
            field, detail = f"overwrite_fields[{at}]", f"must be one of the fields to accept: {choices}"
            raise invalid_field(field, "string.in", detail, metadata={"choices": choices})


def owner_id_of(record: Any) -> UUID | None:
    """Who owns a record, where it has an owner."""
    return next((getattr(record, name) for name in OWNERS if hasattr(record, name)), None)


@statement
def set_timer() -> Any:
    table = change_proposal_timers
    names = ("tenant_id", "proposal_id", "collection", "due_time")
    fresh = insert(table).values({name: bindparam(name) for name in names})
    key = [table.c.tenant_id, table.c.proposal_id]
    return fresh.on_conflict_do_update(index_elements=key, set_={"due_time": fresh.excluded.due_time})


@statement
def put_escalate_time() -> Any:
    """Of no version: that nobody stands above is no change of the proposal."""
    table = change_proposals
    key = table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id")
    waits = update(table).where(*key, table.c.state == "PENDING")
    return waits.values(escalate_time=bindparam("escalate_time")).returning(table.c.id)
