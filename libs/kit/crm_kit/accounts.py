"""Accounts as the other services know them from the customer service: what they are called, and whose they are."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Index,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    exists,
    false,
    literal,
    or_,
    select,
)

from crm_kit.account_members import account_members_table, follow_account_members
from crm_kit.custom_fields.definitions import Require
from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.tables import Kept, tenant_table
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.etags import version_of
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying
from crm_kit.identity.access import Scope, visible
from crm_kit.identity.membership import with_members
from crm_kit.ids import id_from_text
from crm_kit.projections import Projection, put_newest
from crm_kit.resource.reach import Reach, at_one_of_owned, at_open, at_owned, ids_at_owned, ids_of_owned
from crm_kit.rpc.clients import ServiceClient
from crm_kit.wire import id_from

PUT_AWAY = (pb.Account.STATUS_ARCHIVED, pb.Account.STATUS_MERGED)
# What is seen with an account, as permissions call it; the owner of the account has it with the account. Of leads what
# its timeline shows: who they were, and what was said to them.
FOLLOWING = frozenset(
    {
        "calls",
        "cases",
        "contacts",
        "credit",
        "inbound_messages",
        "interactions",
        "leads",
        "opportunities",
        "orders",
        "outbound_messages",
        "payments",
        "price_books",
        "quotes",
        "scores",
        "visits",
    }
)
GET_ACCOUNT = "/crm.customer.v1.AccountService/GetAccount"


@dataclass(frozen=True, slots=True)
class Account:
    """What is kept of an account; `version` is that of the customer service.

    `archived` is one that was merged into another, too.
    """

    id: UUID
    display_name: str
    owner_id: UUID | None
    owner_team_id: UUID | None
    archived: bool
    restricted: bool
    version: int

    def require_in_use(self) -> None:
        """FailedPrecondition ACCOUNT_ARCHIVED when it was archived, or merged into another."""
        if self.archived:
            raise account_archived()


Accounts = Projection[Account]
OnChanged = Callable[[UnitOfWork, pb.Account, int], None]
OnOwnerChanged = Callable[[UnitOfWork, Event, events.AccountOwnerChanged], Awaitable[None]]


def accounts_table(metadata: MetaData) -> Table:
    """The table of a service's accounts, which come with their members."""
    table = tenant_table(
        "accounts",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("owner_id", Uuid),
        Column("owner_team_id", Uuid),
        Column("archived", Boolean, nullable=False, server_default=false()),
        Column("restricted", Boolean, nullable=False, server_default=false()),
        # Of the event that said so; an older one changes nothing.
        Column("version", Integer, nullable=False),
        retention=Kept("accounts, as customer has them"),
    )
    with_members(table, account_members_table(metadata))
    Index("accounts_owner_index", table.c.tenant_id, table.c.owner_id)
    Index("accounts_restricted_index", table.c.tenant_id, table.c.id, postgresql_where=table.c.restricted)
    Index("accounts_owner_team_index", table.c.tenant_id, table.c.owner_team_id)
    return table


def accounts_from(customer: ServiceClient, table: Table) -> Accounts:
    """Accounts of the table, and of the customer service those whose event has not come yet."""

    async def fetch(id: UUID) -> Account:
        found = await customer.call(GET_ACCOUNT, pb.GetAccountRequest(id=str(id)), pb.Account)
        return account_from_pb(found, version=version_of(found.etag) or 0)

    return Projection(table, Account, fetch)


def follow_accounts(
    consumers: Consumers,
    table: Table,
    *,
    on_changed: OnChanged | None = None,
    on_owner_changed: OnOwnerChanged | None = None,
    on_restored: Callable[[UnitOfWork, UUID], None] | None = None,
) -> None:
    """Subscribe to every event that tells of an account, or of a member of its team.

    `on_owner_changed` is called for new owners as well.

    In the transaction in which the account is written, and for an older event after a newer one, too. So are
    `on_changed`, with the account and its version, and `on_restored` for accounts that are in use again, which both
    only gather.
    """

    def account_changed(work: UnitOfWork, event: Event, changed: Any) -> None:
        put_newest(work, table, row_of(account_from_pb(changed.account, version=event.aggregate_version)))
        if on_changed is not None:
            on_changed(work, changed.account, event.aggregate_version)
        if on_restored is not None and isinstance(changed, events.AccountRestored):
            on_restored(work, UUID(changed.account.id))

    follow_account_members(consumers, table)
    for payload in events_carrying(events, pb.Account):
        if payload is not events.AccountOwnerChanged or on_owner_changed is None:
            consumers.project(payload, account_changed)
    if on_owner_changed is None:
        return
    follow_owner = on_owner_changed

    async def owner_changed(work: UnitOfWork, event: Event, changed: events.AccountOwnerChanged) -> None:
        account_changed(work, event, changed)
        await follow_owner(work, event, changed)

    consumers.on(events.AccountOwnerChanged, owner_changed)


def reached_with_account(table: Table, accounts: Table) -> Reach:
    """Who may see what is done at an account: its owner, who sees the account, and the teams above its owner.

    Each as far as the scope of the permission goes that is asked for. What is at a restricted account only those see to
    whom that is open, whoever has it.
    """

    def each(scope: Scope) -> ColumnElement[bool]:
        return or_(visible(table, scope), at_owned(table, table.c.account_id, accounts, scope))

    def ways(scope: Scope) -> list[Select[Any]]:
        return [*ids_of_owned(table, scope), *ids_at_owned(table, table.c.account_id, accounts, scope)]

    def of_many(scope: Scope) -> ColumnElement[bool]:
        return or_(visible(table, scope), at_one_of_owned(table.c.account_id, accounts, scope))

    def open_to(scope: Scope) -> ColumnElement[bool]:
        return at_open(table, table.c.account_id, accounts, scope)

    return Reach(table, each, ways, of_many, open=open_to)


async def require_account(work: UnitOfWork, accounts: Accounts, id: UUID, *, field: str) -> Account:
    """The account that a field of a request names; REFERENCE_NOT_FOUND unless the caller sees such an account.

    Call it before anything is gathered: while the customer service is asked, no connection is held.
    """
    return await accounts.require(work, id, field=field, scope=work.actor.access.scope("accounts.read"))


async def require_account_in_use(work: UnitOfWork, accounts: Accounts, id: UUID, *, field: str) -> Account:
    """As `require_account`, for what begins with an account; ACCOUNT_ARCHIVED as by `check_in_use`."""
    account = await require_account(work, accounts, id, field=field)
    account.require_in_use()
    keep_in_use(work, accounts, id)
    return account


async def check_in_use(work: UnitOfWork, accounts: Accounts, id: UUID) -> None:
    """ACCOUNT_ARCHIVED when the account of a record that the caller sees is archived, whoever sees the account.

    Also when that is heard of before the unit commits.
    """
    account = await accounts.find(work, id, scope=Scope.ALL)
    if account is not None:
        account.require_in_use()
    keep_in_use(work, accounts, id)


def keep_in_use(work: UnitOfWork, accounts: Accounts, id: UUID) -> None:
    """Gather that the account is not archived when the unit commits; else it fails with ACCOUNT_ARCHIVED."""
    work.execute(not_archived(accounts.table), unmet=account_archived, id=id)


@statement
def not_archived(table: Table) -> Select[Any]:
    """A row unless the account is archived. It stays so until the transaction ends: whoever archives it waits."""
    account = (
        select(table.c.archived)
        .where(table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id"))
        .with_for_update(read=True)
        .cte("account")
    )
    return select(literal(1).label("in_use")).where(~exists().where(account.c.archived))


def account_archived() -> FailedPrecondition:
    """The error for what begins with an account that was archived, or merged into another."""
    return FailedPrecondition("the account is archived or merged into another", reason="ACCOUNT_ARCHIVED")


def account_reference(accounts: Accounts) -> Require:
    """What a custom field may refer to: an account that the caller sees."""

    async def require(work: UnitOfWork, id: UUID, *, field: str) -> None:
        await require_account(work, accounts, id, field=field)

    return require


def account_from_pb(account: pb.Account, *, version: int) -> Account:
    """What is kept of the customer service's message."""
    return Account(
        id=id_from_text(account.id),
        display_name=account.display_name,
        owner_id=id_from(account.owner_id),
        owner_team_id=id_from(account.owner_team_id),
        archived=account.status in PUT_AWAY,
        restricted=account.restricted,
        version=version,
    )
