"""Every write on approvals. Each function is one transaction's work."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID

from crm.resource.v1 import approvals_pb2
from crm.resource.v1 import events_pb2 as events
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from sqlalchemy import Boolean, Uuid, any_, bindparam, case, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.model import Approval, Person, State
from crm_kit.approvals.notices import newly_waiting, tell_decided, tell_overdue, tell_waiting
from crm_kit.approvals.policies.model import Outcome, Party
from crm_kit.approvals.queries import (
    deputies_of,
    deputy_of,
    etag_now,
    find_pending,
    leaders_above,
    pending_of_record,
    people_asked,
    roles_of,
)
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.errors import (
    AlreadyExists,
    Conflict,
    CrmError,
    EtagMismatch,
    FailedPrecondition,
    Unavailable,
    invalid_field,
)
from crm_kit.etags import etag_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import approval_askings, approval_timers
from crm_kit.resource.writing import Resource
from crm_kit.working_time.model import WorkingCalendar

Approvals = Resource[Approval, approvals_pb2.Approval]
# Who may change policies with the scope ALL may say who decides instead of others, and end what nobody decides.
ADMINISTERING = "approval_policies.write"


async def submit(
    work: UnitOfWork, gate: Gate, approvals: Approvals, approvable: Approvable, request: Any, comment: str | None
) -> Approval:
    """Ask for approval of a call of the verb, which has to be one that would take effect now.

    FailedPrecondition APPROVAL_NOT_REQUIRED, APPROVERS_MISSING; AlreadyExists APPROVAL_PENDING; and what the verb says.
    """
    collection, verb, record_id = approvable.resource.collection, approvable.verb.name, approvable.record_of(request)
    # What is shown is what the submitter has seen, or what is there now.
    request.etag = request.etag or await etag_now(work, approvable, record_id)
    await gate.try_out(approvable, request, work)
    asking = await gate.asking(approvable, request, work, fresh=True)
    if asking is None:
        raise FailedPrecondition("no approval is needed: call the verb itself", reason="APPROVAL_NOT_REQUIRED")
    if asking.row.outcome is Outcome.REFUSE:
        raise asking.error
    # The later steps have the hours that there are when they begin.
    calendar = await calendar_for(work, gate, goes_by=asking.row.steps[0].goes_by_calendar)
    # From here on nobody finds the record changed but after this: what is shown is what it is then.
    await lock_record(work, collection, record_id)
    if request.etag != await etag_now(work, approvable, record_id):
        raise Conflict("the record has changed at the same time; try again")
    owner_id = await approvable.owner(work, record_id)
    await make_room(work, gate, approvals, collection, record_id, verb, etag=request.etag, owner_id=owner_id)
    approval = Approval(
        id=new_id(),
        collection=collection,
        record_id=record_id,
        record_etag=request.etag,
        verb=verb,
        request=MessageToDict(request, preserving_proto_field_name=True),
        amount=asking.measured.amount,
        comment=comment,
        submitter_id=work.actor.user_id,
        owner_id=owner_id,
        policy_id=asking.policy.id,
        policy_etag=etag_of(asking.policy.version),
        steps=asking.row.steps,
        create_time=work.now,
        update_time=work.now,
    ).begun(now=work.now, calendar=calendar)
    approval = approval.with_leaders(await leaders_for(work, approval, permission=approvable.resource.permission))
    asked = await asked_of(work, approvable, approval, approval.asked_ids)
    approval.require_approvers(asked)
    ask(work, approval)
    await tell_deciding(work, approvable, None, approval, asked)
    set_timer(work, None, approval, calendar)
    return approvals.create(work, approval)


async def approve(
    work: UnitOfWork, gate: Gate, approvals: Approvals, before: Approval, comment: str | None
) -> Approval:
    """Approve. The last approval that is needed has the call take effect, in the same transaction."""
    approvable = gate.find(before.collection, before.verb)
    calendar = await calendar_for(work, gate, goes_by=before.next_goes_by_calendar)
    after = before.approve(
        await caller(work, approvable),
        asked=await asked_of(work, approvable, before, before.waiting_ids),
        comment=comment,
        now=work.now,
        calendar=calendar,
    )
    owner_id = await approvable.owner(work, before.record_id)
    if not before.is_about(await etag_now(work, approvable, before.record_id), owner_id):
        return await save(work, gate, approvals, before, before.outdate(now=work.now), events.ApprovalOutdated)
    if after.state is not State.APPROVED:
        return await save(work, gate, approvals, before, after, events.ApprovalOpinionGiven, calendar=calendar)
    await take_effect(work, gate, approvable, before)
    return await save(work, gate, approvals, before, after, events.ApprovalApproved)


async def reject(work: UnitOfWork, gate: Gate, approvals: Approvals, before: Approval, comment: str) -> Approval:
    """Reject, once and for all."""
    approvable = gate.find(before.collection, before.verb)
    after = before.reject(await caller(work, approvable), comment=comment, now=work.now)
    return await save(work, gate, approvals, before, after, events.ApprovalRejected)


async def withdraw(
    work: UnitOfWork, gate: Gate, approvals: Approvals, before: Approval, comment: str | None
) -> Approval:
    """Take back what the caller has submitted or, where the caller administers approvals, what anybody has."""
    after = before.withdraw(work.actor.user_id, administers=administers(work), comment=comment, now=work.now)
    return await save(work, gate, approvals, before, after, events.ApprovalWithdrawn)


async def reassign(
    work: UnitOfWork, gate: Gate, approvals: Approvals, before: Approval, to_user_id: UUID, **said: Any
) -> Approval:
    """Have somebody else decide; `said` is in whose place, and why.

    InvalidArgument for who is not active here or may not read what it is about.
    """
    approvable = gate.find(before.collection, before.verb)
    after = before.reassign(
        await caller(work, approvable), to_user_id, administers=administers(work), now=work.now, **said
    )
    await check_decides(work, to_user_id, permission=approvable.resource.permission)
    return await save(work, gate, approvals, before, after, events.ApprovalReassigned)


def administers(work: UnitOfWork) -> bool:
    """Whether the caller may change policies of everything."""
    access = work.actor.access
    return access.may(ADMINISTERING) and access.scope(ADMINISTERING) is Scope.ALL


async def check_decides(work: UnitOfWork, user_id: UUID, *, permission: str) -> None:
    await require_users(work, [user_id], field="to_user_id")
    if not await people_asked(work, [user_id], permission=permission):
        detail = f"may not decide: the permission {permission} is needed"
        values = {"permission": permission}
        raise invalid_field("to_user_id", "permitted", detail, reason="ASSIGNMENT_NOT_ALLOWED", metadata=values)


async def leaders_for(work: UnitOfWork, approval: Approval, *, permission: str) -> dict[Party, list[UUID]]:
    """The leaders that the steps may want, from the nearest on."""
    people = {Party.SUBMITTER: approval.submitter_id, Party.OWNER: approval.owner_id}
    wanted = {party for step in approval.steps for party in step.team_leaders_of}
    return {party: await leaders_above(work, people[party], permission=permission) for party in wanted}


async def take_effect(work: UnitOfWork, gate: Gate, approvable: Approvable, approval: Approval) -> None:
    """Gather what the verb does, as who submitted it and with the rights that they have now.

    FailedPrecondition APPROVAL_CANNOT_TAKE_EFFECT where it does nothing any more.
    """
    request = ParseDict(dict(approval.request), approvable.request())
    # Who holds a connection does not wait for another.
    await work.release()
    try:
        submitter = await gate.directory.user(work.tenant_id, approval.submitter_id)
        with work.acting_as(submitter, submitter.access.scope(approvable.verb.permission)):
            await gate.run(approvable, request, work)
    except EtagMismatch:
        # Since it was looked at a moment ago: the next try finds it outdated.
        raise Conflict("the record has changed at the same time; try again") from None
    except (Conflict, Unavailable):
        raise
    except CrmError as error:
        detail = f"approved, it could not take effect: {error.detail}"
        raise FailedPrecondition(
            detail, reason="APPROVAL_CANNOT_TAKE_EFFECT", metadata={"cause": error.reason}
        ) from error


async def lock_record(work: UnitOfWork, collection: str, record_id: UUID) -> None:
    """Let nobody else submit an approval of this record, nor look for those that it has left behind, meanwhile."""
    await advisory_lock(work, f"approvals of {collection} {record_id}")


async def end_outdated(work: UnitOfWork, gate: Gate, approvals: Approvals, collection: str, record_id: UUID) -> None:
    """End those that are pending of a record that is not, or whose owner is not, what was shown.

    Call it once the change is true, or is gathered: whoever submits at the same time goes by it, or is found.
    """
    await lock_record(work, collection, record_id)
    for row in await work.all(pending_of_record(), collection=collection, record_id=record_id):
        before = await approvals.get(work, row["id"], scope=Scope.ALL)
        approvable = gate.find(collection, before.verb)
        etag, owner_id = await etag_now(work, approvable, record_id), await approvable.owner(work, record_id)
        if not before.is_about(etag, owner_id):
            await save(work, gate, approvals, before, before.outdate(now=work.now), events.ApprovalOutdated)


async def make_room(
    work: UnitOfWork,
    gate: Gate,
    approvals: Approvals,
    collection: str,
    record_id: UUID,
    verb: str,
    *,
    etag: str,
    owner_id: UUID | None,
) -> None:
    """End an earlier approval of the same that the record has left behind; AlreadyExists when it still stands."""
    id = await find_pending(work, collection, record_id, verb)
    if id is None:
        return
    before = await approvals.get(work, id, scope=Scope.ALL)
    if before.is_about(etag, owner_id):
        detail, values = "the same is asked for already and not decided", {"approval_id": str(id)}
        raise AlreadyExists(detail, reason="APPROVAL_PENDING", metadata=values)
    await save(work, gate, approvals, before, before.outdate(now=work.now), events.ApprovalOutdated)
    # The new one comes after it, not at once: only one of them may be pending.
    await work.flush()


async def save(
    work: UnitOfWork,
    gate: Gate,
    approvals: Approvals,
    before: Approval,
    after: Approval,
    event: type[Message],
    *,
    calendar: WorkingCalendar | None = None,
) -> Approval:
    """Gather a changed approval, and for whom it waits; `calendar` is what a step that begins was timed by."""
    approvable = gate.find(after.collection, after.verb)
    if after.waiting_ids:
        asked = await asked_of(work, approvable, after, after.waiting_ids)
        after = after.seen_to_have_approvers(asked)
        await tell_deciding(work, approvable, before, after, asked)
    tell_decided(work, approvable, before, after)
    ask(work, after)
    set_timer(work, before, after, calendar)
    # What is told to everybody says nothing of who happens to be at work.
    return approvals.save(work, before, replace(after, your_decisions=()), event)


async def seen_by_caller(work: UnitOfWork, gate: Gate, approval: Approval) -> Approval:
    """An approval as it is after what the caller did, with what they can do next."""
    person = await caller(work, gate.find(approval.collection, approval.verb))
    return replace(approval, your_decisions=approval.decisions_of(person, now=work.now))


def ask(work: UnitOfWork, approval: Approval) -> None:
    """Gather whom it asks, and for whom it waits now."""
    asked, waiting = approval.asked_ids, approval.waiting_ids
    work.execute(put_askings(), approval_id=approval.id, asked_ids=asked, waiting_ids=waiting)


def set_timer(
    work: UnitOfWork, before: Approval | None, after: Approval, calendar: WorkingCalendar | None = None
) -> None:
    """Gather when it is to be looked at, where that has changed or a step begins, and the calendar that it goes by."""
    begins = before is None or before.current_step != after.current_step
    if before and not begins and before.timer_time == after.timer_time:
        return
    if after.timer_time is not None:
        time_by(work, after, calendar, begins=begins)
    elif before and before.timer_time is not None:
        work.delete(approval_timers, approval_id=after.id)


def time_by(work: UnitOfWork, approval: Approval, calendar: WorkingCalendar | None, *, begins: bool) -> None:
    """Gather when an approval is to be looked at, and by which version of the calendar that is.

    Those who were reminded in this step are not again; `begins` when it is another one than before.
    """
    version = calendar.version if calendar and approval.goes_by_calendar else None
    due: dict[str, Any] = {"due_time": approval.timer_time, "calendar_version": version}
    due |= {"reminder_time": approval.reminder_time(calendar), "begins": begins}
    work.execute(put_timer(), approval_id=approval.id, collection=approval.collection, **due)


async def calendar_for(work: UnitOfWork, gate: Gate, *, goes_by: bool) -> WorkingCalendar | None:
    """The tenant's calendar where a step that begins goes by it; nobody is asked for it where not."""
    return await gate.calendars.require(work) if goes_by else None


async def asked_of(work: UnitOfWork, approvable: Approvable, approval: Approval, ids: Collection[UUID]) -> list[Person]:
    """The people whom an approval asks as these users and roles."""
    permission = approvable.resource.permission
    return await people_asked(work, ids, permission=permission, submitter_id=approval.submitter_id)


async def tell_deciding(
    work: UnitOfWork, approvable: Approvable, before: Approval | None, after: Approval, asked: Collection[Person]
) -> None:
    """Gather notices for those for whom it waits newly, or whose time has passed, and for their deputies of today."""
    new, is_late = newly_waiting(before, after), after.overdue and not (before and before.overdue)
    if not (new or is_late):
        return
    deputies = await deputies_for(work, approvable, asked)
    tell_waiting(work, approvable, after, new, asked, deputies)
    if is_late:
        tell_overdue(work, approvable, after, asked, deputies)


async def deputies_for(work: UnitOfWork, approvable: Approvable, asked: Collection[Person]) -> list[Person]:
    """Those who may decide today in the place of people who are asked."""
    resource = approvable.resource
    return await deputies_of(work, asked, collection=resource.collection, permission=resource.permission)


async def caller(work: UnitOfWork, approvable: Approvable) -> Person:
    """Who is at work."""
    id, resource = work.actor.user_id, approvable.resource
    absent = await deputy_of(work, id, collection=resource.collection, permission=resource.permission)
    return Person(id, await roles_of(work, id), absent)


@statement
def put_askings() -> Any:
    table, ids = approval_askings, ARRAY(Uuid)
    asked = func.unnest(bindparam("asked_ids", type_=ids)).column_valued("asked_id")
    rows = select(
        bindparam("tenant_id", type_=Uuid),
        bindparam("approval_id", type_=Uuid),
        asked,
        asked == any_(bindparam("waiting_ids", type_=ids)),
    )
    fresh = insert(table).from_select(["tenant_id", "approval_id", "asked_id", "waiting"], rows)
    key = [table.c.tenant_id, table.c.approval_id, table.c.asked_id]
    return fresh.on_conflict_do_update(index_elements=key, set_={"waiting": fresh.excluded.waiting})


@statement
def put_timer() -> Any:
    table = approval_timers
    names = ("tenant_id", "approval_id", "collection", "due_time", "reminder_time", "calendar_version")
    fresh = insert(table).values({name: bindparam(name) for name in names})
    key = [table.c.tenant_id, table.c.approval_id]
    changed: dict[str, Any] = {name: fresh.excluded[name] for name in ("due_time", "calendar_version")}
    is_to_come = or_(bindparam("begins", type_=Boolean), table.c.reminder_time.is_not(None))
    changed["reminder_time"] = case((is_to_come, fresh.excluded.reminder_time))
    return fresh.on_conflict_do_update(index_elements=key, set_=changed)
