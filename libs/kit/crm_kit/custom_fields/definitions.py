"""The custom fields of a collection as a process knows them: remembered for a second, and then asked for again.

What is remembered may be older than what others have changed since. It is never what refuses a value or a filter:
before that it is read again. And what is written by it is written only if it still holds when that becomes true.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Select, and_, bindparam, select

from crm_kit.custom_fields.model import CustomField, FieldType, Label, Option, State
from crm_kit.database.connections import Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import InvalidArgument
from crm_kit.plumbing import custom_field_versions, custom_fields

Judged = TypeVar("Judged")
REMEMBER_SECONDS = 1.0
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Definitions:
    """The custom fields of one collection by key, archived ones too, in a version; 0 where there never were any."""

    collection: str
    version: int = 0
    fields: Mapping[str, CustomField] = field(default_factory=lambda: MappingProxyType({}))

    def is_archived(self, key: str) -> bool:
        """Whether the key is that of a custom field that was put away."""
        return key in self.fields and not self.fields[key].is_active


class Require(Protocol):
    """InvalidArgument REFERENCE_NOT_FOUND, naming `field`, unless there is such a record for the caller.

    It is called before anything is gathered, so it may ask another service while no connection is held.
    """

    def __call__(self, work: UnitOfWork, id: UUID, /, *, field: str) -> Awaitable[None]: ...


class Catalogue:
    """What one process knows of the custom fields in its database; `references` are what they may refer to."""

    def __init__(self) -> None:
        self.references: Mapping[str, Require] = {}
        self._known: dict[UUID, tuple[float, dict[str, Definitions]]] = {}

    async def of(self, reader: Reader, collection: str, *, fresh: bool = False) -> Definitions:
        """The custom fields of a collection; with `fresh` as they are now."""
        known = self._known.get(reader.tenant_id)
        if fresh or known is None or time.monotonic() - known[0] > REMEMBER_SECONDS:
            found = await self._read(reader, {} if known is None else known[1])
        else:
            found = known[1]
        return found.get(collection) or Definitions(collection)

    def forget(self, tenant_id: UUID) -> None:
        """They have changed: ask again at the next look."""
        self._known.pop(tenant_id, None)

    async def _read(self, reader: Reader, before: dict[str, Definitions]) -> dict[str, Definitions]:
        asked = time.monotonic()
        found = grouped(await reader.all(all_definitions()))
        # Where nothing has changed the same object stays: what was compiled for it does, too.
        same = {
            name: before[name] for name in found.keys() & before.keys() if found[name].version == before[name].version
        }
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[reader.tenant_id] = asked, found | same
        return found | same


_CATALOGUES: WeakKeyDictionary[Database, Catalogue] = WeakKeyDictionary()


def catalogue_of(database: Database) -> Catalogue:
    """The one of this process for a database."""
    return _CATALOGUES.setdefault(database, Catalogue())


async def definitions_of(reader: Reader, collection: str, *, fresh: bool = False) -> Definitions:
    """The custom fields of a collection. A unit of work goes by the last that it was given."""
    found = await catalogue_of(reader.database).of(reader, collection, fresh=fresh)
    if isinstance(reader, UnitOfWork):
        reader.known[Definitions, collection] = found
    return found


async def judged(reader: Reader, collection: str, judge: Callable[[Definitions], Judged]) -> Judged:
    """What `judge` makes of the custom fields; what it would refuse is judged by them as they are now."""
    known = await definitions_of(reader, collection)
    try:
        return judge(known)
    except InvalidArgument:
        now = await definitions_of(reader, collection, fresh=True)
        if now is known:
            raise
        return judge(now)


def grouped(rows: list[Record]) -> dict[str, Definitions]:
    """The rows of `all_definitions` by collection."""
    versions = {row["of_collection"]: row["of_version"] for row in rows}
    fields: dict[str, dict[str, CustomField]] = {name: {} for name in versions}
    for row in rows:
        if row["id"] is not None:
            fields[row["of_collection"]][row["key"]] = field_from(row)
    return {name: Definitions(name, versions[name], MappingProxyType(fields[name])) for name in versions}


def field_from(row: Record) -> CustomField:
    """The custom field of a row."""
    options = tuple(Option(each["key"], Label(**each["label"]), each["retired"]) for each in row["options"])
    values = {name: row[name] for name in CustomField.__slots__}
    values |= {"type": FieldType(row["type"]), "state": State(row["state"]), "label": Label(**row["label"])}
    return CustomField(**values | {"options": options})


@statement
def all_definitions() -> Select[Any]:
    """All custom fields of the tenant by position, with their collections' versions, as of one moment."""
    of, each = custom_field_versions, custom_fields
    return (
        select(of.c.collection.label("of_collection"), of.c.version.label("of_version"), *columns_but_tenant())
        .select_from(of.outerjoin(each, and_(each.c.tenant_id == of.c.tenant_id, each.c.collection == of.c.collection)))
        .where(of.c.tenant_id == bindparam("tenant_id"))
        .order_by(each.c.position, each.c.id)
    )


def columns_but_tenant() -> list[Any]:
    return [column for column in custom_fields.c if column.name != "tenant_id"]
