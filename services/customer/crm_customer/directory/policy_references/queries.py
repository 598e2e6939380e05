"""Every SELECT on what approval policies name, and on who takes part in approvals by that."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.plumbing import access_deputies, access_teams, access_users
from sqlalchemy import Select, bindparam, or_, select

from crm_customer.directory.policy_references.tables import policy_references


@dataclass(frozen=True, slots=True)
class PolicyReferences:
    """The roles and users that policies in use name, and whether one asks leaders of teams."""

    ids: frozenset[UUID]
    asks_leaders: bool


@dataclass(frozen=True, slots=True)
class Part:
    """As whom somebody may decide: by their own id and roles, those of whom they are deputies, and as leaders."""

    ids: frozenset[UUID]
    leads: bool


@statement
def references_of_tenant() -> Select[Any]:
    references = policy_references.c
    return select(references.role_ids, references.user_ids, references.asks_leaders).where(
        references.tenant_id == bindparam("tenant_id")
    )


@statement
def stood_for() -> Select[Any]:
    """Needs `user_id` and `day`: the user, and those whose deputy they are on that day or later."""
    users, teams, deputies = access_users.c, access_teams.c, access_deputies.c
    leads = select(teams.id).where(teams.tenant_id == users.tenant_id, teams.leader_id == users.id)
    represented = select(deputies.user_id).where(
        deputies.tenant_id == bindparam("tenant_id"),
        deputies.deputy_id == bindparam("user_id"),
        deputies.active,
        deputies.last_date >= bindparam("day"),
    )
    return select(users.id, users.role_ids, leads.exists().label("leads")).where(
        users.tenant_id == bindparam("tenant_id"),
        or_(users.id == bindparam("user_id"), users.id.in_(represented)),
    )


async def get_policy_references(reader: Reader) -> PolicyReferences:
    """What approval policies in use name."""
    rows = await reader.all(references_of_tenant())
    ids = frozenset(id for row in rows for id in (*row["role_ids"], *row["user_ids"]))
    return PolicyReferences(ids, any(row["asks_leaders"] for row in rows))


async def get_part(reader: Reader, user_id: UUID) -> Part:
    """As whom a user may decide on approvals, now or later."""
    # It is not tomorrow everywhere.
    day = (reader.now - timedelta(days=1)).date()
    rows = await reader.all(stood_for(), user_id=user_id, day=day)
    return Part(
        frozenset(id for row in rows for id in (row["id"], *row["role_ids"])), any(row["leads"] for row in rows)
    )
