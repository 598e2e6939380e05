"""Every command on cases, of people and of timers. Each function is one transaction's work."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from crm.service_desk.v1 import events_pb2 as events
from crm_kit.accounts import Accounts, require_account
from crm_kit.contacts import Contacts
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.ids import new_id
from crm_kit.resource.owners import check_brings
from crm_kit.working_time.model import default_calendar_id
from google.protobuf.message import Message

from crm_service_desk.accounts.queries import find_value_tier
from crm_service_desk.calendars.resource import CALENDARS
from crm_service_desk.cases.log import facts_of
from crm_service_desk.cases.milestones import Timer, TimerLevel
from crm_service_desk.cases.model import Case, CaseMove, Medium, case_number
from crm_service_desk.cases.queries import get_facts, is_due
from crm_service_desk.cases.resource import CASES
from crm_service_desk.cases.writing import create, next_number, save, write_fired
from crm_service_desk.classification import priority_of
from crm_service_desk.service_levels.conditions import choose
from crm_service_desk.service_levels.facts import Fact
from crm_service_desk.service_levels.model import NOTHING_PROMISED, ServiceLevel, ServiceLevelPolicy
from crm_service_desk.service_levels.queries import get_service_levels

# What a timer tells of.
TELLS = {TimerLevel.WARNING: events.MilestoneWarned, TimerLevel.BREACH: events.MilestoneBreached}
WRITE = "cases.write"


class Act(Protocol):
    """A move of a case, made by somebody at some time."""

    def __call__(self, case: Case, /, *, now: datetime, actor_id: UUID) -> CaseMove: ...


async def create_case(work: UnitOfWork, accounts: Accounts, contacts: Contacts, values: dict[str, Any]) -> Case:
    """Create a case from the values of its fields; its clocks start now."""
    await require_customer(work, accounts, contacts, values)
    return await add_case(work, values)


async def add_case(work: UnitOfWork, values: dict[str, Any]) -> Case:
    """As `create_case`, of a customer who is known to be there and to be the case's."""
    draft = await drafted(work, values)
    level = await level_for(work, draft)
    draft = replace(on_level(work, draft, level), first_policy=policy_of(level))
    calendar = await CALENDARS.get(work, draft.calendar_id)
    year = work.now.astimezone(calendar.business_hours.zone).year
    draft = replace(draft, number=case_number(year, await next_number(work, year)))
    move = draft.created(now=work.now, actor_id=work.actor.user_id)
    return create(work, move.case.counted(facts_of(move.events), calendar, now=work.now), move.events)


async def drafted(work: UnitOfWork, values: dict[str, Any]) -> Case:
    """A case as it is before it has a number and a service level."""
    assignee_id = values["assignee_id"]
    case = Case(
        id=new_id(),
        number="",
        creator_id=work.actor.user_id,
        creator_team_id=work.actor.access.team_id,
        calendar_id=default_calendar_id(work.tenant_id),
        create_time=work.now,
        update_time=work.now,
        assignee_team_id=await assignee_team(work, assignee_id, field="case.assignee_id"),
        **values,
    )
    return replace(case, priority=priority_of(case.impact, case.urgency))


async def assignee_team(work: UnitOfWork, assignee_id: UUID | None, *, field: str) -> UUID | None:
    """The team of whom a case is assigned to, who must be able to work on it; as `owner_team`."""
    return await owner_team(work, assignee_id, permission=WRITE, field=field) if assignee_id else None


async def require_customer(
    work: UnitOfWork, accounts: Accounts, contacts: Contacts, values: Mapping[str, Any], *, place: str = "case."
) -> None:
    """REFERENCE_NOT_FOUND for an account or contact that the caller does not see: the record names them to readers.

    `place` is where the request has them, with a dot unless they are its own.
    """
    if values.get("account_id"):
        await require_account(work, accounts, values["account_id"], field=f"{place}account_id")
    if values.get("contact_id"):
        await contacts.require(work, values["contact_id"], field=f"{place}contact_id")


async def update_case(
    work: UnitOfWork, accounts: Accounts, contacts: Contacts, before: Case, values: dict[str, Any]
) -> Case:
    """Change some fields of a case; what decides its service level may change what is promised."""
    await require_customer(work, accounts, contacts, values)
    after = before.update(values)
    if after.account_id != before.account_id:
        await check_brings(work, CASES, before.id)
    if not after.may_change_level(before):
        return await save_move(work, before, CaseMove(after), events.CaseUpdated)
    facts = await get_facts(work, before.id)
    level = await level_for(work, after)
    after = on_level(work, after, level)
    move = after.promise(policy_of(level), facts, now=work.now, actor_id=work.actor.user_id)
    return await save_move(work, before, move, events.CaseUpdated, facts=facts)


async def assign_case(work: UnitOfWork, before: Case, assignee_id: UUID | None) -> Case:
    """Assign a case to a user, or to nobody."""
    team_id = before.assignee_team_id
    if assignee_id != before.assignee_id:
        team_id = await assignee_team(work, assignee_id, field="assignee_id")
    assign = partial(Case.assign, assignee_id=assignee_id, team_id=team_id)
    return await move_case(work, before, assign, events.CaseAssigned)


async def open_case(work: UnitOfWork, before: Case) -> Case:
    """Take a case into work, or back from waiting."""
    return await move_case(work, before, Case.open, events.CaseOpened)


async def reply_to_customer(work: UnitOfWork, before: Case, text: str, *, medium: Medium, reached: bool) -> Case:
    """Record what was said to the customer; what did not reach them is not a reply but a note."""
    if not reached:
        return await add_note(work, before, f"(not delivered) {text}")
    return await move_case(work, before, partial(Case.reply, text=text, medium=medium), events.CaseReplied, text=text)


async def record_customer_message(
    work: UnitOfWork,
    contacts: Contacts,
    before: Case,
    text: str,
    *,
    send_time: datetime,
    contact_id: UUID | None,
    window: timedelta,
) -> Case:
    """Record a message of the customer at the time they sent it; of another contact than the case's if one is named.

    Within the window it reopens a case that was resolved before.
    """
    if contact_id not in (None, before.contact_id):
        await contacts.require(work, contact_id, field="contact_id")
    return await add_customer_message(work, before, text, send_time=send_time, contact_id=contact_id, window=window)


async def add_customer_message(
    work: UnitOfWork, before: Case, text: str, *, send_time: datetime, contact_id: UUID | None, window: timedelta
) -> Case:
    """As `record_customer_message`, of a contact who is known to be there and to have written."""
    facts = await get_facts(work, before.id)
    move = before.record_customer_message(
        text, facts, send_time=send_time, now=work.now, contact_id=contact_id, window=window
    )
    return await save_move(work, before, move, events.CaseCustomerMessageRecorded, facts=facts, text=text)


async def add_note(work: UnitOfWork, before: Case, text: str) -> Case:
    """Add an internal note."""
    return await move_case(work, before, partial(Case.note, text=text), events.CaseNoteAdded)


async def wait_for_customer(work: UnitOfWork, before: Case, text: str | None) -> Case:
    """Wait for the customer; `text` says what for."""
    return await move_case(work, before, partial(Case.wait_for_customer, text=text), events.CaseWaitingForCustomer)


async def wait_for_third_party(work: UnitOfWork, before: Case, text: str | None) -> Case:
    """Wait for a third party; `text` says whom and what for."""
    wait = partial(Case.wait_for_third_party, text=text)
    return await move_case(work, before, wait, events.CaseWaitingForThirdParty)


async def resolve_case(work: UnitOfWork, before: Case, resolution: str) -> Case:
    """Resolve a case: the work is done."""
    return await move_case(work, before, partial(Case.resolve, resolution=resolution), events.CaseResolved)


async def close_case(work: UnitOfWork, before: Case) -> Case:
    """Close a resolved case."""
    return await move_case(work, before, Case.close, events.CaseClosed)


async def reopen_case(work: UnitOfWork, before: Case, cause: str, *, window: timedelta) -> Case:
    """Reopen a resolved or closed case, within the window."""
    return await move_case(work, before, partial(Case.reopen, cause=cause, window=window), events.CaseReopened)


async def cancel_case(work: UnitOfWork, before: Case, cause: str) -> Case:
    """Cancel a case."""
    return await move_case(work, before, partial(Case.cancel, cause=cause), events.CaseCancelled)


# --- by the service itself: timers, and calendars that have changed


async def fire(work: UnitOfWork, id: UUID, timer: Timer) -> None:
    """Warn of a promise or find it broken, once; a timer that has fired or moved meanwhile does nothing."""
    if not await is_due(work, id, *timer):
        return
    before = await CASES.get(work, id)
    after = await counted(work, before, await get_facts(work, id))
    if not after.tells(timer, now=work.now):
        # Counted anew it is not due: the calendar has changed since the timer was set.
        save(work, before, after, events.MilestonesRecounted)
        return
    kind, level = timer
    after = after.told(timer)
    write_fired(work, id, timer, fire_time=work.now)
    save(work, before, after, TELLS[level], fired=timer, milestone=after.milestone(kind))


async def recount(work: UnitOfWork, id: UUID) -> None:
    """Count the running clocks of a case by its calendar as it is now."""
    before = await CASES.get(work, id)
    save(work, before, await counted(work, before, await get_facts(work, id)), events.MilestonesRecounted)


# --- what they share


async def move_case(work: UnitOfWork, before: Case, act: Act, event: type[Message], **told: Any) -> Case:
    """Let a rule move the case, and write what came of it."""
    return await save_move(work, before, act(before, now=work.now, actor_id=work.actor.user_id), event, **told)


async def save_move(
    work: UnitOfWork,
    before: Case,
    move: CaseMove,
    event: type[Message],
    *,
    facts: Sequence[Fact] | None = None,
    **told: Any,
) -> Case:
    """Count the clocks anew and write the moved case; nothing is written when nothing moved.

    `facts` are those of the case's log before the move, where they have been read already.
    """
    if move.case == before:
        return before
    if facts is None:
        facts = await get_facts(work, before.id)
    after = await counted(work, move.case, [*facts, *facts_of(move.events)])
    return save(work, before, after, event, lines=move.events, **told)


async def counted(work: UnitOfWork, case: Case, facts: Sequence[Fact]) -> Case:
    """The case with its clocks counted anew by its calendar as it is now."""
    calendar = await CALENDARS.get(work, case.calendar_id)
    return case.counted(facts, calendar, now=work.now)


async def level_for(work: UnitOfWork, case: Case) -> ServiceLevel | None:
    """The service level that takes the case."""
    tier = await find_value_tier(work, case.account_id) if case.account_id else None
    return choose(await get_service_levels(work), case.conditions(tier))


def on_level(work: UnitOfWork, case: Case, level: ServiceLevel | None) -> Case:
    """The case under the service level that applies."""
    return case.on_level(level, default_calendar_id=default_calendar_id(work.tenant_id))


def policy_of(level: ServiceLevel | None) -> ServiceLevelPolicy:
    """What is promised; nothing when no service level applies."""
    return level.policy if level else NOTHING_PROMISED
