"""Finding records by text, page by page: look-ups of tokens give candidates, the ranking decides, a filter chooses.

Candidates are ranked batch by batch, the first ones together, then those behind them. A page token says which batch it
is in and behind which rank, so that a page shows nothing that one before it has shown, whatever is written meanwhile.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, TypeVar
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader
from crm_kit.filtering.tree import EVERYTHING, Filter, fields_of
from crm_kit.identity.access import Scope
from crm_kit.listing import AskedPage
from crm_kit.paging import Cursor, ListRequest, PageTokens, Position
from crm_kit.resource.label import Shown as How
from crm_kit.resource.reading import ReadableResource, in_turns
from google.protobuf.message import Message

from crm_customer.records.search.candidates import START, Place, SearchTable, Steps, steps_of
from crm_customer.records.search.ranking import rank
from crm_customer.records.search.terms import RecordTexts, SearchQuery, query_terms

Response = TypeVar("Response", bound=Message)
DEFAULT_PAGE_SIZE = 20
# Candidates for each record that is asked for: enough for the ranking to choose from.
CHOICE = 3
# Where a filter or a scope will take few of them, more are looked at in one go.
MIN_NARROWED, MAX_BATCH = 300, 1000
MAX_CANDIDATES = 5000
"""What one search looks at, all its pages together."""
_RANKS = 1_000_000
NOTHING_UNSEEN: Mapping[UUID, Collection[str]] = MappingProxyType({})


class AskedSearch(AskedPage, Protocol):
    """What every Search request has."""

    @property
    def query(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found, the best first. `truncated`: more match than a search looks at."""

    rows: list[Record]
    next_token: str
    truncated: bool


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate that fits, `score` millionths."""

    score: int
    id: UUID

    @property
    def key(self) -> tuple[int, UUID]:
        return -self.score, self.id


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where a page goes on: within the batch from `start` to `end` behind a match, or behind `start`."""

    start: Place = START
    end: Place | None = None
    behind: Match | None = None
    looked_at: int = 0

    def packed(self) -> Position:
        """For a page token."""
        ends = (None, None) if self.end is None else (self.end.step, self.end.id)
        match = (None, None) if self.behind is None else (self.behind.score, self.behind.id)
        return (self.start.step, self.start.id, *ends, *match, self.looked_at)

    @classmethod
    def unpacked(cls, position: Position | None) -> "Bookmark":
        """From a page token; the beginning when there is none."""
        if position is None:
            return cls()
        step, id, end_step, end_id, score, behind_id, looked_at = position
        end = None if end_step is None else Place(_int(end_step), _id(end_id))
        behind = None if score is None else Match(_int(score), _id(behind_id))
        return cls(Place(_int(step), _id(id)), end, behind, _int(looked_at))


@dataclass(frozen=True, slots=True)
class Visible:
    """The tokens of which all that the reader may see has one, none where that is not known; exactly that, or more."""

    tokens: frozenset[str] = frozenset()
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Labels:
    """Whether there are records of which the reader sees the label only, which these are, and what of their texts.

    `unseen`: of others the names of contacts that the reader does not see.
    """

    exist: Callable[[Reader], Awaitable[bool]]
    among: Callable[[Reader, Collection[UUID]], Awaitable[set[UUID]]]
    texts_of: Callable[[RecordTexts], RecordTexts]
    unseen: Callable[[Reader, Collection[UUID]], Awaitable[Mapping[UUID, Collection[str]]]] | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """How one resource is searched.

    `texts_of` says of a candidate's row what counts, for this reader; `visible` are the tokens of which a candidate has
    one, or None where what the reader may see is asked of the record itself alone.
    """

    resource: ReadableResource[Any, Any]
    table: SearchTable
    texts_of: Callable[[Reader, Record], RecordTexts]
    visible: Callable[[Reader], Awaitable[Visible]] | None = None
    labels: Labels | None = None

    async def page(self, reader: Reader, asked: AskedSearch, tokens: PageTokens) -> Found:
        """One page of the records that the reader may see and the filter takes, best matches first."""
        tree, _ = await self.resource.labels.read(reader, asked.filter)
        request = ListRequest(f"{self.resource.collection}:search", reader.tenant_id, asked.filter, asked.query)
        bookmark = Bookmark.unpacked(tokens.cursor(asked.page_token, request).position)
        query = query_terms(asked.query)
        if not query.chunks:
            return Found([], "", truncated=False)
        visible = Visible(is_exact=reader.scope is Scope.ALL) if self.visible is None else await self.visible(reader)
        labels = self.labels if self.labels is not None and await self.labels.exist(reader) else None
        run = _Run(self, reader, query, tree, asked.page_size or DEFAULT_PAGE_SIZE, visible, labels)
        following, truncated = await run.fill(bookmark)
        token = "" if following is None else tokens.issue(request, Cursor(following.packed()))
        return Found(run.rows, token, truncated)

    async def answer(
        self, reader: Reader, asked: AskedSearch, response: type[Response], tokens: PageTokens
    ) -> Response:
        """A page as a Search rpc answers."""
        found = await self.page(reader, asked, tokens)
        shown = await in_turns(found.rows, partial(self.resource.message_of_row, reader))
        await self.resource.note(reader, shown, How.FOUND)
        records: dict[str, Any] = {self.resource.collection: shown}
        return response(**records, next_page_token=found.next_token, truncated=found.truncated)


class _Run:
    """One page being filled."""

    def __init__(
        self,
        search: Search,
        reader: Reader,
        query: SearchQuery,
        tree: Filter,
        size: int,
        visible: Visible,
        labels: Labels | None,
    ) -> None:
        self.search, self.reader, self.query, self.tree, self.size = search, reader, query, tree, size
        self.labels = labels
        self.rows: list[Record] = []
        hidden = search.resource.hidden.keys()
        self.steps: Steps = steps_of(
            reader.tenant_id, query, visible=visible.tokens, put_away=not hidden.isdisjoint(fields_of(tree))
        )
        # Of candidates that only hidden texts match, nothing is to be learned: not by which batch they fill, either.
        self.is_exhaustive = labels is not None or bool(search.resource.hidden_from(reader))
        self.is_narrowed = tree is not EVERYTHING or not visible.is_exact

    async def fill(self, at: Bookmark) -> tuple[Bookmark | None, bool]:
        """Take matches until the page is full; where the next one goes on, and whether the search ended early."""
        batch = CHOICE * self.size
        if self.is_narrowed:
            batch = max(batch, MIN_NARROWED)
        while True:
            most = MAX_CANDIDATES if self.is_exhaustive else min(batch, MAX_BATCH, MAX_CANDIDATES - at.looked_at)
            candidates = await self.candidates(at, most)
            is_last = at.end is None and len(candidates) < most
            end = at.end or (self.place_of(at, candidates[-1]) if candidates else at.start)
            looked_at = at.looked_at if at.end else at.looked_at + len(candidates)
            left = await self.take(await self.matches(candidates, at.behind))
            if left is not None:
                return Bookmark(at.start, end, left, looked_at), False
            if is_last:
                return None, False
            if looked_at >= MAX_CANDIDATES:
                return None, True
            at = Bookmark(end, looked_at=looked_at)
            if len(self.rows) == self.size:
                return (at if await self.candidates(at, 1) else None), False
            batch *= 2

    async def candidates(self, at: Bookmark, most: int) -> list[Record]:
        """The candidates of a batch: of one that has been begun as far as it went, else so many."""
        arguments = self.steps.arguments(at.start, at.end)
        most = MAX_CANDIDATES if at.end else most
        return await self.reader.all(self.search.table.find_candidates, **arguments, most=most)

    def place_of(self, at: Bookmark, candidate: Record) -> Place:
        return Place(at.start.step + candidate["step"] - 1, candidate[self.search.table.id])

    async def matches(self, candidates: Sequence[Record], behind: Match | None) -> list[Match]:
        """The candidates that fit and are taken by the filter, best first, those behind a match only."""
        id_name = self.search.table.id
        if self.is_narrowed and candidates:
            ids = [each[id_name] for each in candidates]
            taken = await self.search.resource.labels.ids_among(self.reader, self.tree, ids)
            candidates = [each for each in candidates if each[id_name] in taken]

        labels, closed, unseen = self.labels, set[UUID](), NOTHING_UNSEEN
        if labels is not None and candidates:
            ids = [each[id_name] for each in candidates]
            closed = await labels.among(self.reader, ids)
            unseen = unseen if labels.unseen is None else await labels.unseen(self.reader, ids)

        def match(candidate: Record) -> Match:
            texts = self.search.texts_of(self.reader, candidate)
            if labels is not None and candidate[id_name] in closed:
                texts = labels.texts_of(texts)
            elif names := unseen.get(candidate[id_name]):
                texts = replace(texts, contact_names=tuple(each for each in texts.contact_names if each not in names))
            return Match(round(_RANKS * rank(self.query, texts)), candidate[id_name])

        found = [each for each in await in_turns(candidates, match) if each.score > 0]
        later = found if behind is None else [each for each in found if each.key > behind.key]
        return sorted(later, key=lambda each: each.key)

    async def take(self, matches: list[Match]) -> Match | None:
        """Add records to the page, in this order; the last one that was looked at if some are left."""
        taken = 0
        while taken < len(matches) and len(self.rows) < self.size:
            some = matches[taken : taken + self.size - len(self.rows)]
            found = await self.search.resource.labels.among(self.reader, self.tree, [each.id for each in some])
            self.rows += [found[each.id] for each in some if each.id in found]
            taken += len(some)
        return matches[taken - 1] if taken < len(matches) else None


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _id(value: object) -> UUID:
    assert isinstance(value, UUID)
    return value
