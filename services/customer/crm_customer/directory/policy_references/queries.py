"""Every SELECT on what approval policies name."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_customer.directory.policy_references.tables import policy_references


@statement
def references_of_tenant() -> Select[Any]:
    return select(policy_references.c.role_ids, policy_references.c.user_ids).where(
        policy_references.c.tenant_id == bindparam("tenant_id")
    )


async def get_named_in_policies(reader: Reader) -> Collection[UUID]:
    """The roles and users that approval policies in use name."""
    rows = await reader.all(references_of_tenant())
    return {id for row in rows for id in (*row["role_ids"], *row["user_ids"])}
