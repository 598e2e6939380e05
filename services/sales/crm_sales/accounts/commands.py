"""The accounts known here: kept up to date by events, and asked for where they are not known yet."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_sales.accounts.client import CustomerClient
from crm_sales.accounts.queries import account_seen
from crm_sales.accounts.tables import accounts


async def require_account(work: UnitOfWork, customer: CustomerClient, id: UUID, *, field: str) -> None:
    """REFERENCE_NOT_FOUND unless the caller sees such an account. Events may lag: then the customer service says."""
    scope = work.actor.access.scope("accounts.read")
    if await work.one(account_seen(scope), id=id) is None:
        await work.release()
        await customer.require_account(id, field=field)


def project_account(
    work: UnitOfWork,
    *,
    id: UUID,
    display_name: str,
    owner_id: UUID | None,
    owner_team_id: UUID | None,
    version: int,
) -> None:
    """An account as an event says it is; an older version never wins."""
    work.execute(
        put_account(),
        id=id,
        display_name=display_name,
        owner_id=owner_id,
        owner_team_id=owner_team_id,
        version=version,
    )


@statement
def put_account() -> Any:
    fresh = insert(accounts).values({column.name: bindparam(column.name) for column in accounts.c})
    changed = {
        column.name: fresh.excluded[column.name] for column in accounts.c if column.name not in {"tenant_id", "id"}
    }
    return fresh.on_conflict_do_update(
        index_elements=[accounts.c.tenant_id, accounts.c.id],
        set_=changed,
        where=accounts.c.version < fresh.excluded.version,
    )
