"""Whom approvals tell: those who are asked, once it waits for them, and who submitted it, once it is decided."""

from collections.abc import Collection, Iterable, Set
from uuid import UUID

from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.model import Approval, Person, State
from crm_kit.database.work import UnitOfWork
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice, what

COLLECTION = "approvals"
WAITING, DECIDED = Kind.NOTICE_KIND_APPROVAL_WAITING, Kind.NOTICE_KIND_APPROVAL_DECIDED
OVERDUE, REMINDER = Kind.NOTICE_KIND_APPROVAL_OVERDUE, Kind.NOTICE_KIND_APPROVAL_REMINDER


def newly_waiting(before: Approval | None, after: Approval) -> set[UUID]:
    """The users and roles for whom it waits and has not waited before in this step."""
    new = set(after.waiting_ids)
    if before is not None and before.current_step == after.current_step:
        new -= set(before.waiting_ids)
    return new


def tell_waiting(
    work: UnitOfWork,
    approvable: Approvable,
    approval: Approval,
    new: Collection[UUID],
    asked: Iterable[Person],
    deputies: Iterable[Person],
) -> None:
    """Gather a notice for each of those asked for whom it waits newly, and for those who may decide in their place."""
    _tell(work, approvable, approval, WAITING, _deciding(approval, new, asked, deputies), text=approval.comment)


def tell_overdue(
    work: UnitOfWork, approvable: Approvable, approval: Approval, asked: Iterable[Person], deputies: Iterable[Person]
) -> None:
    """Gather a notice for everybody who may decide it today, and for who submitted it."""
    deciding = _deciding(approval, approval.waiting_ids, asked, deputies)
    _tell(work, approvable, approval, OVERDUE, [*deciding, approval.submitter_id])


def tell_reminder(
    work: UnitOfWork, approvable: Approvable, approval: Approval, asked: Iterable[Person], deputies: Iterable[Person]
) -> None:
    """Gather a notice for everybody who may decide it today."""
    _tell(work, approvable, approval, REMINDER, _deciding(approval, approval.waiting_ids, asked, deputies))


def tell_decided(work: UnitOfWork, approvable: Approvable, before: Approval, after: Approval) -> None:
    """Gather a notice for who submitted it, once it has ended."""
    if before.state is State.PENDING and after.state is not State.PENDING:
        _tell(work, approvable, after, DECIDED, [after.submitter_id], text=last_word(before, after))


def _deciding(
    approval: Approval, waiting: Collection[UUID], asked: Iterable[Person], deputies: Iterable[Person]
) -> list[UUID]:
    """Those among the users and roles for whom it waits, and who may decide today in the place of one of them."""
    ids = set(waiting)
    themselves = [person.id for person in asked if ids & person.ids and may_decide(approval, person)]
    return [*themselves, *(each.id for each in deputies if stands_in(approval, each, ids))]


def stands_in(approval: Approval, deputy: Person, waiting: Set[UUID]) -> bool:
    """Whether somebody may decide it in the place of another of those for whom it waits: once in a step."""
    step = approval.current_step
    if not may_decide(approval, deputy) or any(
        each.user_id == deputy.id and each.step == step for each in approval.opinions
    ):
        return False
    return any(waiting & absent.ids and may_decide(approval, absent) for absent in deputy.deputy_of)


def may_decide(approval: Approval, person: Person) -> bool:
    """Neither who submitted it nor the owner of the record decides."""
    return person.id not in (approval.submitter_id, approval.owner_id)


def last_word(before: Approval, after: Approval) -> str | None:
    """What was said to its end."""
    if after.withdrawal is not None:
        return after.withdrawal.comment
    return after.opinions[-1].comment if len(after.opinions) > len(before.opinions) else None


def _tell(
    work: UnitOfWork,
    approvable: Approvable,
    approval: Approval,
    kind: "Kind.ValueType",
    user_ids: Iterable[UUID],
    *,
    text: str | None = None,
) -> None:
    values = {"collection": approval.collection, "record_id": str(approval.record_id), "verb": approval.verb}
    raise_notice(
        work,
        kind,
        user_ids,
        record=(COLLECTION, approval.id),
        text=text or "",
        values=what(approvable.label) | values | {OUTCOME: approval.state},
    )
