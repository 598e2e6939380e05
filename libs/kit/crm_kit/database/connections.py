"""The one place that hands out connections, each with its tenant set.

The tenant stays on a connection when it goes back to the pool and is set again only when the next user's
differs: one round trip saved on nearly every request, and unset still fails closed.
"""

import asyncio
import contextlib
import dataclasses
import functools
import operator
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import asyncpg
import orjson
from asyncpg.pool import PoolAcquireContext

from crm_kit.database.known_names import KnownNames
from crm_kit.database.statements import Statement
from crm_kit.database.tables import Violation
from crm_kit.durations import duration_text
from crm_kit.errors import InvalidArgument, Unavailable

Record = asyncpg.Record
if TYPE_CHECKING:
    Base = asyncpg.Connection[Record]
else:
    Base = asyncpg.Connection
ALL_TENANTS = "*"
ACQUIRE_SECONDS = 5
CHECK_SECONDS = 3
HAS_TABLES = "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) AS name"
UNAVAILABLE = (
    OSError,
    asyncpg.InterfaceError,
    # What a connection says whose server was killed in the middle of an answer.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # Too many connections, no memory, or no room on the disk.
    asyncpg.InsufficientResourcesError,
    # A file that could not be read or written.
    asyncpg.PostgresSystemError,
    # A replica that took over just now, or will.
    asyncpg.ReadOnlySQLTransactionError,
    # A database that is not there, or no more.
    asyncpg.InvalidCatalogNameError,
    # A password that was changed, here or there first.
    asyncpg.InvalidAuthorizationSpecificationError,
)


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
        self.scans = asyncio.Semaphore(max(1, size // 3))
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

    @contextlib.asynccontextmanager
    async def connection(self, tenant: UUID | str) -> AsyncIterator[Connection]:
        """A connection that sees this tenant's rows; `ALL_TENANTS` sees plumbing across tenants."""
        with reported():
            async with self._acquire() as proxy:
                yield await _seeing(tenant, proxy)

    async def all(self, tenant: UUID | str, query: Statement, values: Mapping[str, Any]) -> list[Record]:
        """All rows of one statement, outside any transaction."""
        with reported():
            async with self._acquire() as proxy:
                connection = await _seeing(tenant, proxy)
                return await connection.fetch(query.sql, *query.arguments(values))

    async def now(self) -> datetime:
        """What the database's clock shows."""
        async with self.connection(ALL_TENANTS) as connection:
            time: datetime = await connection.fetchval("SELECT clock_timestamp()")
            return time

    def _acquire(self) -> "PoolAcquireContext[Record]":
        if self._pool is None:
            raise Unavailable("the database is not connected yet")
        # A time limit costs a task and a timer: where a connection lies ready there is nothing to wait for.
        return self._pool.acquire() if self._pool.get_idle_size() else self._pool.acquire(timeout=ACQUIRE_SECONDS)


async def _seeing(tenant: UUID | str, proxy: object) -> Connection:
    # The pool hands out a proxy per use; the tenant is remembered on what is behind it.
    connection = cast("Connection", proxy)
    wanted = str(tenant)
    if connection.tenant != wanted:
        await connection.become(wanted)
    return connection


@contextlib.contextmanager
def reported() -> Iterator[None]:
    """Say what the database could not do, as what it means to a caller."""
    try:
        yield
    except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError) as error:
        # The one in text, the other in JSON.
        raise InvalidArgument("text must not contain the character U+0000") from error
    except TimeoutError as error:
        raise Unavailable("the database is too busy to answer in time") from error
    except UNAVAILABLE as error:
        raise Unavailable("the database does not answer") from error


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
