"""Every write on accounts. Each function is one transaction's work: row, history, event and search together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.accounts import FOLLOWING
from crm_kit.database.locks import advisory_lock, shared_advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.trees import ids_from_here_up
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import may_own, owned_by
from crm_kit.errors import Conflict, FailedPrecondition, invalid_field
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.likeness import name_key
from crm_kit.resource.owners import given_to, may
from sqlalchemy import Uuid, bindparam, update

from crm_customer.records.account_restrictions.queries import get_restriction
from crm_customer.records.accounts.hierarchy import levels_below
from crm_customer.records.accounts.likeness import follow_keys
from crm_customer.records.accounts.model import IN_BUSINESS, Account, Status
from crm_customer.records.accounts.queries import LeadAccount, find_by_lead
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.restricting import others_than, ruled
from crm_customer.records.accounts.search import follow_account, put_search_row
from crm_customer.records.accounts.tables import account_external_ids, account_leads, accounts
from crm_customer.records.quality_rules.adopting import adoption_of
from crm_customer.records.quality_rules.book import rules_of
from crm_customer.records.quality_rules.keeping import assessed, fillable_with_custom, judged
from crm_customer.records.quality_rules.quality import FieldCheck

# Held by whoever moves accounts below others, and together by those who create some there.
HIERARCHY = "account hierarchy"
NewAccountCheck = Callable[[UnitOfWork, Account], Awaitable[None]]


async def create_account(work: UnitOfWork, values: dict[str, Any], *, check: NewAccountCheck | None = None) -> Account:
    """Create an account from the values of its fields; the caller becomes its owner unless one is named.

    `check` refuses one that is not to be created, as it would be.
    """
    owner = await owned_by(work, values.get("owner_id"), permission=ACCOUNTS.permission, field="account.owner_id")
    await check_parent(work, values.get("parent_id"))
    account = await drafted(work, values | owner)
    if check is not None:
        await check(work, account)
    return put_new(work, account)


async def create_account_from_lead(work: UnitOfWork, values: dict[str, Any], lead_id: UUID) -> Account:
    """Create the account that a lead becomes, as `create_account`, or get the one that was created from it before.

    A lead that names another since becomes another account: of the first one others may have made something.
    FailedPrecondition LEAD_ACCOUNT_NOT_VISIBLE when the one that it becomes is archived or the caller may not read it.
    """
    before, called = await find_by_lead(work, lead_id), lead_key(values)
    if before is None or before.lead_key != called:
        account = await create_account(work, values)
        put_lead(work, lead_id, account.id, called, before=before)
        return account
    known = await ACCOUNTS.find(work, before.account_id, scope=work.actor.access.scope(ACCOUNTS.permission))
    if known is None or known.status not in IN_BUSINESS:
        raise FailedPrecondition(
            "the account that was created for this lead is archived, or you may not see it; "
            "name an account in account_id",
            reason="LEAD_ACCOUNT_NOT_VISIBLE",
        )
    return known


def lead_key(values: Mapping[str, Any]) -> str:
    """The same for all leads of one name that are of the same kind: a company is not the person of its name."""
    return f"{values['kind']} {name_key(values['display_name'])}"


def put_lead(work: UnitOfWork, lead_id: UUID, account_id: UUID, called: str, *, before: LeadAccount | None) -> None:
    """Gather which account a lead becomes; Conflict when that is no longer the one that it became `before`."""
    row = {"lead_id": lead_id, "account_id": account_id, "lead_key": called}
    if before is None:
        work.insert(account_leads, row)
    else:
        work.execute(replace_lead(), unmet=lead_changed, **row, former_id=before.account_id)


def lead_changed() -> Conflict:
    """The error for a lead that becomes an account while it is to become another."""
    return Conflict("its account is created at the same time")


@statement
def replace_lead() -> Any:
    table = account_leads
    return (
        update(table)
        .where(
            table.c.tenant_id == bindparam("tenant_id"),
            table.c.lead_id == bindparam("lead_id"),
            table.c.account_id == bindparam("former_id", type_=Uuid),
        )
        .values(account_id=bindparam("account_id"), lead_key=bindparam("lead_key"))
        .returning(table.c.lead_id)
    )


async def drafted(work: UnitOfWork, values: dict[str, Any], *, id: UUID | None = None) -> Account:
    """A new account by the rules, not yet written."""
    account = Account(id=id or new_id(), create_time=work.now, update_time=work.now, **values)
    checked = account.checked(now=work.now, region=work.actor.access.default_region)
    if checked.parent_id is not None:
        # Nobody moves what is above while something comes below it.
        await shared_advisory_lock(work, HIERARCHY)
        checked.check_place(await ids_from_here_up(work, accounts, checked.parent_id))
    return await ruled(work, await assessed(work, ACCOUNTS, None, checked))


def put_new(work: UnitOfWork, account: Account, *, contact_names: tuple[str, ...] = ()) -> Account:
    """Gather everything of a new account; `contact_names` are those of the contacts that are created with it."""
    ACCOUNTS.create(work, account)
    put_external_ids(work, account)
    put_search_row(work, account, contact_names=contact_names)
    follow_keys(work, None, account)
    return account


async def update_account(
    work: UnitOfWork,
    before: Account,
    values: dict[str, Any],
    *,
    contact_names: tuple[str, ...] | None = None,
    keep_opportunities: bool = False,
    checks: Sequence[FieldCheck] = (),
) -> Account:
    """Change some fields of an account; nothing is written when nothing changes.

    `contact_names` as for `follow_account`. A new owner gets the open opportunities that the former one has at it,
    unless `keep_opportunities`, the caller may not give them, or the new owner may not have them. PermissionDenied when
    others come to see by it what the caller does not. `checks` say where new values are from.
    """
    values |= await given_to(work, ACCOUNTS, before, values, following=FOLLOWING)
    after = before.update(values, now=work.now, region=work.actor.access.default_region)
    after = await ruled(work, await assessed(work, ACCOUNTS, before, after, checks=checks))
    if after.parent_id != before.parent_id:
        await check_parent(work, after.parent_id)
        await advisory_lock(work, HIERARCHY)
        above = await ids_from_here_up(work, accounts, after.parent_id)
        after.check_place(above, levels_below=await levels_below(work, after.id) if after.parent_id else 0)
    put_external_ids(work, after, before)
    await follow_account(work, before, after, contact_names=contact_names)
    follow_keys(work, before, after)
    if after.owner_id == before.owner_id:
        return ACCOUNTS.save(work, before, after, events.AccountUpdated)
    keep_opportunities = keep_opportunities or not await opportunities_go_along(work, before, after)
    told: dict[str, Any] = {"former_owner_id": before.owner_id, "keep_opportunities": keep_opportunities}
    return ACCOUNTS.save(work, before, after, events.AccountOwnerChanged, **told)


async def opportunities_go_along(work: UnitOfWork, before: Account, after: Account) -> bool:
    """Whether the caller may give the new owner of an account the open opportunities at it, each by itself, too."""
    if after.owner_id is None or not await may(work, ACCOUNTS, before.id, "opportunities.write"):
        return False
    scope = work.actor.access.scope("opportunities.write")
    return await may_own(work, after.owner_id, permission="opportunities.read", scope=scope)


async def check_parent(work: UnitOfWork, parent_id: UUID | None) -> None:
    """Refuse a parent that does not exist, or that the caller may not know to exist: it is the same to them."""
    if parent_id is not None and parent_id not in await ACCOUNTS.get_referred(work, [parent_id]):
        raise invalid_field("account.parent_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")


def change_account_status(work: UnitOfWork, before: Account, status: Status) -> Account:
    """Move an account to another status of business."""
    after = before.change_status(status)
    return ACCOUNTS.save(work, before, after, events.AccountStatusChanged, old_status=before.status)


async def confirm_account_fields(work: UnitOfWork, before: Account, checks: Sequence[FieldCheck]) -> Account:
    """Note that values of an account are still right."""
    after = before.confirm(checks, await fillable_with_custom(work, ACCOUNTS))
    after = judged(after, await rules_of(work, ACCOUNTS.collection))
    fields = [each.field for each in checks]
    return ACCOUNTS.save(work, before, after, events.AccountFieldsConfirmed, fields=fields)


async def adopt_account_source_value(work: UnitOfWork, id: UUID, value_id: UUID, *, etag: str) -> Account:
    """Give an account what a source says; where it has that already, note that it is right."""
    adoption = await adoption_of(work, ACCOUNTS, id, value_id, etag=etag)
    if adoption.agrees:
        return await confirm_account_fields(work, adoption.record, [adoption.check])
    return await update_account(work, adoption.record, adoption.values, checks=[adoption.check])


async def archive_account(work: UnitOfWork, before: Account) -> Account:
    """Put an account away."""
    after = before.archive()
    await follow_account(work, before, after)
    follow_keys(work, before, after)
    return ACCOUNTS.save(work, before, after, events.AccountArchived)


async def restore_account(work: UnitOfWork, before: Account) -> Account:
    """Bring an archived account back."""
    after = before.restore()
    await follow_account(work, before, after)
    follow_keys(work, before, after)
    return ACCOUNTS.save(work, before, after, events.AccountRestored)


def restrict_account(work: UnitOfWork, before: Account, reason: str) -> Account:
    """Let few see more of an account than its label."""
    return ACCOUNTS.save(work, before, before.restrict(reason), events.AccountRestricted)


def unrestrict_account(work: UnitOfWork, before: Account, reason: str) -> Account:
    """Open a restricted account."""
    return ACCOUNTS.save(work, before, before.unrestrict(reason), events.AccountUnrestricted)


async def restrict_by_rule(work: UnitOfWork) -> int:
    """Bring the next accounts to what the tenant's rule says now; how many there were."""
    rule = await get_restriction(work)
    found = await ACCOUNTS.get_many(work, await others_than(work, rule), scope=Scope.ALL)
    for before in found.values():
        after = before.ruled(takes=rule.takes(before.kind, before.value_tier))
        event = events.AccountRestricted if after.restricted else events.AccountUnrestricted
        # Its owner is not told: nobody gave them anything.
        ACCOUNTS.save(work, before, after, event, following=True)
    await work.flush_many()
    return len(found)


def put_external_ids(work: UnitOfWork, after: Account, before: Account | None = None) -> None:
    """Gather the rows that keep the account's keys in other systems unique, one for each source.

    A key that changes is one UPDATE: what is deleted and what is inserted in one statement have no order.
    """
    old = {each.source: each.value for each in before.external_ids} if before else {}
    new = {each.source: each.value for each in after.external_ids}
    for source in old.keys() - new.keys():
        work.delete(account_external_ids, source=source, value=old[source])
    for source in new.keys() - old.keys():
        work.insert(account_external_ids, {"source": source, "value": new[source], "account_id": after.id})
    for source in old.keys() & new.keys():
        if old[source] != new[source]:
            work.execute(change_key(), source=source, old_value=old[source], value=new[source])


@statement
def change_key() -> Any:
    keys = account_external_ids
    return (
        update(keys)
        .where(
            keys.c.tenant_id == bindparam("tenant_id"),
            keys.c.source == bindparam("source"),
            keys.c.value == bindparam("old_value"),
        )
        .values(value=bindparam("value"))
    )
