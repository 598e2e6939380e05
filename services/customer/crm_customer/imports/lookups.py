"""What rows refer to: accounts by their external ids, owners and parents by what people call them."""

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

from crm_kit.collation.keys import collation_key
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import InvalidArgument, NotFound, invalid_field
from crm_kit.identity.access import Scope, visible
from crm_kit.keys import tidied_code
from crm_kit.plumbing import access_users
from sqlalchemy import Select, bindparam, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text, Uuid

from crm_customer.imports.spreadsheets.rows import AccountRow
from crm_customer.records.accounts.model import Account
from crm_customer.records.accounts.queries import find_by_external_id
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.tables import account_external_ids, accounts

Key = tuple[str, str]


@statement
def accounts_by_keys() -> Select[Any]:
    keys = account_external_ids
    arrays = (bindparam(name, type_=ARRAY(Text)) for name in ("sources", "values"))
    asked = func.unnest(*arrays).table_valued("source", "value", name="asked").render_derived()
    return select(keys.c.source, keys.c.value, keys.c.account_id).where(
        keys.c.tenant_id == bindparam("tenant_id"),
        tuple_(keys.c.source, keys.c.value).in_(select(asked.c.source, asked.c.value)),
    )


@statement
def users_by_name() -> Select[Any]:
    users = access_users.c
    return (
        select(users.id)
        .where(
            users.tenant_id == bindparam("tenant_id"),
            users.active,
            or_(
                users.id == bindparam("id", type_=Uuid),
                users.login == func.lower(bindparam("name", type_=Text)),
                users.display_name == bindparam("name"),
            ),
        )
        .limit(2)
    )


@statement
def name_of_user() -> Select[Any]:
    users = access_users.c
    return select(users.display_name).where(
        users.tenant_id == bindparam("tenant_id"), users.id == bindparam("id", type_=Uuid)
    )


@statement
def accounts_by_name(scope: Scope) -> Select[Any]:
    return (
        select(accounts.c.id)
        .where(
            accounts.c.tenant_id == bindparam("tenant_id"),
            # The index is of keys.
            accounts.c.display_name_key == bindparam("name_key"),
            accounts.c.display_name == bindparam("name"),
            accounts.c.status.not_in(["ARCHIVED", "MERGED"]),
            visible(accounts, scope),
        )
        .limit(2)
    )


def key_taken() -> InvalidArgument:
    """A row has the key of another account."""
    return invalid_field("account.external_ids", "unique", "another account has it already", reason="EXTERNAL_ID_TAKEN")


class Known:
    """The accounts that some rows' ids and external ids name, as they are now."""

    def __init__(self, ids: dict[Key, UUID], seen: dict[UUID, Account]) -> None:
        self._ids = ids
        self._seen = seen

    @property
    def account_ids(self) -> Collection[UUID]:
        """The accounts that the user may see."""
        return self._seen.keys()

    def account_of(self, row: AccountRow) -> Account | None:
        """The one account that the row's id and external ids name; None for new ones.

        NotFound when the user may not see it, or the id is none; InvalidArgument when they name several.
        """
        ids = {self._ids[key] for key in row.external_ids if key in self._ids}
        if row.id:
            if ids - {UUID(row.id)}:
                raise key_taken()
            ids.add(UUID(row.id))
        if not ids:
            return None
        if len(ids) > 1:
            raise invalid_field("account.external_ids", "unique", "the row's keys are those of different accounts")
        account = self._seen.get(ids.pop())
        if account is None:
            place = "account.id" if row.id else "account.external_ids"
            raise NotFound(f"{place}: there is no account with this key that is yours", reason="ACCOUNT_NOT_FOUND")
        return account

    def taken(self, row: AccountRow) -> Key | None:
        """An external id of the row that an account has already."""
        return next((key for key in row.external_ids if key in self._ids), None)


async def known_accounts(reader: Reader, rows: Iterable[AccountRow]) -> Known:
    """The accounts that the rows' ids and external ids name."""
    told = list(rows)
    keys = [key for row in told for key in row.external_ids]
    found = await ids_by_key(reader, keys) if keys else {}
    ids = {*found.values(), *(UUID(row.id) for row in told if row.id)}
    return Known(found, await ACCOUNTS.get_many(reader, ids) if ids else {})


async def ids_by_key(reader: Reader, keys: Collection[Key]) -> dict[Key, UUID]:
    """The accounts that have keys in other systems."""
    sources, values = zip(*keys, strict=True)
    found = await reader.all(accounts_by_keys(), sources=list(sources), values=list(values))
    return {(each["source"], each["value"]): each["account_id"] for each in found}


class Lookups:
    """Users and parents of the rows of one import; what was found once is remembered while it runs."""

    def __init__(self, external_source: str) -> None:
        self._source = external_source
        self._users: dict[str, UUID] = {}
        self._names: dict[UUID, str | None] = {}
        # What rows of a dry run would have created, and later rows may name as their parent.
        self.imagined: set[str] = set()
        # Of the rows that would have created an account, whose it would be: owner, team; and whether it is restricted.
        self.imagined_rows: dict[int, tuple[UUID | None, UUID | None, bool]] = {}

    async def user(self, reader: Reader, name: str, *, field: str) -> UUID:
        """The active user with this login, name or id; InvalidArgument for none and for several."""
        if name not in self._users:
            rows = await reader.all(users_by_name(), name=name, id=id_of(name))
            self._users[name] = the_one([row["id"] for row in rows], field, "active user", name)
        return self._users[name]

    async def owner_name(self, reader: Reader, id: UUID) -> str | None:
        """What a user is called, whether active or not; None where that is not known."""
        if id not in self._names:
            row = await reader.one(name_of_user(), id=id)
            self._names[id] = row["display_name"] if row else None
        return self._names[id]

    async def parent(self, work: UnitOfWork, name: str) -> UUID | None:
        """The account with this external id, name or id; InvalidArgument for none and for several."""
        found = await self._accounts(work, name)
        if not found and work.pending:
            # An earlier row may have it, not yet sent.
            await work.flush_many()
            found = await self._accounts(work, name)
        if not found and name in self.imagined:
            return None
        return the_one(found, "account.parent_id", "account", name)

    async def _accounts(self, reader: Reader, name: str) -> Collection[UUID]:
        id = await find_by_external_id(reader, self._source, tidied_code(name)) or id_of(name)
        if id is not None and await ACCOUNTS.get_referred(reader, [id]):
            return [id]
        scope = ACCOUNTS.referred_scope(reader)
        if scope is None:
            return []
        rows = await reader.all(accounts_by_name(scope), name=name, name_key=collation_key(name))
        return [row["id"] for row in rows]


def id_of(text: str) -> UUID | None:
    """The id that a cell names, as exports have it; None when it names none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def the_one(found: Collection[UUID], field: str, noun: str, name: str) -> UUID:
    """The only one found."""
    if len(found) == 1:
        return next(iter(found))
    detail = f"several {noun}s are called {name!r}" if found else f"there is no {noun} {name!r}"
    error: InvalidArgument = invalid_field(field, "reference", detail, reason="REFERENCE_NOT_FOUND")
    raise error
