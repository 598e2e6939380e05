"""Recording an interaction: its row, the timeline, the account's last contact and the event, in one statement."""

from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import invalid_field, wrong_state
from crm_kit.events.consumers import Event
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from sqlalchemy import DateTime, Uuid, bindparam, func, select, update

from crm_customer.records.accounts.model import IN_BUSINESS
from crm_customer.records.accounts.projections import project_last_contact
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.interactions.model import CallOutcome, Interaction
from crm_customer.records.interactions.queries import heard_version, users_by_ids
from crm_customer.records.interactions.resource import INTERACTIONS
from crm_customer.records.interactions.tables import interactions
from crm_customer.records.interactions.wire import ended_with_account, interaction_of
from crm_customer.records.timeline.commands import put_entry, retell_entry
from crm_customer.records.timeline.model import Detail, Entry, Kind


async def record_interaction(
    work: UnitOfWork, values: dict[str, Any], *, account_scope: Scope | None = None
) -> Interaction:
    """Record an interaction from the values of its fields; it took place now unless they say when.

    With an account and with contacts that the caller sees; with an `account_scope` these were settled before by others,
    and it says how far the account is looked for.
    """
    interaction = Interaction(
        id=new_id(),
        recorder_id=work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
        **{"interaction_time": work.now} | values | {"user_ids": values["user_ids"] or (work.actor.user_id,)},
    )
    interaction.check(now=work.now)
    await check_account(work, interaction.account_id, scope=account_scope)
    contact_ids = interaction.contact_ids
    if contact_ids and account_scope is None:
        check_there(contact_ids, await CONTACTS.get_referred(work, contact_ids), "contact_ids")
    if interaction.user_ids != (work.actor.user_id,):
        users = await work.all(users_by_ids(), ids=list(interaction.user_ids))
        check_there(interaction.user_ids, {row["id"] for row in users}, "user_ids")
    INTERACTIONS.create(work, interaction)
    # What a rule has somebody do was no contact yet.
    if not work.causes:
        project_last_contact(work, interaction.account_id, interaction.interaction_time)
    put_entry(work, entry_of(interaction))
    return interaction


async def keep_call(work: UnitOfWork, event: Event, payload: Any) -> None:
    """Record a call that has ended and whose account is known, once, whatever is told of it afterwards.

    Also with an account that is archived by now: it took place. Of what is told later it counts that it was answered,
    since its end may have come first, and that somebody says it was with another customer, unless that comes late.
    """
    call = payload.call
    if not ended_with_account(call) or await ACCOUNTS.find(work, UUID(call.account_id)) is None:
        return
    heard = interaction_of(call, payload.channel_name, now=work.now, service_id=work.actor.user_id)
    before = await INTERACTIONS.find(work, heard.id)
    if before is None:
        interaction = INTERACTIONS.create(work, heard)
        put_entry(work, entry_of(interaction))
    else:
        is_newest = event.aggregate_version >= await heard_version(work, heard.id)
        interaction = before.heard(heard, is_newest=is_newest)
    if before is not None and interaction != before:
        await retell(work, before, interaction)
    if interaction != before and interaction.call_outcome is CallOutcome.ANSWERED:
        project_last_contact(work, interaction.account_id, interaction.interaction_time)
    # What is gathered is joined, and of a row only one change is made at a time.
    await work.flush()
    work.execute(note_version(), id=interaction.id, call_version=event.aggregate_version)


async def retell(work: UnitOfWork, before: Interaction, after: Interaction) -> None:
    """Gather what was heard of a call later."""
    is_moved = after.account_id != before.account_id
    answered = after.call_outcome is not before.call_outcome
    event = events.InteractionCallAnswered if answered and not is_moved else events.InteractionMoved
    INTERACTIONS.save(work, before, after, event)
    retell_entry(work, entry_of(after))
    if is_moved and before.call_outcome is CallOutcome.ANSWERED:
        await take_back_last_contact(work, before.account_id, before.interaction_time)


async def check_account(work: UnitOfWork, id: UUID, *, scope: Scope | None = None) -> None:
    """The account must be there for the caller, or within a scope, and in business."""
    if scope is None:
        account = (await ACCOUNTS.get_referred(work, [id])).get(id)
    else:
        account = await ACCOUNTS.find(work, id, scope=scope)
    if account is None:
        raise invalid_field("interaction.account_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    if account.status not in IN_BUSINESS:
        raise wrong_state("account", account.status, "given an interaction", legal=IN_BUSINESS)


def check_there(ids: Sequence[UUID], found: Container[UUID], name: str) -> None:
    """InvalidArgument naming the first participant that does not exist or that the caller may not see."""
    for index, id in enumerate(ids):
        if id not in found:
            field = f"interaction.{name}[{index}]"
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")


def entry_of(interaction: Interaction) -> Entry:
    """What the timeline shows of it; the body is for those who may read interactions."""
    due = interaction.next_step_due_date
    details: dict[str, str | None] = {
        "channel": interaction.channel,
        "direction": interaction.direction,
        "call_outcome": interaction.call_outcome,
        "outcome": interaction.outcome,
        "next_step": interaction.next_step,
        "next_step_due_date": due.isoformat() if due else None,
    }
    return Entry(
        id=interaction.id,
        account_id=interaction.account_id,
        kind=Kind.INTERACTION,
        entry_time=interaction.interaction_time,
        title=interaction.subject,
        details=tuple(Detail(name, value) for name, value in details.items() if value),
        service="customer",
        reference_type="interaction",
        reference_id=interaction.id,
        actor_id=interaction.recorder_id,
    )


async def take_back_last_contact(work: UnitOfWork, account_id: UUID, time: datetime) -> None:
    """Where an account's last contact is that of an interaction that is another's by now, go back to the one before."""
    await work.flush()
    work.execute(set_back_last_contact(), id=account_id, last_contact_time=time)


@statement
def note_version() -> Any:
    table = interactions.c
    version = bindparam("call_version", type_=table.call_version.type)
    return (
        update(interactions)
        .where(table.tenant_id == bindparam("tenant_id"), table.id == bindparam("id"))
        .values(call_version=func.greatest(table.call_version, version))
    )


@statement
def set_back_last_contact() -> Any:
    """A call that nobody answered is no contact."""
    tenant_id, id = bindparam("tenant_id", type_=Uuid), bindparam("id", type_=Uuid)
    before = select(func.max(interactions.c.interaction_time)).where(
        interactions.c.tenant_id == tenant_id,
        interactions.c.account_id == id,
        func.coalesce(interactions.c.call_outcome, CallOutcome.ANSWERED) == CallOutcome.ANSWERED,
    )
    is_of_it = accounts.c.last_contact_time == bindparam("last_contact_time", type_=DateTime(timezone=True))
    return (
        update(accounts)
        .where(accounts.c.tenant_id == tenant_id, accounts.c.id == id, is_of_it)
        .values(last_contact_time=before.scalar_subquery())
    )
