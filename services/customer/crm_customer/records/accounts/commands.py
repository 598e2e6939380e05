"""Every write on accounts. Each function is one transaction's work: row, history, search and event together."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owner_team
from crm_kit.errors import invalid_field
from crm_kit.events.outbox import emit
from crm_kit.history import changed_fields, record_change
from crm_kit.ids import new_id
from google.protobuf.message import Message
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_customer.records.accounts.model import Account, ExternalId, Kind, Status, dated
from crm_customer.records.accounts.queries import get_account, get_accounts
from crm_customer.records.accounts.tables import PROJECTIONS, account_external_ids, account_search, accounts
from crm_customer.records.accounts.wire import account_created, account_status_changed, account_updated
from crm_customer.records.contacts.queries import names_at_account
from crm_customer.records.search.candidates import owner_token, stored_tokens, team_token
from crm_customer.records.search.terms import AccountTexts, index_tokens

# What an account is found by, and by whom.
SEARCHED = frozenset(
    {
        "display_name",
        "legal_name",
        "short_name",
        "credit_code",
        "phone_numbers",
        "emails",
        "external_ids",
        "owner_id",
        "owner_team_id",
    }
)


async def create_account(work: UnitOfWork, *, kind: Kind, display_name: str, values: dict[str, Any]) -> Account:
    """Create an account from the values of its other fields; the caller becomes its owner unless one is named."""
    owner_id = values.get("owner_id") or work.actor.user_id
    team_id = await owner_team(work, owner_id, field="account.owner_id")
    await check_parent(work, values)
    account = Account(
        id=new_id(),
        kind=kind,
        display_name=display_name,
        create_time=work.now,
        update_time=work.now,
        **dated(values, work.now) | {"owner_id": owner_id, "owner_team_id": team_id},
    )
    account.check()
    work.insert(accounts, stored(account))
    for external_id in account.external_ids:
        work.insert(account_external_ids, external_id_row(account.id, external_id))
    put_search_tokens(work, account, contact_names=())
    record_change(work, "account", action="CREATED", before=None, after=account)
    announce(work, account, account_created(account))
    return account


async def update_account(work: UnitOfWork, id: UUID, values: dict[str, Any], *, etag: str = "") -> Account:
    """Change some fields of an account; nothing is written when nothing changes."""
    before = await get_account(work, id)
    if "owner_id" in values:
        values["owner_id"] = values["owner_id"] or before.owner_id
        values["owner_team_id"] = await owner_team(work, values["owner_id"], field="account.owner_id")
    await check_parent(work, values)
    after = before.update(values, now=work.now, etag=etag)
    if after is before:
        return before
    for gone in set(before.external_ids) - set(after.external_ids):
        work.delete(account_external_ids, source=gone.source, value=gone.value)
    for added in set(after.external_ids) - set(before.external_ids):
        work.insert(account_external_ids, external_id_row(id, added))
    names = changed_fields(before, after)
    if not SEARCHED.isdisjoint(names):
        # A contact of the account that changes at this moment writes the same search row.
        await advisory_lock(work, f"account_search {id}")
        put_search_tokens(work, after, contact_names=await names_at_account(work, id))
    return save(work, before, after, "UPDATED", account_updated(after, names))


async def check_parent(work: UnitOfWork, values: dict[str, Any]) -> None:
    """Refuse a parent that does not exist, or that the caller may not know to exist: it is the same to them."""
    parent_id = values.get("parent_id")
    if parent_id is not None and parent_id not in await get_accounts(work, [parent_id]):
        raise invalid_field("account.parent_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")


async def change_account_status(work: UnitOfWork, id: UUID, status: Status, *, etag: str = "") -> Account:
    """Move an account to another status of business."""
    before = await get_account(work, id)
    return save_status(work, before, before.change_status(status, now=work.now, etag=etag), "STATUS_CHANGED")


async def archive_account(work: UnitOfWork, id: UUID, *, etag: str = "") -> Account:
    """Put an account away."""
    before = await get_account(work, id)
    return save_status(work, before, before.archive(now=work.now, etag=etag), "ARCHIVED")


async def restore_account(work: UnitOfWork, id: UUID, *, etag: str = "") -> Account:
    """Bring an archived account back."""
    before = await get_account(work, id)
    return save_status(work, before, before.restore(now=work.now, etag=etag), "RESTORED")


def save_status(work: UnitOfWork, before: Account, after: Account, action: str) -> Account:
    """Write a change of status, if it is one."""
    if after is before:
        return before
    return save(work, before, after, action, account_status_changed(after, before.status))


def save(work: UnitOfWork, before: Account, after: Account, action: str, event: Message) -> Account:
    """Gather row, history and event of a changed account; it must still be what was read."""
    work.save(accounts, stored(after), version=before.version)
    record_change(work, "account", action=action, before=before, after=after)
    announce(work, after, event)
    return after


def announce(work: UnitOfWork, account: Account, event: Message) -> None:
    """Gather the event of what became true of the account."""
    emit(work, event, aggregate_type="account", id=account.id, version=account.version)


def stored(account: Account) -> dict[str, Any]:
    """The account's row. Projections are not in it: consumers write them beside us."""
    return {name: value for name, value in row_of(account).items() if name not in PROJECTIONS}


def external_id_row(account_id: UUID, external_id: ExternalId) -> dict[str, Any]:
    """The row that keeps a key unique."""
    return {"source": external_id.source, "value": external_id.value, "account_id": account_id}


def put_search_tokens(work: UnitOfWork, account: Account, *, contact_names: tuple[str, ...]) -> None:
    """Make the account findable by what it is called now, for those who may see it."""
    texts = texts_of(account, contact_names)
    tokens = set(index_tokens(texts))
    tokens |= {owner_token(account.owner_id)} if account.owner_id else set()
    tokens |= {team_token(account.owner_team_id)} if account.owner_team_id else set()
    row = row_of(texts) | {
        "account_id": account.id,
        "tokens": stored_tokens(work.tenant_id, account.id, tokens),
    }
    work.execute(put_search_row(tuple(row)), **row)


def texts_of(account: Account, contact_names: tuple[str, ...]) -> AccountTexts:
    """Everything the account is found by."""
    names = (account.display_name, account.legal_name, account.short_name)
    keys = tuple(each.value for each in account.external_ids)
    return AccountTexts(
        names=tuple(name for name in names if name),
        contact_names=contact_names,
        phone_numbers=account.phone_numbers,
        emails=account.emails,
        external_ids=(*keys, account.credit_code) if account.credit_code else keys,
    )


@statement
def put_search_row(columns: tuple[str, ...]) -> Any:
    fresh = insert(account_search).values({name: bindparam(name) for name in ("tenant_id", *columns)})
    return fresh.on_conflict_do_update(
        index_elements=[account_search.c.tenant_id, account_search.c.account_id],
        set_={name: fresh.excluded[name] for name in columns if name != "account_id"},
    )
