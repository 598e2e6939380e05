"""The one place that hands out connections, each with its tenant set.

The tenant stays on a connection when it goes back to the pool and is set again only when the next user's
differs: one round trip saved on nearly every request, and unset still fails closed.
"""

import asyncio
import dataclasses
import functools
import operator
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import asyncpg
import orjson
from asyncpg.pool import PoolAcquireContext

from crm_kit.database.failures import REPORTED, UNAVAILABLE
from crm_kit.database.known_names import KnownNames
from crm_kit.database.places import Places, PlacesOfTenants
from crm_kit.database.statements import Statement
from crm_kit.database.tables import Violation
from crm_kit.durations import duration_text
from crm_kit.errors import Unavailable

Record = asyncpg.Record
if TYPE_CHECKING:
    Base = asyncpg.Connection[Record]
else:
    Base = asyncpg.Connection
ALL_TENANTS = "*"
ACQUIRE_SECONDS = 5
CHECK_SECONDS = 3
MAX_STATEMENT_BYTES = 32 * 1024
"""Of a text that stays prepared: that of several rows of a table with many columns."""
HAS_TABLES = "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) AS name"


class Connection(Base):
    """A pooled connection that remembers the tenant set on it."""

    tenant: str = ""

    async def become(self, tenant: str) -> None:
        """Let this connection see the rows of `tenant` from now on."""
        self.tenant = ""
        await self.execute("SELECT set_config('crm.tenant_id', $1, false)", tenant)
        self.tenant = tenant

    def get_reset_query(self) -> str:
        """Nothing to reset: a session holds the tenant only. The default query costs as much as a read."""
        return ""


def json_bytes(value: object) -> bytes:
    """JSON of plain values and dataclasses, in the form PostgreSQL takes as jsonb."""
    return b"\x01" + orjson.dumps(value, default=_plain)


def plain_json(value: object) -> object:
    """What a jsonb column that gets this value has afterwards."""
    return orjson.loads(orjson.dumps(value, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, frozenset | set | tuple):
        return list(value)
    return duration_text(value) if isinstance(value, timedelta) else str(value)


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=json_bytes,
        decoder=lambda data: orjson.loads(data[1:]),
    )


class Database:
    """A pool on one database. `violations` says what a refused constraint means to a caller."""

    def __init__(self, url: str, *, violations: Mapping[str, Violation], size: int = 10) -> None:
        self._url = url
        self._size = size
        self._pool: asyncpg.Pool[Record] | None = None
        self._probe: asyncpg.Connection[Record] | None = None
        # So many may read at once what no index serves: the others are for whoever knows what to look for.
        self.scans = Places(max(1, size // 3))
        # Of one tenant: however long its requests take, a few are left for the others.
        self._of_tenants = PlacesOfTenants(size - max(1, size // 5))
        self.violations = violations
        self.known_names = KnownNames()

    async def open(self) -> None:
        """Connect. Raises Unavailable while the database does not answer."""
        if self._pool is not None:
            return
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                record_class=Record,
                min_size=1,
                max_size=self._size,
                connection_class=Connection,
                init=_prepare,
                max_cacheable_statement_size=MAX_STATEMENT_BYTES,
                command_timeout=30,
                timeout=5,
                server_settings={"application_name": "guanxi", "jit": "off"},
            )
        except (*UNAVAILABLE, TimeoutError, asyncpg.PostgresError) as error:
            # Whatever it is, a database that is not there yet, rights that are granted later: it may be put right.
            raise Unavailable(f"the database does not answer: {type(error).__name__}") from error

    async def has_tables(self, names: Collection[str]) -> bool:
        """Ask the database for tables, on a connection of its own: others may wait for theirs.

        Raises Unavailable when it does not answer.
        """
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                if self._probe is None or self._probe.is_closed():
                    settings = {"application_name": "guanxi readiness"}
                    self._probe = await asyncpg.connect(self._url, timeout=CHECK_SECONDS, server_settings=settings)
                there: bool = await self._probe.fetchval(HAS_TABLES, list(names))
                return there
        except (*UNAVAILABLE, TimeoutError, asyncpg.PostgresError) as error:
            # A connection to a server that is gone without a word would be waited for until TCP gives up.
            self._end_probe()
            raise Unavailable(f"the database does not answer: {type(error).__name__}") from error

    def _end_probe(self) -> None:
        if self._probe is not None:
            self._probe.terminate()
            self._probe = None

    async def close(self) -> None:
        """Give all connections back and close them."""
        self._end_probe()
        if self._pool is not None:
            await self._pool.close()

    def connection(self, tenant: UUID | str) -> "Use":
        """A connection that sees this tenant's rows, in the block; `ALL_TENANTS` sees plumbing across tenants."""
        return Use(self, tenant)

    async def all(self, tenant: UUID | str, query: Statement, values: Mapping[str, Any]) -> list[Record]:
        """All rows of one statement, outside any transaction."""
        async with Use(self, tenant) as connection:
            return await connection.fetch(query.sql, *query.arguments(values))

    async def now(self) -> datetime:
        """What the database's clock shows."""
        async with self.connection(ALL_TENANTS) as connection:
            time: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return time

    async def place(self, tenant: UUID | str) -> asyncio.Semaphore | None:
        """A place among those of the tenant, to be released; TimeoutError when none is free in time."""
        if tenant == ALL_TENANTS:
            return None
        places = self._of_tenants.of(tenant)
        if places.locked():
            async with asyncio.timeout(ACQUIRE_SECONDS):
                await places.acquire()
        else:
            await places.acquire()
        return places

    def from_pool(self) -> "PoolAcquireContext[Record]":
        """A connection of the pool, to be awaited and released as asyncpg says; TimeoutError as for a place."""
        if self._pool is None:
            raise Unavailable("the database is not connected yet")
        # A time limit costs a task and a timer: where a connection lies ready there is nothing to wait for.
        return self._pool.acquire() if self._pool.get_idle_size() else self._pool.acquire(timeout=ACQUIRE_SECONDS)


class Use:
    """The use of a connection from `async with` on.

    What the database could not do meanwhile is raised as what it means to a caller. Every request has one, and more:
    a class takes a third of the time that a generator does.
    """

    __slots__ = ("_acquired", "_database", "_place", "_tenant")

    def __init__(self, database: Database, tenant: UUID | str) -> None:
        self._database = database
        self._tenant = tenant
        self._place: asyncio.Semaphore | None = None
        self._acquired: PoolAcquireContext[Record]

    async def __aenter__(self) -> Connection:
        with REPORTED:
            self._place = await self._database.place(self._tenant)
            try:
                self._acquired = self._database.from_pool()
                connection = await self._acquired.__aenter__()
                try:
                    return await _seeing(self._tenant, connection)
                except BaseException as error:
                    await self._acquired.__aexit__(type(error), error, None)
                    raise
            except BaseException:
                self._leave()
                raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with REPORTED:
            try:
                await self._acquired.__aexit__(kind, error, trace)
            finally:
                self._leave()
        REPORTED.__exit__(kind, error, trace)

    def _leave(self) -> None:
        if self._place is not None:
            self._place.release()


async def _seeing(tenant: UUID | str, proxy: object) -> Connection:
    # The pool hands out a proxy per use; the tenant is remembered on what is behind it.
    connection = cast("Connection", proxy)
    wanted = str(tenant)
    if connection.tenant != wanted:
        await connection.become(wanted)
    return connection


def row_of(entity: Any) -> dict[str, Any]:
    """The column values of an entity: its fields by name."""
    kind: Any = type(entity)
    names, read = _fields_of(kind)
    return dict(zip(names, read(entity), strict=True))


@functools.cache
def _fields_of(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """The names of an entity's fields, and what reads them all at once."""
    names = tuple(field.name for field in dataclasses.fields(kind))
    # Two names at least make `attrgetter` answer with a tuple; every entity has more.
    return names, operator.attrgetter(*names)
