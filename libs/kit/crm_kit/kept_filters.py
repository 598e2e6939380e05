"""Filters that are kept as records, such as segments, and that other filters name by their ids.

`segment_ids:"..."` in a filter takes what the segment takes: when the filter is read, the segment's own stands in its
place. Whoever asks is the one whose rights count, for the fields that it speaks of and for the records that it finds.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.filtering.grammar import refuse
from crm_kit.filtering.schema import FilterField
from crm_kit.filtering.tree import And, Filter, Has, IsNull, Not, Or, Present, fields_of

if TYPE_CHECKING:
    from crm_kit.listing import Listing

MAX_KEPT = 5


class Unusable(Exception):
    """A filter that is kept cannot be asked by this reader; the texts have `filter.<problem>` with the values."""

    def __init__(self, detail: str, *, problem: str, **values: object) -> None:
        super().__init__(detail)
        self.detail, self.problem, self.values = detail, problem, values


@dataclass(frozen=True, slots=True, eq=False)
class KeptFilters:
    """Records that are filters. `field` has their ids: `within` says of which rows a record is a list of.

    `read` tells the filter of the one with an id, or None where it is such a list. Unusable: not by this reader.
    """

    field: FilterField
    read: Callable[[Reader, "Listing", UUID], Awaitable[Filter | None]]


class _Reading:
    """Puts the filters that are kept in the place of the terms that name them."""

    def __init__(self, reader: Reader, listing: "Listing", kept: Mapping[str, KeptFilters], text: str) -> None:
        self.reader = reader
        self.listing = listing
        self.kept = kept
        self.text = text
        self.known: dict[tuple[str, UUID], Filter | None] = {}

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
                self._refuse(detail, field.path, problem="kept_members", name=field.path)
        return tree

    async def _kept(self, path: str, id: UUID) -> Filter | None:
        if (path, id) in self.known:
            return self.known[path, id]
        if len(self.known) == MAX_KEPT:
            detail = f"a filter names at most {MAX_KEPT} others"
            self._refuse(detail, str(id), problem="kept_many", most=MAX_KEPT)
        try:
            found = await self.kept[path].read(self.reader, self.listing, id)
        except Unusable as error:
            self._refuse(error.detail, str(id), problem=error.problem, **error.values)
        self.known[path, id] = found
        return found

    def _refuse(self, detail: str, found: str, *, problem: str, **values: object) -> NoReturn:
        position = self.text.lower().find(found.lower()) + 1
        raise refuse("filter", position or 1, detail, problem=problem, **values)


async def with_kept(
    reader: Reader, listing: "Listing", kept: Mapping[str, KeptFilters], tree: Filter, text: str
) -> Filter:
    """The filter with those that it names in their place. InvalidArgument INVALID_FILTER where that cannot be."""
    if kept.keys().isdisjoint(fields_of(tree)):
        return tree
    return await _Reading(reader, listing, kept, text).read(tree)
