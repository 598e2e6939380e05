"""What accounts are found by, and by whom."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.identity.access import Scope, is_closed
from crm_kit.identity.membership import as_member
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.records.accounts.model import Account, Status
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.tables import account_search, accounts
from crm_customer.records.search.candidates import ACCOUNT_SEARCH, owner_token, team_token
from crm_customer.records.search.searching import Labels, Search, Visible
from crm_customer.records.search.tables import put_found_by
from crm_customer.records.search.terms import RecordTexts, index_tokens

CONTACTS_READ = "contacts.read"
# Of the accounts that somebody is a member of; whoever works with more is searched for among all.
MAX_OWNERS = 100
MAX_CONTACT_NAMES = 100
"""Of so many contacts, the newest, an account is found by the names; contacts are found by their own search."""
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
# Of what is kept for a search, the fields that it has.
KEPT_TOGETHER: Mapping[str, frozenset[str]] = {
    "names": frozenset({"legal_name", "short_name"}),
    "phone_numbers": frozenset({"phone_numbers"}),
    "emails": frozenset({"emails"}),
    "external_ids": frozenset({"external_ids", "credit_code"}),
}
HIDDEN = frozenset({Status.ARCHIVED, Status.MERGED})


def found_by(reader: Reader, row: Record) -> RecordTexts:
    """What an account is found by. Its contacts count for those who see everybody at the accounts they see.

    Texts that are kept together, as names are, count only for those who see all of them, but for the first name.
    """
    texts = {name: tuple(row[name]) for name in ACCOUNT_SEARCH.texts}
    hidden = ACCOUNTS.hidden_from(reader)
    for name, fields in KEPT_TOGETHER.items():
        if not hidden.isdisjoint(fields):
            texts[name] = texts[name][:1] if name == "names" else ()
    access = reader.actor.access
    if not access.may(CONTACTS_READ) or access.scope(CONTACTS_READ) < reader.scope:
        texts["contact_names"] = ()
    return RecordTexts(**texts)


async def seen_by(reader: Reader) -> Visible:
    """The tokens of owners and teams whose accounts the reader may see; none when they see all of them.

    Of an account that they are a member of it is its owner's token, which others have that they do not see.
    """
    if reader.scope is Scope.ALL:
        return Visible()
    own = {owner_token(reader.actor.user_id)}
    teams = reader.actor.access.team_ids if reader.scope is Scope.TEAM else ()
    tokens = frozenset(own | {team_token(team) for team in teams})
    joined = await reader.all(owners_of_joined())
    if len(joined) > MAX_OWNERS:
        return Visible(is_exact=False)
    owners = {row["owner_id"] for row in joined if row["owner_id"]}
    owning = {row["owner_team_id"] for row in joined if not row["owner_id"] and row["owner_team_id"]}
    theirs = frozenset([*map(owner_token, owners), *map(team_token, owning)])
    return Visible(tokens | theirs, is_exact=not joined)


@statement
def owners_of_joined() -> Select[Any]:
    """Whose the accounts are that the reader is a member of."""
    return (
        select(accounts.c.owner_id, accounts.c.owner_team_id)
        .distinct()
        .where(accounts.c.tenant_id == bindparam("tenant_id"), *as_member(accounts))
        .limit(MAX_OWNERS + 1)
    )


async def sees_labels(reader: Reader) -> bool:
    """Whether there are accounts of which the reader sees the label only; never but for who has the scope ALL."""
    if reader.scope is not Scope.ALL or reader.actor.access.reads_restricted:
        return False
    return await reader.one(some_closed()) is not None


async def labels_among(reader: Reader, ids: Collection[UUID]) -> set[UUID]:
    """Those of the accounts of which the reader sees the label only."""
    return {row["id"] for row in await reader.all(closed_among(), ids=list(ids))}


@statement
def some_closed() -> Select[Any]:
    return _closed().limit(1)


@statement
def closed_among() -> Select[Any]:
    return _closed().where(accounts.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))


def _closed() -> Select[Any]:
    return select(accounts.c.id).where(accounts.c.tenant_id == bindparam("tenant_id"), is_closed(accounts, Scope.ALL))


def label_of(texts: RecordTexts) -> RecordTexts:
    """What an account is found by of which the reader sees the label only: its first name is what it is called."""
    return RecordTexts(names=texts.names[:1])


# Which contacts are closed to the reader contacts know: `ACCOUNT_SEARCH` of theirs is what is answered by.
LABELS = Labels(sees_labels, labels_among, label_of)
SEARCH = Search(ACCOUNTS, ACCOUNT_SEARCH, found_by, visible=seen_by, labels=LABELS)


async def follow_account(
    work: UnitOfWork, before: Account, after: Account, *, contact_names: tuple[str, ...] | None = None
) -> None:
    """Make a changed account findable by what it is called now; its contacts stay as they were.

    `contact_names` are theirs if the caller holds the account's search row and has read them since.
    """
    hides = (before.status in HIDDEN) is not (after.status in HIDDEN)
    if not hides and SEARCHED.isdisjoint(ACCOUNTS.changed_fields(before, after)):
        return
    if contact_names is None:
        # A contact of the account that changes at this moment writes the same row.
        await lock_search_rows(work, after.id)
        row = await work.one(stored_contact_names(), account_id=after.id)
        contact_names = tuple(row["contact_names"]) if row else ()
    put_search_row(work, after, contact_names=contact_names)


async def lock_search_rows(work: UnitOfWork, *account_ids: UUID) -> None:
    """Let nobody else write what these accounts are found by until this unit ends: a row has several writers."""
    await advisory_lock(work, *(f"account_search {id}" for id in account_ids))


def put_search_row(work: UnitOfWork, account: Account, *, contact_names: tuple[str, ...]) -> None:
    """Make the account findable by what it is called now, for those who may see it."""
    texts = texts_of(account, contact_names[-MAX_CONTACT_NAMES:])
    tokens = index_tokens(texts)
    tokens.update(owner_tokens(account))
    put_found_by(work, ACCOUNT_SEARCH, account_search, account.id, texts, tokens, put_away=account.status in HIDDEN)


def owner_tokens(account: Account) -> Iterator[str]:
    """What those look an account up by who see only their own, or their team's."""
    if account.owner_id:
        yield owner_token(account.owner_id)
    if account.owner_team_id:
        yield team_token(account.owner_team_id)


def texts_of(account: Account, contact_names: tuple[str, ...]) -> RecordTexts:
    """Everything the account is found by."""
    names = (account.display_name, account.legal_name, account.short_name)
    keys = tuple(each.value for each in account.external_ids)
    return RecordTexts(
        names=tuple(name for name in names if name),
        contact_names=contact_names,
        phone_numbers=account.phone_numbers,
        emails=account.emails,
        external_ids=(*keys, account.credit_code) if account.credit_code else keys,
    )


@statement
def stored_contact_names() -> Select[Any]:
    return select(account_search.c.contact_names).where(
        account_search.c.tenant_id == bindparam("tenant_id"), account_search.c.account_id == bindparam("account_id")
    )
