"""A unit of work: what a command reads, and the rows it gathers to be written together.

Rows are gathered, not sent: on commit they go as ONE statement (each row a common table expression), which
PostgreSQL runs as one transaction and one round trip. A command that must read its own writes calls `flush`,
and the unit becomes an ordinary transaction; so it does for more rows than one statement can carry.
"""

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol, TypeVar
from uuid import UUID

from asyncpg.transaction import Transaction
from google.protobuf.message import Message
from sqlalchemy import Table

from crm_kit.database.connections import Connection, Database, Record, Use
from crm_kit.database.failures import UNAVAILABLE, Translated, UnmetError
from crm_kit.database.statements import Statement, texts_of
from crm_kit.database.write_statements import (
    OUTBOX_CHANNEL,
    checked_statement,
    delete_rows,
    insert_row,
    join_statements,
    replace_row,
)
from crm_kit.errors import Conflict, CrmError
from crm_kit.identity.access import ALL_RIGHTS, Actor, Scope
from crm_kit.identity.membership import READING, WRITING
from crm_kit.proposed import Proposed
from crm_kit.zones import day_in

Result = TypeVar("Result")
CONFLICT_TRIES = 10
MAX_JOINED = 50
"""Statements that are joined into one text, which carries 32,767 parameters at most; more go as by `flush_many`."""


class Reader(Protocol):
    """What a query needs: whose rights it reads by, and the two ways to fetch.

    Statements may use `now`, the tenant's `today`, `memberships`, and what the actor binds, such as `tenant_id`,
    without being given them.
    """

    actor: Actor
    now: datetime
    database: Database
    # What a membership in the team of an account has to be for, so that it counts.
    memberships: Sequence[str]
    # Whether what it reads goes into a file, which somebody takes away.
    for_file: bool

    @property
    def names(self) -> Mapping[tuple[str, UUID], str]: ...
    @property
    def tenant_id(self) -> UUID: ...
    @property
    def scope(self) -> Scope: ...
    async def one(self, query: Statement, **values: Any) -> Record | None: ...
    async def all(self, query: Statement, **values: Any) -> list[Record]: ...


@dataclass(frozen=True, slots=True)
class PendingStatement:
    """One gathered statement. `unmet` is raised when it touches no row although it must."""

    statement: Statement
    values: Mapping[str, Any]
    unmet: Callable[[], CrmError] | None = None


class UnitOfWork:
    """One transaction's work for one actor. Use `Database`-wide `units()` or the RPC pipeline to get one."""

    def __init__(self, database: Database, actor: Actor, *, scope: Scope, now: datetime) -> None:
        self.database = database
        self.actor = actor
        self.scope = scope
        self.now = now
        self.memberships: Sequence[str] = WRITING
        self.for_file = False
        self.pending: list[PendingStatement] = []
        self.wakes_relay = False
        # The record that was written last, and the message that shows it: the answer is mostly the same.
        self.told: tuple[object, Message] | None = None
        # What this unit goes by from its first look on, so that all of it is decided by the same.
        self.known: dict[Any, Any] = {}
        # Called first when it commits; what they gather becomes true with everything else.
        self.before_commit: list[Callable[[UnitOfWork], Awaitable[None]]] = []
        # The automation rules that this follows from, as events that it tells have them.
        self.causes: Sequence[Any] = ()
        # Whether another service may be asked for what is not known here: a rule has nobody's token.
        self.asks_others = True
        # Of what follows from a change proposal, as the history has it.
        self.proposed: Proposed | None = None
        # The job that this is a part of: of what it does to many records people are told together.
        self.job_id: UUID | None = None
        # Called once everything is true; never when it did not become so.
        self.after_commit: list[Callable[[], None]] = []
        # What is gathered of display names, by table and record.
        self.names: dict[tuple[str, UUID], str] = {}
        self._use: Use | None = None
        self._connection: Connection | None = None
        self._transaction: Transaction | None = None

    @property
    def tenant_id(self) -> UUID:
        return self.actor.tenant_id

    # --- reading ---

    async def one(self, query: Statement, **values: Any) -> Record | None:
        """The first row, or None."""
        rows = await self.all(query, **values)
        return rows[0] if rows else None

    async def all(self, query: Statement, **values: Any) -> list[Record]:
        """All rows. What was gathered and not yet flushed is not seen."""
        connection = await self._connected()
        with Translated(self.database.violations):
            return await connection.fetch(query.sql, *query.arguments(binds_of(self) | values))

    # --- gathering ---

    def insert(self, table: Table, row: Mapping[str, Any]) -> None:
        """Add a row; the tenant is filled in."""
        self.execute(insert_row(table, tuple(row)), **row)

    def save(self, table: Table, row: Mapping[str, Any], *, version: int) -> None:
        """Replace the row with this `id` if it still has `version`; if not, the unit fails as Conflict."""
        self.execute(
            replace_row(table, tuple(row)),
            unmet=lambda: Conflict("it was changed by somebody else at the same time; try again"),
            expected_version=version,
            **row,
        )

    def delete(self, table: Table, **key: Any) -> None:
        """Remove the rows that have these values."""
        self.execute(delete_rows(table, tuple(key)), **key)

    def execute(self, query: Statement, *, unmet: Callable[[], CrmError] | None = None, **values: Any) -> None:
        """Gather any INSERT, UPDATE or DELETE; it must RETURN something when `unmet` is given."""
        self.pending.append(PendingStatement(query, self.actor.binds | values, unmet))

    def call(self, table: Table, id: UUID, name: str) -> None:
        """Gather what the record of a row is called from now on."""
        known_names, tenant_id = self.database.known_names, self.actor.tenant_id
        self.names[table.name, id] = name
        self.after_commit.append(lambda: known_names.forget(tenant_id, table.name, id))

    # --- sending ---

    async def flush(self) -> None:
        """Send what is gathered, inside a transaction, so that the unit can read it."""
        if len(self.pending) > MAX_JOINED:
            await self.flush_many()
            return
        connection = await self._connected()
        if self._transaction is None:
            self._transaction = connection.transaction()
            with Translated(self.database.violations):
                await self._transaction.start()
        await self._send(connection)

    async def flush_many(self) -> None:
        """As `flush`, for hundreds of rows: those of one statement go together, statements in their first rows' order.

        Joined into one text they would make it as long as they are many, and hardly ever the same twice.
        """
        pending, self.pending = self.pending, []
        await self.flush()
        connection = await self._connected()
        alike: dict[Statement, list[PendingStatement]] = {}
        for each in pending:
            alike.setdefault(each.statement, []).append(each)
        for query, same in alike.items():
            await self._send_alike(connection, query, same)
        if pending and self.wakes_relay:
            await connection.execute(f"SELECT pg_notify('{OUTBOX_CHANNEL}', '')")

    async def commit(self) -> None:
        """Make everything true at once, or nothing, however much it is."""
        for look in self.before_commit:
            await look(self)
        if len(self.pending) > MAX_JOINED:
            await self.flush_many()
        elif self.pending:
            await self._send(await self._connected())
        if self._transaction is not None:
            transaction, self._transaction = self._transaction, None
            with Translated(self.database.violations):
                await transaction.commit()
        for tell in self.after_commit:
            tell()

    def stand_in_for(self, other: "UnitOfWork") -> None:
        """Write what another unit was to write, as another actor: what was to be seen to then is seen to here."""
        self.before_commit, other.before_commit = other.before_commit, []

    @contextlib.contextmanager
    def acting_as(self, actor: Actor, scope: Scope) -> Iterator[None]:
        """What is read and gathered in the block is another's of the tenant, and becomes true with everything else."""
        before = self.actor, self.scope
        self.actor, self.scope = actor, scope
        try:
            yield
        finally:
            self.actor, self.scope = before

    @contextlib.contextmanager
    def accepting(self, proposed: Proposed) -> Iterator[None]:
        """What is gathered in the block was proposed by somebody else."""
        before, self.proposed = self.proposed, proposed
        try:
            yield
        finally:
            self.proposed = before

    @property
    def is_open(self) -> bool:
        """Whether a transaction has begun, in which something may have been written."""
        return self._transaction is not None

    @contextlib.asynccontextmanager
    async def undone(self) -> AsyncIterator[None]:
        """What is gathered and sent in the block is undone at its end; what was before stays, and is seen in it."""
        savepoint, forget = await self._begin_part()
        try:
            yield
        finally:
            forget()
            with contextlib.suppress(*UNAVAILABLE):
                await savepoint.rollback()

    @contextlib.asynccontextmanager
    async def whole(self) -> AsyncIterator[None]:
        """What is gathered and sent in the block stays where it ends well; where it fails, nothing of it does."""
        savepoint, forget = await self._begin_part()
        try:
            yield
            await self.flush()
        except BaseException:
            forget()
            with contextlib.suppress(*UNAVAILABLE):
                await savepoint.rollback()
            raise
        with Translated(self.database.violations):
            await savepoint.commit()

    async def _begin_part(self) -> tuple[Transaction, Callable[[], None]]:
        """A savepoint behind all that was gathered, and how to forget what is gathered after it."""
        await self.flush()
        savepoint = (await self._connected()).transaction()
        await savepoint.start()
        before, after = list(self.before_commit), list(self.after_commit)
        kept = self.wakes_relay, self.told, dict(self.known), dict(self.names)

        def forget() -> None:
            self.pending, self.before_commit, self.after_commit = [], before, after
            self.wakes_relay, self.told, self.known, self.names = kept

        return savepoint, forget

    async def release(self) -> None:
        """Give the connection back while something else is waited for; only before anything was flushed."""
        assert self._transaction is None, "a transaction keeps its connection"
        await self._give_back()

    async def close(self) -> None:
        """Roll back what is not committed and give the connection back."""
        try:
            if self._transaction is not None:
                with contextlib.suppress(*UNAVAILABLE):
                    await self._transaction.rollback()
        finally:
            await self._give_back()

    async def _send(self, connection: Connection) -> None:
        pending, self.pending = self.pending, []
        if not pending:
            return
        joined = join_statements(
            tuple(each.statement for each in pending),
            tuple(each.unmet is not None for each in pending),
            self.wakes_relay,
        )
        arguments = [value for each in pending for value in each.statement.arguments(each.values)]
        try:
            with Translated(self.database.violations):
                await connection.fetch(joined, *arguments)
        except UnmetError as error:
            unmet = pending[error.position].unmet
            assert unmet is not None
            raise unmet() from None

    async def _send_alike(self, connection: Connection, query: Statement, pending: list[PendingStatement]) -> None:
        unchecked = [query.arguments(each.values) for each in pending if each.unmet is None]
        checked = [
            [*query.arguments(each.values), index] for index, each in enumerate(pending) if each.unmet is not None
        ]
        try:
            with Translated(self.database.violations):
                for text, runs in texts_of(query, unchecked):
                    await connection.executemany(text, runs)
                if checked:
                    await connection.executemany(checked_statement(query), checked)
        except UnmetError as error:
            unmet = pending[error.position].unmet
            assert unmet is not None
            raise unmet() from None

    async def _connected(self) -> Connection:
        if self._connection is None:
            use = self.database.connection(self.actor.tenant_id)
            self._connection, self._use = await use.__aenter__(), use
        return self._connection

    async def _give_back(self) -> None:
        if self._use is not None:
            use, self._use, self._connection = self._use, None, None
            await use.__aexit__(None, None, None)


class ReadSession:
    """A reader outside any transaction: each statement takes a connection for itself."""

    names: Mapping[tuple[str, UUID], str] = MappingProxyType({})

    def __init__(
        self, database: Database, actor: Actor, *, scope: Scope, now: datetime, memberships: Sequence[str] = READING
    ) -> None:
        self.database = database
        self.actor = actor
        self.scope = scope
        self.now = now
        self.memberships = memberships
        self.for_file = False

    @property
    def tenant_id(self) -> UUID:
        return self.actor.tenant_id

    async def one(self, query: Statement, **values: Any) -> Record | None:
        """The first row, or None."""
        rows = await self.all(query, **values)
        return rows[0] if rows else None

    async def all(self, query: Statement, **values: Any) -> list[Record]:
        """All rows."""
        with Translated(self.database.violations):
            return await self.database.all(self.actor.tenant_id, query, binds_of(self) | values)


def binds_of(reader: Reader) -> dict[str, Any]:
    """What statements may use without being given it."""
    actor, now = reader.actor, reader.now
    today = day_of_work(actor.access.time_zone, now)
    return actor.binds | {"now": now, "today": today, "memberships": reader.memberships}


# The statements of a request have one instant.
day_of_work = functools.lru_cache(maxsize=64)(day_in)


@contextlib.contextmanager
def counting(reader: Reader, memberships: Sequence[str]) -> Iterator[None]:
    """In the block these memberships count, and not those for reading or, in a unit of work, for changing."""
    before, reader.memberships = reader.memberships, memberships
    try:
        yield
    finally:
        reader.memberships = before


@contextlib.contextmanager
def seeing_all(reader: Reader) -> Iterator[None]:
    """In the block the reader sees with the scope ALL what is closed to them, too: for what is decided, not shown."""
    before = reader.actor
    reader.actor = replace(before, access=replace(before.access, grants=ALL_RIGHTS))
    try:
        yield
    finally:
        reader.actor = before


@contextlib.asynccontextmanager
async def unit_of_work(database: Database, actor: Actor, *, scope: Scope, now: datetime) -> AsyncIterator[UnitOfWork]:
    """A unit of work that commits when the block ends well."""
    work = UnitOfWork(database, actor, scope=scope, now=now)
    try:
        yield work
        await work.commit()
    finally:
        await work.close()


async def retried(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Try again while others change the same thing at the same time; after many tries the Conflict stands."""
    for _ in range(CONFLICT_TRIES - 1):
        with contextlib.suppress(Conflict):
            return await attempt()
        # Full jitter, so that those who met do not meet again.
        await asyncio.sleep(random.uniform(0, 0.02))
    return await attempt()
