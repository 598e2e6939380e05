"""Every command on cases. Each function is one transaction's work."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import invalid_field
from crm_kit.etags import check_etag
from crm_kit.ids import new_id
from google.protobuf.message import Message

from crm_service_desk.accounts.queries import find_account
from crm_service_desk.accounts.reference import AccountReference
from crm_service_desk.accounts.wire import AccountBook
from crm_service_desk.calendars.model import zone_of
from crm_service_desk.calendars.queries import get_calendar
from crm_service_desk.calendars.tenant_calendar import default_calendar_id
from crm_service_desk.cases.case_file import DECISIVE, FINISHED, CaseFile, policy_in_force
from crm_service_desk.cases.model import (
    Case,
    CaseKind,
    CaseMove,
    CaseState,
    Channel,
    case_number,
    create_case,
    priority_of,
)
from crm_service_desk.cases.queries import get_case, get_log
from crm_service_desk.cases.wire import (
    case_changed,
    case_closed,
    case_opened,
    case_reopened,
    case_replied,
    case_resolved,
)
from crm_service_desk.cases.writing import next_number, told_fields, write, write_new
from crm_service_desk.service_levels.model import CaseEvent, CaseEventKind, PauseReason
from crm_service_desk.service_levels.queries import get_service_levels
from crm_service_desk.service_levels.service_level import NOTHING_PROMISED, ServiceLevel, choose, stored_policy

UNWORKED = (CaseState.NEW, CaseState.REOPENED)
Act = Callable[[Case], CaseMove]
Announce = Callable[[CaseFile, datetime], Message]


async def open_case(
    work: UnitOfWork, accounts: AccountBook, *, kind: CaseKind, title: str, values: dict[str, Any]
) -> CaseFile:
    """Create a case from the values of its other fields; what is promised for it starts now."""
    tier, account_id, assignee_id = None, values["account_id"], values["assignee_id"]
    if account_id is not None:
        tier = (await accounts.account(work, account_id, field="case.account_id")).value_tier
    team_id = await owner_team(work, assignee_id, field="case.assignee_id") if assignee_id else None
    draft = CaseFile(
        id=new_id(),
        number="",
        kind=kind,
        title=title,
        state=CaseState.NEW,
        creator_id=work.actor.user_id,
        calendar_id=default_calendar_id(work.tenant_id),
        calendar_version=0,
        first_policy={},
        create_time=work.now,
        update_time=work.now,
        priority=priority_of(values["impact"], values["urgency"]),
        assignee_team_id=team_id,
        **values,
    )
    draft = promised(draft, await level_for(work, draft, tier))
    calendar = await get_calendar(work, draft.calendar_id)
    year = work.now.astimezone(zone_of(calendar.calendar.time_zone)).year
    draft = replace(draft, number=case_number(year, await next_number(work, year)))
    me = actor(work)
    move = create_case(str(draft.id), kind, now=work.now, impact=draft.impact, urgency=draft.urgency, actor_id=me)
    if assignee_id:
        move = then(move, lambda case: case.open(now=work.now, actor_id=me))
    case = draft.after(move).counted(move.events, calendar.calendar, calendar_version=calendar.version, now=work.now)
    write_new(work, case, move.events, case_opened(case, work.now))
    return case


async def update_case(
    work: UnitOfWork, accounts: AccountBook, id: UUID, values: dict[str, Any], *, etag: str = ""
) -> CaseFile:
    """Change some fields of a case; what decides its service level may change what is promised."""
    account = None
    if values.get("account_id") is not None:
        account = await accounts.account(work, values["account_id"], field="case.account_id")
    before = await get_case(work, id)
    check_etag(etag, before.version)
    impact, urgency = values.pop("impact", before.impact), values.pop("urgency", before.urgency)
    changed = replace(before, **values)
    move = CaseMove(changed.case, ())
    if (impact, urgency) != (before.impact, before.urgency):
        move = changed.case.set_priority(impact, urgency, None, now=work.now, actor_id=actor(work))
    after = changed.after(move)
    if after == before:
        return before
    events: list[CaseEvent] = []
    if before.state not in FINISHED and any(getattr(before, name) != getattr(after, name) for name in DECISIVE):
        after, events = await promise_anew(work, before, after, account)
    return await finish(work, before, after, events, "UPDATED", changed_from(before))


async def assign_case(work: UnitOfWork, id: UUID, assignee_id: UUID | None, *, etag: str = "") -> CaseFile:
    """Give a case to a user, or to nobody."""
    team_id = await owner_team(work, assignee_id, field="assignee_id") if assignee_id else None
    before = await get_case(work, id)
    check_etag(etag, before.version)
    case = replace(before, assignee_id=assignee_id, assignee_team_id=team_id)
    move = opened_if_unworked(case.case, work) if assignee_id else CaseMove(case.case, ())
    after = case.after(move)
    if after == before:
        return before
    return await finish(work, before, after, move.events, "ASSIGNED", changed_from(before))


async def take_into_work(work: UnitOfWork, id: UUID, *, etag: str = "") -> CaseFile:
    """Take a case into work, or back from waiting."""
    return await move_case(work, id, lambda case: case.open(now=work.now, actor_id=actor(work)), "OPENED", etag=etag)


async def reply_to_customer(
    work: UnitOfWork, id: UUID, text: str, *, channel: Channel, reached: bool, etag: str = ""
) -> CaseFile:
    """Record what was said to the customer; only what reached them is a reply."""

    def reply(case: Case) -> CaseMove:
        said = case.reply(now=work.now, actor_id=actor(work), channel=channel, reached=reached)
        said = worded(said, text if reached else f"({said.events[0].detail}) {text}")
        return then(said, lambda spoken: opened_if_unworked(spoken, work)) if reached else said

    if not reached:
        return await move_case(work, id, reply, "NOTED", etag=etag)
    return await move_case(
        work, id, reply, "REPLIED", etag=etag, announce=lambda case, now: case_replied(case, now, text)
    )


async def record_customer_message(
    work: UnitOfWork, id: UUID, text: str, *, sent: datetime, contact_id: UUID | None, etag: str = ""
) -> CaseFile:
    """Record a message of the customer at the time they sent it."""
    before = await get_case(work, id)
    if not before.create_time <= sent <= work.now:
        raise invalid_field("send_time", "range", "must not be before the case was created nor in the future")
    waits_since = await waiting_since(work, before)
    speaker = contact_id or before.contact_id

    def receive(case: Case) -> CaseMove:
        told = case.customer_message(sent=sent, contact_id=str(speaker or ""))
        if waits_since is not None and sent < waits_since:
            # It crossed our decision to wait, and so ends the waiting where it began.
            message, opened = told.events
            resumed = CaseEvent(waits_since, CaseEventKind.RESUMED, PauseReason.CUSTOMER, actor_id=message.actor_id)
            told = CaseMove(told.case, (message, resumed, replace(opened, at=waits_since)))
        return worded(told, text)

    return await move_case(work, id, receive, "CUSTOMER_MESSAGE_RECORDED", etag=etag)


async def add_note(work: UnitOfWork, id: UUID, text: str, *, etag: str = "") -> CaseFile:
    """Add an internal note."""
    return await move_case(
        work, id, lambda case: worded(case.note(now=work.now, actor_id=actor(work)), text), "NOTED", etag=etag
    )


async def wait_for_customer(work: UnitOfWork, id: UUID, text: str, *, etag: str = "") -> CaseFile:
    """Give the ball to the customer."""
    return await move_case(
        work,
        id,
        lambda case: worded(case.wait_for_customer(now=work.now, actor_id=actor(work)), text, last=True),
        "WAITING",
        etag=etag,
    )


async def wait_for_third_party(work: UnitOfWork, id: UUID, text: str, *, etag: str = "") -> CaseFile:
    """Give the ball to a third party."""
    return await move_case(
        work,
        id,
        lambda case: worded(case.wait_for_third_party(now=work.now, actor_id=actor(work)), text, last=True),
        "WAITING",
        etag=etag,
    )


async def resolve_case(work: UnitOfWork, id: UUID, resolution: str, *, etag: str = "") -> CaseFile:
    """Say that the work is done."""
    return await move_case(
        work,
        id,
        lambda case: case.resolve(resolution, now=work.now, actor_id=actor(work)),
        "RESOLVED",
        etag=etag,
        announce=case_resolved,
    )


async def close_case(work: UnitOfWork, id: UUID, *, etag: str = "") -> CaseFile:
    """Close a resolved case."""
    return await move_case(
        work,
        id,
        lambda case: case.close(now=work.now, actor_id=actor(work)),
        "CLOSED",
        etag=etag,
        announce=case_closed,
    )


async def reopen_case(work: UnitOfWork, id: UUID, cause: str, *, window: timedelta, etag: str = "") -> CaseFile:
    """Take a resolved or closed case up again, within the window."""
    return await move_case(
        work,
        id,
        lambda case: case.reopen(cause, now=work.now, actor_id=actor(work), window=window),
        "REOPENED",
        etag=etag,
        announce=case_reopened,
    )


async def cancel_case(work: UnitOfWork, id: UUID, cause: str, *, etag: str = "") -> CaseFile:
    """Cancel a case."""
    return await move_case(
        work, id, lambda case: case.cancel(cause, now=work.now, actor_id=actor(work)), "CANCELLED", etag=etag
    )


# --- what they share


async def move_case(
    work: UnitOfWork, id: UUID, act: Act, action: str, *, etag: str = "", announce: Announce | None = None
) -> CaseFile:
    """Let a rule move the case, and write what came of it."""
    before = await get_case(work, id)
    check_etag(etag, before.version)
    move = act(before.case)
    return await finish(work, before, before.after(move), move.events, action, announce or changed_from(before))


async def finish(
    work: UnitOfWork,
    before: CaseFile,
    after: CaseFile,
    events: list[CaseEvent] | tuple[CaseEvent, ...],
    action: str,
    announce: Announce,
) -> CaseFile:
    """Count the clocks anew and write the changed case."""
    log = [*await get_log(work, before.id), *events]
    calendar = await get_calendar(work, after.calendar_id)
    after = after.counted(log, calendar.calendar, calendar_version=calendar.version, now=work.now)
    after = replace(after, version=before.version + 1, update_time=work.now)
    write(work, before, after, announce(after, work.now), action=action, events=events)
    return after


def changed_from(before: CaseFile) -> Announce:
    """The event of a change that has none of its own."""
    return lambda case, now: case_changed(case, now, told_fields(before, case))


async def level_for(work: UnitOfWork, case: CaseFile, value_tier: str | None) -> ServiceLevel | None:
    """The service level that takes the case."""
    return choose(await get_service_levels(work), case.decisive_facts(value_tier))


def promised(case: CaseFile, level: ServiceLevel | None) -> CaseFile:
    """A new case with what the service level promises."""
    policy = NOTHING_PROMISED if level is None else level.policy
    return replace(on_level(case, level), first_policy=stored_policy(policy))


def on_level(case: CaseFile, level: ServiceLevel | None) -> CaseFile:
    if level is None:
        return replace(case, service_level_id=None)
    return replace(case, service_level_id=level.id, calendar_id=level.calendar_id or case.calendar_id)


async def promise_anew(
    work: UnitOfWork, before: CaseFile, after: CaseFile, account: AccountReference | None
) -> tuple[CaseFile, list[CaseEvent]]:
    """What is promised after a change of what decides it, and the line of the log that says so."""
    if account is None and after.account_id:
        account = await find_account(work, after.account_id)
    level = await level_for(work, after, account.value_tier if account else None)
    policy = NOTHING_PROMISED if level is None else level.policy
    after = on_level(replace(after, calendar_id=default_calendar_id(work.tenant_id)), level)
    if policy == policy_in_force(before.first_policy, await get_log(work, before.id)):
        return after, []
    event = CaseEvent(
        work.now, CaseEventKind.POLICY_CHANGED, policy=policy, actor_id=actor(work), detail=after.priority
    )
    return replace(after, event_count=after.event_count + 1), [event]


async def waiting_since(work: UnitOfWork, case: CaseFile) -> datetime | None:
    """When waiting for the customer began, if the case does."""
    if case.state is not CaseState.WAITING_CUSTOMER:
        return None
    log = await get_log(work, case.id)
    return max(each.at for each in log if each.pause_reason is PauseReason.CUSTOMER)


def then(move: CaseMove, act: Act) -> CaseMove:
    """One move after another, as one."""
    further = act(move.case)
    return CaseMove(further.case, (*move.events, *further.events))


def worded(move: CaseMove, text: str, *, last: bool = False) -> CaseMove:
    """The move with the words that belong to its first event, or its last."""
    events = list(move.events)
    index = len(events) - 1 if last else 0
    events[index] = replace(events[index], detail=text)
    return CaseMove(move.case, tuple(events))


def opened_if_unworked(case: Case, work: UnitOfWork) -> CaseMove:
    if case.state not in UNWORKED:
        return CaseMove(case, ())
    return case.open(now=work.now, actor_id=actor(work))


def actor(work: UnitOfWork) -> str:
    return str(work.actor.user_id)
