"""Every write on dashboards. Each function is one transaction's work."""

from collections.abc import Mapping
from typing import Any

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.roles import existing_roles, require_roles
from crm_kit.errors import FailedPrecondition
from crm_kit.ids import new_id
from crm_kit.permissions import reported_collections
from crm_kit.sharing.rights import check_sharing, require_may_change

from crm_customer.workspace.dashboards.model import Dashboard
from crm_customer.workspace.dashboards.queries import count_own
from crm_customer.workspace.dashboards.resource import DASHBOARDS

# Of a person.
MAX_DASHBOARDS = 100


async def create_dashboard(work: UnitOfWork, values: Mapping[str, Any]) -> Dashboard:
    """Put a dashboard together, which is the caller's."""
    dashboard = Dashboard(
        id=new_id(), owner_id=work.actor.user_id, create_time=work.now, update_time=work.now, **values
    )
    await require_room(work)
    await check(work, None, dashboard)
    return DASHBOARDS.create(work, dashboard)


async def update_dashboard(work: UnitOfWork, before: Dashboard, values: Mapping[str, Any]) -> Dashboard:
    """Change some fields of a dashboard."""
    require_may_change(work.actor, before.owner_id, before.visibility)
    after = before.update(values)
    await check(work, before, after)
    return DASHBOARDS.save(work, before, after, events.DashboardUpdated)


def archive_dashboard(work: UnitOfWork, before: Dashboard) -> Dashboard:
    """Put a dashboard away."""
    require_may_change(work.actor, before.owner_id, before.visibility)
    return DASHBOARDS.save(work, before, before.archive(), events.DashboardArchived)


def restore_dashboard(work: UnitOfWork, before: Dashboard) -> Dashboard:
    """Bring a dashboard back."""
    require_may_change(work.actor, before.owner_id, before.visibility)
    return DASHBOARDS.save(work, before, before.restore(), events.DashboardRestored)


async def check(work: UnitOfWork, before: Dashboard | None, after: Dashboard) -> None:
    """InvalidArgument for tiles and roles that are none, PermissionDenied for sharing without the permission."""
    after.checked(collections=reported_collections())
    old_ids = before.role_ids if before else ()
    await check_sharing(work, after.visibility, after.role_ids, old_ids, place="dashboard")
    if new_ids := set(after.default_role_ids) - set(before.default_role_ids if before else after.role_ids):
        found = await existing_roles(work, new_ids)
        known = found | set(after.default_role_ids) - new_ids
        require_roles(after.default_role_ids, known, field="dashboard.default_role_ids")


async def require_room(work: UnitOfWork) -> None:
    """DASHBOARD_LIMIT_REACHED when the caller has as many dashboards as one can have."""
    # Those that are created at the same time are counted one after the other.
    await advisory_lock(work, f"dashboards of {work.actor.user_id}")
    row = await work.one(count_own())
    if row is not None and row["own"] >= MAX_DASHBOARDS:
        raise FailedPrecondition(
            f"you have {MAX_DASHBOARDS} dashboards already",
            reason="DASHBOARD_LIMIT_REACHED",
            metadata={"most": str(MAX_DASHBOARDS)},
        )
