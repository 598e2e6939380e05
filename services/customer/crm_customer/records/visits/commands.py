"""Every write on visits. Each function is one transaction's work."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owned_by
from crm_kit.errors import FailedPrecondition, InvalidArgument, denied, invalid_field
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.resource.owners import given_to

from crm_customer.records.accounts.model import IN_BUSINESS
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.interactions.commands import record_interaction
from crm_customer.records.interactions.model import Channel, Direction
from crm_customer.records.interactions.resource import INTERACTIONS
from crm_customer.records.visits.model import PLACE, State, Visit
from crm_customer.records.visits.resource import VISITS
from crm_customer.records.visits.timers import move_timer, set_timer, stop_timer


async def create_visit(work: UnitOfWork, values: dict[str, Any]) -> Visit:
    """Plan a visit; the caller is to make it unless somebody else is named."""
    values |= await owned_by(work, values.get("owner_id"), permission=VISITS.permission, field=f"{PLACE}.owner_id")
    visit = Visit(id=new_id(), create_time=work.now, update_time=work.now, **values).checked()
    await check_account(work, visit.account_id)
    await check_contacts(work, visit.contact_ids)
    VISITS.create(work, visit)
    set_timer(work, visit)
    return visit


async def update_visit(work: UnitOfWork, before: Visit, values: dict[str, Any]) -> Visit:
    """Change some fields of a planned visit; nothing is written when nothing changes."""
    values |= await given_to(work, VISITS, before, values)
    after = before.update(values).checked()
    await check_contacts(work, [id for id in after.contact_ids if id not in before.contact_ids])
    if after.overdue_time != before.overdue_time:
        move_timer(work, after)
    return VISITS.save(work, before, after, events.VisitUpdated)


async def complete_visit(
    work: UnitOfWork, before: Visit, interaction_id: UUID | None, told: Mapping[str, Any]
) -> Visit:
    """Say that a visit was made, with the interaction that tells of it or with one of what is `told`."""
    if interaction_id is not None:
        await check_interaction(work, before, interaction_id, told)
    before.require_completable()
    if interaction_id is None:
        interaction_id = await record(work, before, told)
    if before.state is State.PLANNED:
        stop_timer(work, before)
    return VISITS.save(work, before, before.complete(interaction_id, work.now), events.VisitCompleted)


async def record(work: UnitOfWork, visit: Visit, told: Mapping[str, Any]) -> UUID:
    """Record the interaction that a visit was; its id."""
    if not work.actor.access.may("interactions.write"):
        raise denied("visit_recorded", "what came of a visit is recorded with interactions.write")
    time = told.get("interaction_time") or min(visit.planned_time, work.now)
    values = {
        **told,
        "interaction_time": time,
        "account_id": visit.account_id,
        "channel": Channel.VISIT,
        "direction": Direction.OUTBOUND,
        "subject": visit.display_name,
        "contact_ids": visit.contact_ids,
        "user_ids": (visit.owner_id,),
    }
    try:
        # With whom it was is settled by the plan; who makes a visit does not have to see its account.
        return (await record_interaction(work, values, account_scope=Scope.ALL)).id
    except InvalidArgument as error:
        raise told_in_request(error) from None


def told_in_request(error: InvalidArgument) -> InvalidArgument:
    """What an interaction is refused for, by the names that the request has for it."""
    violations = [
        type(each)(request_field(each.field.removeprefix("interaction.")), each.rule, each.detail)
        for each in error.violations
    ]
    return InvalidArgument(error.detail, reason=error.reason, violations=violations, metadata=error.metadata)


def request_field(name: str) -> str:
    """What the request calls a field of the interaction."""
    return "visit_time" if name == "interaction_time" else name


async def check_interaction(work: UnitOfWork, visit: Visit, id: UUID, told: Mapping[str, Any]) -> None:
    """InvalidArgument unless the caller reads such an interaction, which is a visit to the account and tells all."""
    for name in sorted(told):
        raise invalid_field(request_field(name), "with_interaction", "is told by the interaction that is named")
    found = (await INTERACTIONS.get_referred(work, [id])).get(id)
    if found is None:
        raise invalid_field("interaction_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    if (found.account_id, found.channel) != (visit.account_id, Channel.VISIT):
        raise invalid_field("interaction_id", "not_of_visit", "is no visit to this account")


def miss_visit(work: UnitOfWork, before: Visit, reason: str | None = None) -> Visit:
    """Say that a visit was not made."""
    after = before.miss(work.now, reason)
    stop_timer(work, before)
    return VISITS.save(work, before, after, events.VisitMissed)


def cancel_visit(work: UnitOfWork, before: Visit, reason: str | None = None) -> Visit:
    """Call a visit off."""
    after = before.cancel(work.now, reason)
    stop_timer(work, before)
    return VISITS.save(work, before, after, events.VisitCancelled)


async def check_account(work: UnitOfWork, id: UUID) -> None:
    """The account must be there for the caller, and in business."""
    account = (await ACCOUNTS.get_referred(work, [id])).get(id)
    if account is None:
        raise invalid_field(f"{PLACE}.account_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    if account.status not in IN_BUSINESS:
        raise FailedPrecondition("the account is archived or merged into another", reason="ACCOUNT_ARCHIVED")


async def check_contacts(work: UnitOfWork, ids: Sequence[UUID]) -> None:
    """InvalidArgument naming the first contact that does not exist or that the caller may not see."""
    found = await CONTACTS.get_referred(work, ids) if ids else {}
    for index, id in enumerate(ids):
        if id not in found:
            field = f"{PLACE}.contact_ids[{index}]"
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
