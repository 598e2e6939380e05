"""What approval policies name, kept up to date by their events; older versions never win."""

from collections.abc import Iterable
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.projections import put_newest

from crm_customer.directory.policy_references.tables import policy_references


def project_policy(
    work: UnitOfWork, *, id: UUID, role_ids: Iterable[UUID], user_ids: Iterable[UUID], asks_leaders: bool, version: int
) -> None:
    """The roles and users that a policy in use names, and whether it asks leaders of teams; nothing of another."""
    named = {"role_ids": sorted(set(role_ids)), "user_ids": sorted(set(user_ids)), "asks_leaders": asks_leaders}
    put_newest(work, policy_references, {"policy_id": id, **named, "version": version})
