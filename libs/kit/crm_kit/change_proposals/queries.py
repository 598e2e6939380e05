"""What waits of a record, what its fields have now, and what stands above its owner."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select

from crm_kit.change_proposals.model import ChangeProposal, State, answered_by
from crm_kit.change_proposals.resource import ChangeProposals
from crm_kit.database.connections import plain_json
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, seeing_all
from crm_kit.errors import NotFound
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_tenants, change_proposals
from crm_kit.proposed import ANSWER_DAYS
from crm_kit.resource import history
from crm_kit.resource.writing import Resource
from crm_kit.working_time.calendars import calendar_from_row, default_calendar


async def get_proposal(
    reader: Reader, proposals: ChangeProposals, collection: str, id: UUID, *, etag: str = ""
) -> ChangeProposal:
    """The proposal; NotFound when the caller may not read its record, or it is another collection's; EtagMismatch."""
    found = await proposals.get(reader, id)
    if found.collection != collection:
        raise NotFound("the change proposal does not exist", reason=proposals.not_found)
    await proposals.check_etag(reader, id, etag, found.version)
    return found


async def pending_of(
    reader: Reader, proposals: ChangeProposals, collection: str, record_id: UUID
) -> list[ChangeProposal]:
    """What nobody has decided of a record, whoever may see it."""
    rows = await reader.all(pending_ids(), collection=collection, record_id=record_id, pending=State.PENDING)
    with seeing_all(reader):
        found = await proposals.get_many(reader, [row["id"] for row in rows], scope=Scope.ALL)
    return list(found.values())


async def answer_time(reader: Reader) -> datetime:
    """By when what is proposed or has gone up now is decided, or goes up: by the tenant's days and its calendar.

    Where the calendar is not known here yet, by plain days: nobody waits for another service.
    """
    tenant, calendar = await reader.one(days_of_tenant()), await reader.one(default_calendar())
    days = tenant["change_proposal_days"] if tenant else ANSWER_DAYS
    return answered_by(reader.now, days, calendar_from_row(calendar) if calendar else None)


def value_now(records: Resource[Any, Any], record: Any, path: str) -> object:
    """The value of a field as the history shows it."""
    stored = plain_json(history.value_at(record, path))
    return history.shown_of(stored, records.contract[path.partition(".")[0]].descriptor)


@statement
def pending_ids() -> Select[Any]:
    table = change_proposals.c
    return select(table.id).where(
        table.tenant_id == bindparam("tenant_id"),
        table.collection == bindparam("collection"),
        table.record_id == bindparam("record_id"),
        table.state == bindparam("pending"),
    )


@statement
def days_of_tenant() -> Select[Any]:
    tenant = access_tenants.c
    return select(tenant.change_proposal_days).where(tenant.tenant_id == bindparam("tenant_id"))
