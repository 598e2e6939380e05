"""Every write on approvals. Each function is one transaction's work."""

from typing import Any
from uuid import UUID

from crm.resource.v1 import approvals_pb2
from crm.resource.v1 import events_pb2 as events
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from sqlalchemy import Uuid, any_, bindparam, update
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.model import Approval, Person, State
from crm_kit.approvals.queries import etag_now, find_pending, people_asked, roles_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import (
    AlreadyExists,
    Conflict,
    CrmError,
    EtagMismatch,
    FailedPrecondition,
    Unavailable,
)
from crm_kit.etags import etag_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import approval_askings
from crm_kit.resource.writing import Resource

Approvals = Resource[Approval, approvals_pb2.Approval]


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
    await make_room(work, approvals, collection, record_id, verb, etag=request.etag)
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
        owner_id=await approvable.owner(work, record_id),
        policy_id=asking.policy.id,
        policy_etag=etag_of(asking.policy.version),
        steps=asking.row.steps,
        create_time=work.now,
        update_time=work.now,
    )
    if not approval.has_approver(await people_asked(work, approval.asked_ids)):
        detail = "those who would be asked are inactive, or are the submitter or the owner of the record"
        raise FailedPrecondition(detail, reason="APPROVERS_MISSING")
    approvals.create(work, approval)
    for id in approval.asked_ids:
        asked = {"approval_id": approval.id, "asked_id": id, "waiting": id in approval.waiting_ids}
        work.insert(approval_askings, asked)
    return approval


async def approve(
    work: UnitOfWork, gate: Gate, approvals: Approvals, before: Approval, comment: str | None
) -> Approval:
    """Approve. The last approval that is needed has the call take effect, in the same transaction."""
    approvable = gate.find(before.collection, before.verb)
    asked = await people_asked(work, before.waiting_ids)
    owner_id = await approvable.owner(work, before.record_id)
    after = before.approve(await caller(work), asked=asked, owner_id=owner_id, comment=comment, now=work.now)
    if await etag_now(work, approvable, before.record_id) != before.record_etag:
        return save(work, approvals, before, before.outdate(now=work.now), events.ApprovalOutdated)
    if after.state is not State.APPROVED:
        return save(work, approvals, before, after, events.ApprovalOpinionGiven)
    await take_effect(work, gate, approvable, before)
    return save(work, approvals, before, after, events.ApprovalApproved)


async def reject(work: UnitOfWork, gate: Gate, approvals: Approvals, before: Approval, comment: str) -> Approval:
    """Reject, once and for all."""
    owner_id = await gate.find(before.collection, before.verb).owner(work, before.record_id)
    after = before.reject(await caller(work), owner_id=owner_id, comment=comment, now=work.now)
    return save(work, approvals, before, after, events.ApprovalRejected)


def withdraw(work: UnitOfWork, approvals: Approvals, before: Approval) -> Approval:
    """Take back what the caller has submitted."""
    return save(work, approvals, before, before.withdraw(work.actor.user_id, now=work.now), events.ApprovalWithdrawn)


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


async def make_room(
    work: UnitOfWork, approvals: Approvals, collection: str, record_id: UUID, verb: str, *, etag: str
) -> None:
    """End an earlier approval of the same that the record has left behind; AlreadyExists when it still stands."""
    id = await find_pending(work, collection, record_id, verb)
    if id is None:
        return
    before = await approvals.get(work, id, scope=Scope.ALL)
    if before.record_etag == etag:
        raise AlreadyExists("the same is asked for already and not decided", reason="APPROVAL_PENDING")
    save(work, approvals, before, before.outdate(now=work.now), events.ApprovalOutdated)
    # The new one comes after it, not at once: only one of them may be pending.
    await work.flush()


def save(work: UnitOfWork, approvals: Approvals, before: Approval, after: Approval, event: type[Message]) -> Approval:
    """Gather a changed approval, and for whom it waits."""
    work.execute(set_waiting(), approval_id=after.id, waiting_ids=after.waiting_ids)
    return approvals.save(work, before, after, event)


async def caller(work: UnitOfWork) -> Person:
    """Who is at work."""
    return Person(work.actor.user_id, await roles_of(work, work.actor.user_id))


@statement
def set_waiting() -> Any:
    asked = approval_askings.c
    return (
        update(approval_askings)
        .where(asked.tenant_id == bindparam("tenant_id"), asked.approval_id == bindparam("approval_id"))
        .values(waiting=asked.asked_id == any_(bindparam("waiting_ids", type_=ARRAY(Uuid))))
    )
