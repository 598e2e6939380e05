"""Every write on reports. Each function is one transaction's work."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Select, bindparam, func, select

from crm_kit.approvals.queries import people_asked
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.errors import FailedPrecondition, NotFound, invalid_field
from crm_kit.ids import new_id
from crm_kit.plumbing import reports
from crm_kit.reports.model import Report, Subscription
from crm_kit.reports.ready import ReadyReport
from crm_kit.reports.resource import REPORTS
from crm_kit.reports.running import check_question
from crm_kit.reports.timers import set_timers
from crm_kit.resource.questions import AnyResource
from crm_kit.sharing.model import Visibility, check_roles
from crm_kit.sharing.rights import check_sharing, require_may_change

PLACE = "report"
# Of a person and collection.
MAX_REPORTS = 500


async def create_report(work: UnitOfWork, resource: AnyResource, values: Mapping[str, Any]) -> Report:
    """Put down a report, which is the caller's."""
    report = Report(
        id=new_id(),
        collection=resource.collection,
        owner_id=work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
        **values,
    )
    report = report.with_ids(None, new_id)
    await require_room(work, report)
    await check_report(work, resource, None, report)
    set_timers(work, None, report)
    return REPORTS.create(work, report)


async def update_report(work: UnitOfWork, resource: AnyResource, before: Report, values: Mapping[str, Any]) -> Report:
    """Change some properties of a report."""
    require_may_change(work.actor, before.owner_id, before.visibility)
    after = before.update(values).with_ids(before, new_id)
    await check_report(work, resource, before, after)
    set_timers(work, before, after)
    return REPORTS.save(work, before, after, events.ReportUpdated)


def subscribe(work: UnitOfWork, before: Report, wanted: Subscription) -> Report:
    """Have a report sent to who is at work, who may read it."""
    return save_subscriptions(work, before, before.with_recipient(wanted, work.actor.user_id))


def unsubscribe(work: UnitOfWork, before: Report) -> Report:
    """Have a report sent no longer to who is at work."""
    return save_subscriptions(work, before, before.without_recipient_anywhere(work.actor.user_id))


def save_subscriptions(work: UnitOfWork, before: Report, after: Report) -> Report:
    """Gather a report with other recipients, and when it is sent to them."""
    after = after.with_ids(before, new_id)
    set_timers(work, before, after)
    return REPORTS.save(work, before, after, events.ReportUpdated)


def archive_report(work: UnitOfWork, before: Report) -> Report:
    """Put a report away."""
    require_may_change(work.actor, before.owner_id, before.visibility)
    after = before.archive()
    set_timers(work, before, after)
    return REPORTS.save(work, before, after, events.ReportArchived)


def restore_report(work: UnitOfWork, before: Report) -> Report:
    """Bring a report back."""
    require_may_change(work.actor, before.owner_id, before.visibility)
    after = before.restore()
    set_timers(work, before, after)
    return REPORTS.save(work, before, after, events.ReportRestored)


async def check_report(reader: Reader, resource: AnyResource, before: Report | None, after: Report) -> None:
    """PermissionDenied for sharing without the permission, InvalidArgument for roles and questions that are none."""
    check_roles(after.visibility, after.role_ids, place=PLACE)
    old_ids = before.role_ids if before else ()
    await check_sharing(reader, after.visibility, after.role_ids, old_ids, place=PLACE)
    await check_recipients(reader, resource, before, after)
    if before is None or after.question != before.question:
        await check_question(resource, reader, after.question, place=f"{PLACE}.question.")


async def check_recipients(reader: Reader, resource: AnyResource, before: Report | None, after: Report) -> None:
    """InvalidArgument for those to whom it is not to be sent: who may not read it would have nothing to read.

    Who was there before may stay; the service takes them out when it is their turn.
    """
    old_ids = {id for each in before.subscriptions for id in each.user_ids} if before else set()
    is_private = after.visibility is Visibility.PRIVATE
    for number, each in enumerate(after.subscriptions):
        field = f"{PLACE}.subscriptions[{number}].user_ids"
        await require_users(reader, each.user_ids, old_ids=old_ids, field=field + "[{}]")
        if is_private and set(each.user_ids) != {after.owner_id}:
            detail = "names others than the owner: share the report with them first"
            raise invalid_field(field, "shared_report", detail)
        new_ids = set(each.user_ids) - old_ids
        able = {person.id for person in await people_asked(reader, new_ids, permission=resource.permission)}
        if unable := [id for id in each.user_ids if id in new_ids - able]:
            detail = f"names {unable[0]}, who may not read {resource.collection}"
            values = {"permission": resource.permission}
            raise invalid_field(field, "permitted", detail, reason="ASSIGNMENT_NOT_ALLOWED", metadata=values)


async def require_room(work: UnitOfWork, report: Report) -> None:
    """REPORT_LIMIT_REACHED when the owner has as many reports of the collection as one can have."""
    # Those that are created at the same time are counted one after the other.
    await advisory_lock(work, f"reports of {report.owner_id}")
    row = await work.one(count_own(), collection=report.collection)
    if row is not None and row["own"] >= MAX_REPORTS:
        raise FailedPrecondition(
            f"you have {MAX_REPORTS} reports of {report.collection} already",
            reason="REPORT_LIMIT_REACHED",
            metadata={"collection": report.collection, "most": str(MAX_REPORTS)},
        )


async def get_report(
    reader: Reader, collection: str, id: str, ready: Mapping[UUID, ReadyReport], *, etag: str = ""
) -> Report:
    """The report with this id, which may be a built-in one; NotFound when it is one of another collection."""
    if found := ready.get(UUID(id)):
        return found.report
    report = await REPORTS.get(reader, UUID(id), etag=etag)
    if report.collection != collection:
        raise NotFound("the report does not exist", reason=REPORTS.not_found)
    return report


async def get_own_kind(
    reader: Reader, collection: str, id: str, ready: Mapping[UUID, ReadyReport], *, etag: str = ""
) -> Report:
    """The report with this id, to be changed; FailedPrecondition REPORT_BUILT_IN when it is built in."""
    if UUID(id) in ready:
        raise FailedPrecondition("the report comes with the platform; change a copy of it", reason="REPORT_BUILT_IN")
    return await get_report(reader, collection, id, ready, etag=etag)


@statement
def count_own() -> Select[Any]:
    return select(func.count().label("own")).where(
        reports.c.tenant_id == bindparam("tenant_id"),
        reports.c.owner_id == bindparam("me"),
        reports.c.collection == bindparam("collection"),
    )
