"""Filters that are kept as records, such as segments, and that other filters name by their ids.

`segment_ids:"..."` in a filter takes what the segment takes: when the filter is read, the segment's own stands in its
place. Whoever asks is the one whose rights count, for the fields that it speaks of and for the records that it finds.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.filtering.grammar import refuse
from crm_kit.filtering.schema import FilterField
from crm_kit.filtering.tree import And, Filter, Has, IsNull, Not, Or, Present, fields_of

if TYPE_CHECKING:
    from crm_kit.listing import Listing

MAX_KEPT = 5


class Unusable(Exception):
    """A filter that is kept cannot be asked by this reader; the texts have `filter.<problem>` with the values.

    `named` is what names it in the filter that somebody wrote.
    """

    def __init__(self, detail: str, *, problem: str, named: str = "", **values: object) -> None:
        super().__init__(detail)
        self.detail, self.problem, self.named, self.values = detail, problem, named, values


# Puts what a filter that is kept names itself in its place.
Expand = Callable[[Filter], Awaitable[Filter]]


@dataclass(frozen=True, slots=True, eq=False)
class KeptFilters:
    """Records that are filters. `field` has their ids: `within` says of which rows a record is a list of.

    `read` tells the filter of the one with an id, or None where it is such a list. Unusable: not by this reader.
    """

    field: FilterField
    read: Callable[[Reader, "Listing", UUID, Expand], Awaitable[Filter | None]]


class _Reading:
    """Puts the filters that are kept in the place of the terms that name them.

    Each place counts, and so do those within the filters that are kept: as long is what PostgreSQL is asked.
    """

    def __init__(self, reader: Reader, listing: "Listing", kept: Mapping[str, KeptFilters]) -> None:
        self.reader = reader
        self.listing = listing
        self.kept = kept
        self.known: dict[tuple[str, UUID], Filter | None] = {}
        self.places = 0

    async def read(self, tree: Filter) -> Filter:
        match tree:
            case Not(term):
                return Not(await self.read(term))
            case And(terms):
                return And(tuple([await self.read(term) for term in terms]))
            case Or(terms):
                return Or(tuple([await self.read(term) for term in terms]))
            case Has(field, UUID() as id) if field.path in self.kept:
                found = await self._kept(field.path, id)
                return tree if found is None else found
            case Present(field) | IsNull(field) if field.path in self.kept:
                detail = f'{field.path} is asked for members only, such as {field.path}:"..."'
                raise Unusable(detail, problem="kept_members", named=field.path, name=field.path)
        return tree

    async def _kept(self, path: str, id: UUID) -> Filter | None:
        self.places += 1
        try:
            return await self._known(path, id)
        except Unusable as error:
            error.named = str(id)
            raise

    async def _known(self, path: str, id: UUID) -> Filter | None:
        if self.places > MAX_KEPT:
            detail = f"a filter names at most {MAX_KEPT} others, those within these and repeated ones counted"
            raise Unusable(detail, problem="kept_many", most=MAX_KEPT)
        if (path, id) not in self.known:
            self.known[path, id] = await self.kept[path].read(self.reader, self.listing, id, self.read)
        return self.known[path, id]


async def with_kept(
    reader: Reader, listing: "Listing", kept: Mapping[str, KeptFilters], tree: Filter, text: str
) -> Filter:
    """The filter with those that it names in their place. InvalidArgument INVALID_FILTER where that cannot be."""
    if kept.keys().isdisjoint(fields_of(tree)):
        return tree
    try:
        return await _Reading(reader, listing, kept).read(tree)
    except Unusable as error:
        position = text.lower().find(error.named.lower()) + 1
        raise refuse("filter", position or 1, error.detail, problem=error.problem, **error.values) from None
