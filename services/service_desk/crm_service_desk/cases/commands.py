"""Every command on cases. Each function is one transaction's work."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.etags import check_etag
from crm_kit.ids import new_id

from crm_service_desk.accounts.client import CustomerClient
from crm_service_desk.accounts.queries import find_value_tier
from crm_service_desk.calendars.model import default_calendar_id
from crm_service_desk.calendars.queries import get_calendar
from crm_service_desk.cases import wire
from crm_service_desk.cases.log import CaseEvent
from crm_service_desk.cases.model import Case, CaseMove, Medium, case_number
from crm_service_desk.cases.queries import get_case, get_log
from crm_service_desk.cases.wire import Announce
from crm_service_desk.cases.writing import insert_case, next_number, save, told_fields
from crm_service_desk.classification import priority_of
from crm_service_desk.service_levels.conditions import choose
from crm_service_desk.service_levels.model import NOTHING_PROMISED, ServiceLevel, ServiceLevelPolicy
from crm_service_desk.service_levels.queries import get_service_levels


class Act(Protocol):
    """A move of a case, made by somebody at some time."""

    def __call__(self, case: Case, /, *, now: datetime, actor_id: UUID) -> CaseMove: ...


async def create_case(work: UnitOfWork, customer: CustomerClient, values: dict[str, Any]) -> Case:
    """Create a case from the values of its fields; its clocks start now."""
    if values["account_id"]:
        await customer.require_account(work, values["account_id"], field="case.account_id")
    assignee_id = values["assignee_id"]
    team_id = await owner_team(work, assignee_id, field="case.assignee_id") if assignee_id else None
    draft = Case(
        id=new_id(),
        number="",
        creator_id=work.actor.user_id,
        calendar_id=default_calendar_id(work.tenant_id),
        create_time=work.now,
        update_time=work.now,
        priority=priority_of(values["impact"], values["urgency"]),
        assignee_team_id=team_id,
        **values,
    )
    level = await level_for(work, draft)
    draft = replace(on_level(work, draft, level), first_policy=policy_of(level))
    calendar = await get_calendar(work, draft.calendar_id)
    year = work.now.astimezone(calendar.business_hours.zone).year
    draft = replace(draft, number=case_number(year, await next_number(work, year)))
    move = draft.created(now=work.now, actor_id=work.actor.user_id)
    return insert_case(work, move.case.counted(move.events, calendar, now=work.now), move.events)


async def update_case(
    work: UnitOfWork, customer: CustomerClient, id: UUID, values: dict[str, Any], *, etag: str = ""
) -> Case:
    """Change some fields of a case; what decides its service level may change what is promised."""
    if values.get("account_id"):
        await customer.require_account(work, values["account_id"], field="case.account_id")
    before = await get_case(work, id)
    check_etag(etag, before.version)
    after = before.update(values)
    if not after.may_change_level(before):
        return await save_move(work, before, CaseMove(after), updated(before))
    log = await get_log(work, id)
    level = await level_for(work, after)
    after = on_level(work, after, level)
    move = after.promise(policy_of(level), log, now=work.now, actor_id=work.actor.user_id)
    return await save_move(work, before, move, updated(before), log=log)


async def assign_case(work: UnitOfWork, id: UUID, assignee_id: UUID | None, *, etag: str = "") -> Case:
    """Assign a case to a user, or to nobody."""
    team_id = await owner_team(work, assignee_id, field="assignee_id") if assignee_id else None
    assign = partial(Case.assign, assignee_id=assignee_id, team_id=team_id)
    return await move_case(work, id, assign, wire.assigned, etag=etag)


async def open_case(work: UnitOfWork, id: UUID, *, etag: str = "") -> Case:
    """Take a case into work, or back from waiting."""
    return await move_case(work, id, Case.open, wire.opened, etag=etag)


async def reply_to_customer(
    work: UnitOfWork, id: UUID, text: str, *, medium: Medium, reached: bool, etag: str = ""
) -> Case:
    """Record what was said to the customer; what did not reach them is not a reply but a note."""
    if not reached:
        return await add_note(work, id, f"(not delivered) {text}", etag=etag)
    reply = partial(Case.reply, text=text, medium=medium)
    return await move_case(work, id, reply, wire.replied(text), etag=etag)


async def record_customer_message(
    work: UnitOfWork, id: UUID, text: str, *, send_time: datetime, contact_id: UUID | None, etag: str = ""
) -> Case:
    """Record a message of the customer at the time they sent it."""
    before = await get_case(work, id)
    check_etag(etag, before.version)
    log = await get_log(work, id)
    move = before.record_customer_message(text, log, send_time=send_time, now=work.now, contact_id=contact_id)
    return await save_move(work, before, move, wire.customer_message_recorded(text), log=log)


async def add_note(work: UnitOfWork, id: UUID, text: str, *, etag: str = "") -> Case:
    """Add an internal note."""
    return await move_case(work, id, partial(Case.note, text=text), wire.note_added, etag=etag)


async def wait_for_customer(work: UnitOfWork, id: UUID, text: str | None, *, etag: str = "") -> Case:
    """Wait for the customer; `text` says what for."""
    wait = partial(Case.wait_for_customer, text=text)
    return await move_case(work, id, wait, wire.waiting_for_customer, etag=etag)


async def wait_for_third_party(work: UnitOfWork, id: UUID, text: str | None, *, etag: str = "") -> Case:
    """Wait for a third party; `text` says whom and what for."""
    wait = partial(Case.wait_for_third_party, text=text)
    return await move_case(work, id, wait, wire.waiting_for_third_party, etag=etag)


async def resolve_case(work: UnitOfWork, id: UUID, resolution: str, *, etag: str = "") -> Case:
    """Resolve a case: the work is done."""
    return await move_case(work, id, partial(Case.resolve, resolution=resolution), wire.resolved, etag=etag)


async def close_case(work: UnitOfWork, id: UUID, *, etag: str = "") -> Case:
    """Close a resolved case."""
    return await move_case(work, id, Case.close, wire.closed, etag=etag)


async def reopen_case(work: UnitOfWork, id: UUID, cause: str, *, window: timedelta, etag: str = "") -> Case:
    """Reopen a resolved or closed case, within the window."""
    reopen = partial(Case.reopen, cause=cause, window=window)
    return await move_case(work, id, reopen, wire.reopened, etag=etag)


async def cancel_case(work: UnitOfWork, id: UUID, cause: str, *, etag: str = "") -> Case:
    """Cancel a case."""
    return await move_case(work, id, partial(Case.cancel, cause=cause), wire.cancelled, etag=etag)


# --- what they share


async def move_case(work: UnitOfWork, id: UUID, act: Act, announce: Announce, *, etag: str = "") -> Case:
    """Let a rule move the case, and write what came of it."""
    before = await get_case(work, id)
    check_etag(etag, before.version)
    return await save_move(work, before, act(before, now=work.now, actor_id=work.actor.user_id), announce)


async def save_move(
    work: UnitOfWork, before: Case, move: CaseMove, announce: Announce, *, log: Sequence[CaseEvent] | None = None
) -> Case:
    """Count the clocks anew and write the moved case; nothing is written when nothing moved.

    `log` is the case's log before the move, where it has been read already.
    """
    if move.case == before:
        return before
    if log is None:
        log = await get_log(work, before.id)
    after = await counted(work, move.case, [*log, *move.events])
    return save(work, before, after, announce, events=move.events)


async def counted(work: UnitOfWork, case: Case, log: Sequence[CaseEvent]) -> Case:
    """The case with its clocks counted anew by its calendar as it is now."""
    calendar = await get_calendar(work, case.calendar_id)
    return case.counted(log, calendar, now=work.now)


def updated(before: Case) -> Announce:
    """The event of changed fields, which are named as `before` had others."""
    return lambda after: wire.updated(after, told_fields(before, after))


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
