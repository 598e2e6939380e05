"""Every write on approval delegations. Each function is one transaction's work: row, history, event and projection."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owned_by, require_users
from crm_kit.directory.projection import project_delegation
from crm_kit.errors import denied
from crm_kit.identity.access import reaches
from crm_kit.ids import new_id
from crm_kit.notices import Kind, raise_notice
from crm_kit.permissions import approvable_collections

from crm_customer.directory.approval_delegations.model import ApprovalDelegation, State
from crm_customer.directory.approval_delegations.queries import name_of_user
from crm_customer.directory.approval_delegations.resource import DELEGATIONS
from crm_customer.directory.policy_references.rights import WRITES_POLICIES, may_write_policies
from crm_customer.directory.roles.rights import may_do_everything

READ = "approval_delegations.read"


async def create_delegation(work: UnitOfWork, values: dict[str, Any]) -> ApprovalDelegation:
    """Name a deputy, from the values of its fields."""
    owner_id = values.pop("owner_id", None)
    values |= await owned_by(work, owner_id, permission=READ, field="approval_delegation.owner_id")
    delegation = ApprovalDelegation(id=new_id(), create_time=work.now, update_time=work.now, **values)
    await check(work, delegation.checked(collections=approvable_collections()))
    DELEGATIONS.create(work, delegation)
    project(work, delegation)
    await tell_deputy(work, delegation)
    return delegation


async def update_delegation(work: UnitOfWork, before: ApprovalDelegation, values: dict[str, Any]) -> ApprovalDelegation:
    """Change some fields of a delegation; nothing is written when nothing changes."""
    require_reach(work, before)
    after = before.update(values).checked(collections=approvable_collections())
    if after == before:
        return before
    await check(work, after, before)
    saved = DELEGATIONS.save(work, before, after, events.ApprovalDelegationUpdated)
    project(work, saved)
    if saved.deputy_id != before.deputy_id:
        await tell_deputy(work, saved)
    return saved


def cancel_delegation(work: UnitOfWork, before: ApprovalDelegation) -> ApprovalDelegation:
    """End a delegation."""
    require_reach(work, before)
    saved = DELEGATIONS.save(work, before, before.cancel(), events.ApprovalDelegationCancelled)
    project(work, saved)
    return saved


async def check(work: UnitOfWork, after: ApprovalDelegation, before: ApprovalDelegation | None = None) -> None:
    """InvalidArgument for a deputy who is not active, and for new days that are over; see `check_may_name`."""
    if after.owner_id != work.actor.user_id:
        check_may_name(work, after.deputy_id)
    old = [before.deputy_id] if before else []
    await require_users(work, [after.deputy_id], old_ids=old, field="approval_delegation.deputy_id")
    if before is None:
        after.require_ahead(work.actor.access.day_of(work.now))


def check_may_name(work: UnitOfWork, deputy_id: UUID) -> None:
    """Raise PermissionDenied for who would have others decide, or themselves, on what is not theirs to hand on.

    Whom a deputy is named for has no say in it, so it takes what handing on their approvals does: a leader who names a
    friend of theirs would decide through that friend.
    """
    access = work.actor.access
    if not may_write_policies(access):
        detail = "deputies of others are named by who hands on what others are asked"
        raise denied("names_for_others", f"{detail}: {WRITES_POLICIES} is needed with the scope ALL")
    if deputy_id == work.actor.user_id and not may_do_everything(access):
        raise denied("names_oneself", "who names deputies for others does not name themselves")


def require_reach(work: UnitOfWork, delegation: ApprovalDelegation) -> None:
    """Raise PermissionDenied for deputies, who see it and change nothing."""
    if not reaches(work.scope, work.actor, delegation.owner_id, delegation.owner_team_id):
        raise denied("not_delegator", "with your scope you change delegations of your own, or of your teams")


async def tell_deputy(work: UnitOfWork, delegation: ApprovalDelegation) -> None:
    """Gather that the deputy is told: what waits already stands in their list from the first day on."""
    found = await work.all(name_of_user(), user_id=delegation.owner_id)
    name = " ".join([*(row["display_name"] for row in found), f"{delegation.first_date} – {delegation.last_date}"])
    raise_notice(
        work,
        Kind.NOTICE_KIND_DEPUTY_NAMED,
        [delegation.deputy_id],
        record=(DELEGATIONS.collection, delegation.id),
        name=name,
    )


def project(work: UnitOfWork, delegation: ApprovalDelegation) -> None:
    """Gather what this service goes by."""
    project_delegation(
        work,
        id=delegation.id,
        user_id=delegation.owner_id,
        deputy_id=delegation.deputy_id,
        first_date=delegation.first_date,
        last_date=delegation.last_date,
        collection=delegation.collection,
        active=delegation.state is State.ACTIVE,
        version=delegation.version,
    )
