"""What a service keeps of other services' records: brought by their events, asked of their owner while not here yet."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import Select, Table, bindparam, or_, select
from sqlalchemy.dialects.postgresql import insert

from crm_kit.database.connections import row_of
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import NotFound, PermissionDenied, invalid_field
from crm_kit.identity.access import Scope, reaches
from crm_kit.identity.membership import as_member, has_members


def put_newest(work: UnitOfWork, table: Table, row: Mapping[str, Any]) -> None:
    """Gather a row in the version that it names: it takes the place of an older one, and of a newer one never."""
    work.execute(newest_row(table, tuple(row)), **row)
    if "display_name" in row:
        work.call(table, row["id"], row["display_name"])


@statement
def newest_row(table: Table, columns: tuple[str, ...]) -> Any:
    key = [column.name for column in table.primary_key]
    fresh = insert(table).values({name: bindparam(name) for name in ("tenant_id", *columns)})
    return fresh.on_conflict_do_update(
        index_elements=key,
        set_={name: fresh.excluded[name] for name in columns if name not in key},
        where=table.c.version < fresh.excluded.version,
    )


class Owned(Protocol):
    """What a record needs to have so that it is known who may see it."""

    @property
    def owner_id(self) -> UUID | None: ...
    @property
    def owner_team_id(self) -> UUID | None: ...


Record = TypeVar("Record", bound=Owned)


@dataclass(frozen=True, slots=True, eq=False)
class Projection(Generic[Record]):
    """Records of another service. `table` has a column for each field of `entity`, the version among them.

    `fetch` asks the owner in the caller's name: it raises NotFound for what the caller may not see there, and
    Unavailable when there is no answer.
    """

    table: Table
    entity: type[Record]
    fetch: Callable[[UUID], Awaitable[Record]]

    async def find(self, reader: Reader, id: UUID, *, scope: Scope) -> Record | None:
        """The record if the scope reaches it. One that is not known here yet is asked for, and then known.

        Call it before anything is gathered: while the owner is asked, no connection is held.
        """
        row = await reader.one(record_by_id(self.table), id=id)
        record = self.entity(**row) if row else await self._asked(reader, id)
        if record is None:
            return None
        is_restricted = getattr(record, "restricted", False)
        is_reached = reaches(scope, reader.actor, record.owner_id, record.owner_team_id, restricted=is_restricted)
        return record if is_reached or await self._is_member(reader, id) else None

    async def require(self, reader: Reader, id: UUID, *, field: str, scope: Scope) -> Record:
        """The record that a field of a request names; InvalidArgument REFERENCE_NOT_FOUND when `find` finds none."""
        record = await self.find(reader, id, scope=scope)
        if record is None:
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
        return record

    async def _is_member(self, reader: Reader, id: UUID) -> bool:
        return has_members(self.table) and await reader.one(membership(self.table), id=id) is not None

    async def _asked(self, reader: Reader, id: UUID) -> Record | None:
        if isinstance(reader, UnitOfWork):
            if not reader.asks_others:
                return None
            await reader.release()
        try:
            record = await self.fetch(id)
        except (NotFound, PermissionDenied):
            return None
        if isinstance(reader, UnitOfWork):
            self.keep(reader, record)
        return record

    def keep(self, work: UnitOfWork, record: Record) -> None:
        """Gather a record that its owner has just answered with, whose event may come later."""
        put_newest(work, self.table, row_of(record))


@statement
def membership(table: Table) -> Select[Any]:
    """A row if the actor is in the team of the account, today and for what they do."""
    return select(table.c.id).where(
        table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id"), or_(*as_member(table))
    )


@statement
def record_by_id(table: Table) -> Select[Any]:
    columns = [column for column in table.c if column.name != "tenant_id"]
    return select(*columns).where(table.c.tenant_id == bindparam("tenant_id"), table.c.id == bindparam("id"))
