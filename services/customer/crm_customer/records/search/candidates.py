"""Looking tokens up in PostgreSQL: at most so many candidates, whatever the query, by one GIN index.

Four decisions; tests/load/search_bench.py shows what they give at a million accounts:

- A token is stored as 32 bits (CRC-32 of tenant, bucket and token): rows and index are smaller than with texts, and the
  index needs no tenant column, whose posting list every look-up would have to walk. A collision adds a candidate only.
- A bitmap scan reads a token's whole posting list before its first row, and `公司` is in nine rows of ten. So each
  record belongs to one of eight buckets, each four times as large as the one before, and its bucket is part of its
  tokens. A statement asks bucket after bucket, the small ones first, until it has enough: what a common word costs
  depends on the limit alone, a rare one costs eight probes, no match is lost (`gin_fuzzy_search_limit` loses them as
  soon as two tokens meet). Records that are put away have buckets of their own, and take nobody's place.
- Within a step candidates come by id, and a row belongs to the first step that finds it. So each candidate has a place
  of its own, whatever is written meanwhile, and a search goes on behind it.
- Under row-level security PostgreSQL may use an index only for leakproof operators, and those of arrays are not. The
  look-up is therefore a function that runs with its owner's rights and compares the tenant itself.
"""

import zlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from uuid import UUID

from crm_kit.database.statements import Statement

from crm_customer.records.search.terms import SearchQuery

BUCKET_ENDS = (1, 4, 16, 64, 256, 1024, 4096, 16384)
"""Where, of 16,384 equal shares of all records, each bucket ends."""

PENDING_KIBIBYTES = 16 * 1024
"""How much an index may keep unsorted, about six thousand accounts. Whoever writes more has to sort it himself."""

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)

_GROUPS = 3
_PARAMETERS = ("required", "any_1", "any_2", "any_3", "without", "after", "until")

_LOOK_UP = """
SELECT * FROM {}_candidates(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::uuid[], $8::int
)"""
# `IS TRUE` keeps the primary key out of it: of a bucket's few matches all are read and sorted.
_BRANCH = """
    RETURN QUERY SELECT step.number, {row}
    FROM unnest(required, any_1, any_2, any_3, without, after, until)
        WITH ORDINALITY AS step (required, any_1, any_2, any_3, without, after, until, number)
    CROSS JOIN LATERAL (
        SELECT * FROM {table} AS a
        WHERE a.tenant_id = current_setting('crm.tenant_id')::uuid
          AND a.tokens @> step.required::int4[]{groups}
          AND NOT a.tokens && step.without::int4[]
          AND (a.{id} > step.after AND a.{id} <= step.until) IS TRUE
        ORDER BY a.{id}
        LIMIT most
    ) AS s
    LIMIT most;"""


@dataclass(frozen=True, slots=True)
class SearchTable:
    """The SQL of what one kind of record is found by; `texts` are the columns that decide between candidates."""

    noun: str
    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.noun}_search"

    @property
    def id(self) -> str:
        return f"{self.noun}_id"

    @property
    def create_function(self) -> str:
        """For migrations."""
        texts = ", ".join(f"{name} text[]" for name in self.texts)
        return f"""
CREATE FUNCTION {self.name}_candidates(
    required text[], any_1 text[], any_2 text[], any_3 text[], without text[], after uuid[], until uuid[], most int
) RETURNS TABLE (step bigint, {self.id} uuid, {texts})
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_indexscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  CASE
  WHEN any_1 IS NULL THEN {self._branch(0)}
  WHEN any_2 IS NULL THEN {self._branch(1)}
  WHEN any_3 IS NULL THEN {self._branch(2)}
  ELSE {self._branch(3)}
  END CASE;
END
$$"""

    @property
    def drop_function(self) -> str:
        """For migrations."""
        return f"DROP FUNCTION {self.name}_candidates(text[], text[], text[], text[], text[], uuid[], uuid[], integer)"

    @property
    def create_policy(self) -> str:
        """Lets the schema's owner, and so the function, see the table."""
        return f"CREATE POLICY search ON {self.name} TO CURRENT_USER USING (true)"

    @property
    def create_sort_function(self) -> str:
        """What `sorting.IndexSorting` calls."""
        return f"""
CREATE FUNCTION sort_{self.name}() RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$ SELECT gin_clean_pending_list('{self.name}_tokens_index') $$"""

    @property
    def drop_sort_function(self) -> str:
        """For migrations."""
        return f"DROP FUNCTION sort_{self.name}()"

    @property
    def find_candidates(self) -> Statement:
        """The look-up, with the parameters that `Steps.arguments` gives and `most`, the number of rows."""
        return Statement(_LOOK_UP.format(self.name), (*_PARAMETERS, "most"))

    def _branch(self, groups: int) -> str:
        row = ", ".join(f"s.{name}" for name in (self.id, *self.texts))
        conditions = (f"\n          AND a.tokens && step.any_{number}::int4[]" for number in range(1, groups + 1))
        return _BRANCH.format(table=self.name, id=self.id, row=row, groups="".join(conditions))


ACCOUNT_SEARCH = SearchTable("account", ("names", "contact_names", "phone_numbers", "emails", "external_ids"))
CONTACT_SEARCH = SearchTable("contact", ("names", "phone_numbers", "emails"))


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a candidate is: the step that finds it, from 0 on, and its id."""

    step: int
    id: UUID


START = Place(0, FIRST_ID)
Arguments = dict[str, list[str] | list[UUID] | None]


@dataclass(frozen=True, slots=True)
class Steps:
    """What the look-up asks, step by step, an array literal each; a set that is not asked for is None."""

    required: list[str]
    any_of: tuple[list[str] | None, list[str] | None, list[str] | None]
    without: list[str]

    def arguments(self, after: Place = START, until: Place | None = None) -> Arguments:
        """The parameters of the candidates behind one place, up to another if there is one."""
        last = len(self.required) - 1 if until is None else until.step
        part = slice(after.step, last + 1)
        required, without = self.required[part], self.without[part]
        groups = [None if group is None else group[part] for group in self.any_of]
        firsts = [after.id, *[FIRST_ID] * (len(required) - 1)]
        lasts = [*[LAST_ID] * (len(required) - 1), LAST_ID if until is None else until.id]
        return dict(zip(_PARAMETERS, (required, *groups, without, firsts, lasts), strict=True))


def owner_token(owner_id: UUID) -> str:
    """Of an account that this user owns: lets the index answer a user who sees only his own."""
    return f"o{owner_id}"


def team_token(team_id: UUID) -> str:
    """Of an account that this team owns."""
    return f"g{team_id}"


def stored_tokens(tenant_id: UUID, id: UUID, tokens: Collection[str], *, put_away: bool = False) -> list[int]:
    """A record's tokens as they are stored, each once. The id's last bits choose the bucket: they must be random."""
    bucket = bisect_right(BUCKET_ENDS, id.int % BUCKET_ENDS[-1])
    return _hashed(tenant_id, bucket + len(BUCKET_ENDS) * put_away, tokens)


def steps_of(
    tenant_id: UUID, query: SearchQuery, *, visible: frozenset[str] = frozenset(), put_away: bool = False
) -> Steps:
    """Steps that find records named exactly so, then those that begin so, then all, bucket by bucket.

    `visible` are owner and team tokens of which a candidate has at least one; all records when it is empty.
    With `put_away` those come too that are put away. A query without chunks has no steps.
    """
    if not query.chunks:
        return Steps([], (None, None, None), [])
    groups = [*query.any_of[: _GROUPS - 1], visible] if visible else list(query.any_of)
    exact = frozenset([query.exact])
    exactly = [exact] * (len(groups) - bool(visible)) + [visible] * bool(visible)
    tiers: Sequence[tuple[Iterable[str], Sequence[frozenset[str]], Iterable[str]]] = (
        (exact, exactly, ()),
        (query.required | {query.beginning}, groups, exact),
        (query.required, groups, exact | {query.beginning}),
    )
    buckets = range(len(BUCKET_ENDS) * (1 + put_away))

    def column(sets: Iterable[Iterable[str]]) -> list[str]:
        return [literal for each in sets for literal in _literals(tenant_id, buckets, each)]

    def group(number: int) -> list[str] | None:
        return column(any_of[number] for _, any_of, _ in tiers) if number < len(groups) else None

    required, without = column(each for each, _, _ in tiers), column(each for _, _, each in tiers)
    return Steps(required, (group(0), group(1), group(2)), without)


def _literals(tenant_id: UUID, buckets: Iterable[int], tokens: Iterable[str]) -> Iterator[str]:
    found = tuple(tokens)
    for bucket in buckets:
        yield "{" + ",".join(map(str, _hashed(tenant_id, bucket, found))) + "}"


def _hashed(tenant_id: UUID, bucket: int, tokens: Collection[str]) -> list[int]:
    if not tokens:
        return []
    start = zlib.crc32(tenant_id.bytes + bytes([bucket]))
    # Encoded in one go: imports have more than a hundred for each row. No text that PostgreSQL keeps has a U+0000.
    encoded = "\0".join(tokens).encode("utf-8", "surrogatepass").split(b"\0")
    return [number - 2**31 for number in set(map(zlib.crc32, encoded, repeat(start)))]
