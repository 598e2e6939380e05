"""Every SELECT on the accounts known here."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.identity.access import Scope, visible
from sqlalchemy import Select, bindparam, select

from crm_sales.accounts.tables import accounts


@statement
def account_seen(scope: Scope) -> Select[Any]:
    return select(accounts.c.id).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == bindparam("id"), visible(accounts, scope)
    )
