"""Every write on which accounts a tenant restricts by rule."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict, denied
from crm_kit.identity.access import Scope
from sqlalchemy import DateTime, bindparam, func, update

from crm_customer.records.account_restrictions.model import AccountRestriction
from crm_customer.records.account_restrictions.queries import remembered
from crm_customer.records.account_restrictions.tables import account_restrictions

INSTANT = DateTime(timezone=True)


def save_restriction(work: UnitOfWork, before: AccountRestriction, after: AccountRestriction) -> AccountRestriction:
    """Gather a changed setting, and that accounts are looked at by it. PermissionDenied by less than all of them."""
    if work.scope is not Scope.ALL:
        raise denied("scope_all", "this concerns the whole tenant: the permission is needed with the scope ALL")
    if after == before:
        return before
    after = replace(after, version=before.version + 1, update_time=work.now)
    row = {
        "kinds": list(after.kinds),
        "value_tiers": list(after.value_tiers),
        "due_time": work.now,
        "version": after.version,
        "update_time": after.update_time,
    }
    if before.version:
        work.execute(replace_restriction(), unmet=changed_meanwhile, expected_version=before.version, **row)
    else:
        work.insert(account_restrictions, row)
    known, tenant_id = remembered(work.database), work.tenant_id
    work.after_commit.append(lambda: known.forget(tenant_id))
    return after


def changed_meanwhile() -> Conflict:
    return Conflict("it was changed by somebody else at the same time; try again")


@statement
def replace_restriction() -> Any:
    table = account_restrictions
    names = ("kinds", "value_tiers", "due_time", "version", "update_time")
    return (
        update(table)
        .where(table.c.tenant_id == bindparam("tenant_id"), table.c.version == bindparam("expected_version"))
        .values({name: bindparam(name) for name in names})
        .returning(table.c.version)
    )


def look_soon(work: UnitOfWork) -> None:
    """Gather that accounts are looked at soon, where the tenant restricts any by their tier; once in a unit."""
    if account_restrictions.name not in work.known:
        work.known[account_restrictions.name] = True
        work.execute(bring_forward(), time=work.now)


@statement
def bring_forward() -> Any:
    table, time = account_restrictions, bindparam("time", type_=INSTANT)
    # Also where they are due already: a look that does not see yet what this unit writes is not the last one then.
    by_tier = func.cardinality(table.c.value_tiers) > 0
    return update(table).where(table.c.tenant_id == bindparam("tenant_id"), by_tier).values(due_time=time)


def put_off(work: UnitOfWork, *, seen_time: datetime, next_time: datetime) -> None:
    """Gather that all were looked at; whoever has asked for another look meanwhile is right."""
    work.execute(finish(), seen_time=seen_time, next_time=next_time)


@statement
def finish() -> Any:
    table = account_restrictions
    seen = table.c.due_time == bindparam("seen_time", type_=INSTANT)
    next_time = bindparam("next_time", type_=INSTANT)
    return update(table).where(table.c.tenant_id == bindparam("tenant_id"), seen).values(due_time=next_time)
