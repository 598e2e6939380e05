"""Every write on saved views. Each function is one transaction's work: row, history, event and defaults of roles."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition, denied
from crm_kit.identity.access import Scope, reaches
from crm_kit.ids import new_id
from google.protobuf.message import Message

from crm_customer.directory.roles.queries import get_roles
from crm_customer.workspace.saved_views.asked import CHECKS, check_asked
from crm_customer.workspace.saved_views.model import MAX_OF_OWNER, PLACE, SavedView
from crm_customer.workspace.saved_views.queries import count_views_of
from crm_customer.workspace.saved_views.resource import SAVED_VIEWS
from crm_customer.workspace.saved_views.tables import default_views

ROLES = f"{PLACE}.default_for_role_ids"


async def create_view(work: UnitOfWork, values: dict[str, Any]) -> SavedView:
    """Save a view of the caller's, from the values of its fields."""
    view = SavedView(
        id=new_id(),
        owner_id=work.actor.user_id,
        owner_team_id=work.actor.access.team_id,
        create_time=work.now,
        update_time=work.now,
        **values,
    )
    check_asked(view, CHECKS)
    await check_roles(work, view)
    view.checked().require_shared_by(None, administers=work.scope is Scope.ALL)
    # Those that one saves at the same time are counted one after the other.
    await advisory_lock(work, f"saved views of {view.owner_id}")
    if await count_views_of(work, view.owner_id) >= MAX_OF_OWNER:
        detail = f"you have {MAX_OF_OWNER} saved views, archived ones included, and cannot have more"
        raise FailedPrecondition(detail, reason="SAVED_VIEW_LIMIT_REACHED", metadata={"most": str(MAX_OF_OWNER)})
    put_defaults(work, None, view)
    return SAVED_VIEWS.create(work, view)


async def update_view(work: UnitOfWork, before: SavedView, values: dict[str, Any]) -> SavedView:
    """Change some fields of a view; nothing is written when nothing changes."""
    require_reach(work, before)
    after = before.update(values)
    if after == before:
        return before
    check_asked(after, values)
    await check_roles(work, after, before.default_for_role_ids)
    after.checked().require_shared_by(before, administers=work.scope is Scope.ALL)
    if before.owner_id == work.actor.user_id:
        after = replace(after, owner_team_id=work.actor.access.team_id)
    return save(work, before, after, events.SavedViewUpdated)


def archive_view(work: UnitOfWork, before: SavedView) -> SavedView:
    """Put a view away."""
    require_reach(work, before)
    after = before.archive()
    after.require_shared_by(before, administers=work.scope is Scope.ALL)
    return save(work, before, after, events.SavedViewArchived)


def restore_view(work: UnitOfWork, before: SavedView) -> SavedView:
    """Bring a view back."""
    require_reach(work, before)
    after = before.restore()
    after.require_shared_by(before, administers=work.scope is Scope.ALL)
    return save(work, before, after, events.SavedViewRestored)


async def check_roles(work: UnitOfWork, view: SavedView, old_ids: Collection[UUID] = ()) -> None:
    """InvalidArgument for roles that are not there, those apart whose default it was before."""
    await get_roles(work, [id for id in view.default_for_role_ids if id not in old_ids], field=ROLES)


def require_reach(work: UnitOfWork, view: SavedView) -> None:
    """Raise PermissionDenied for those who see it and change nothing."""
    if not reaches(work.scope, work.actor, view.owner_id, view.owner_team_id):
        raise denied("not_viewed_by", "with your scope you change views of your own, or of your teams")


def save(work: UnitOfWork, before: SavedView, after: SavedView, event: type[Message]) -> SavedView:
    """Gather a changed view, and whose default it is."""
    put_defaults(work, before, after)
    return SAVED_VIEWS.save(work, before, after, event)


def put_defaults(work: UnitOfWork, before: SavedView | None, after: SavedView) -> None:
    """Gather what differs; a role that has another view already refuses this one (`default_views`)."""
    old, new = before.default_for_role_ids if before else (), after.default_for_role_ids
    for id in old:
        if id not in new:
            work.delete(default_views, collection=after.collection, role_id=id, saved_view_id=after.id)
    for id in new:
        if id not in old:
            row = {"collection": after.collection, "role_id": id, "saved_view_id": after.id}
            work.insert(default_views, row)
