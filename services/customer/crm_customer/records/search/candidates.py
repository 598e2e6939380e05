"""Looking tokens up in PostgreSQL: at most so many candidates, whatever the query, by one GIN index.

Three decisions; tests/load/search_bench.py shows what they give at a million accounts:

- A token is stored as 32 bits (CRC-32 of tenant, bucket and token): rows and index are smaller than with texts, and the
  index needs no tenant column, whose posting list every look-up would have to walk. A collision adds a candidate only.
- A bitmap scan reads a token's whole posting list before its first row, and `公司` is in nine rows of ten. So each
  account belongs to one of six buckets, each four times as large as the one before, and its bucket is part of its
  tokens. A statement asks bucket after bucket, the small ones first, until it has enough: what a common word costs
  depends on the limit alone, a rare one costs six probes, no match is lost (`gin_fuzzy_search_limit` loses them as
  soon as two tokens meet), and the answer is the same each time.
- Under row-level security PostgreSQL may use an index only for leakproof operators, and those of arrays are not. The
  look-up is therefore a function that runs with its owner's rights and compares the tenant itself.
"""

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from crm_customer.records.search.terms import SearchQuery

BUCKET_ENDS = (1, 4, 16, 64, 256, 1024)
"""Where, of 1024 equal shares of all accounts, each bucket ends."""

CANDIDATES = 60
"""Rows that are fetched and ranked for a page of 20; three times the page size is enough for others."""

_GROUPS = 3

_ROW = "s.account_id, s.names, s.contact_names, s.phone_numbers, s.emails, s.external_ids"
_BRANCH = """
    RETURN QUERY SELECT {row}
    FROM unnest(required, any_1, any_2, any_3) AS step (required, any_1, any_2, any_3)
    CROSS JOIN LATERAL (
        SELECT * FROM account_search AS a
        WHERE a.tenant_id = current_setting('crm.tenant_id')::uuid
          AND a.tokens @> step.required::int4[]{groups}
        LIMIT most
    ) AS s
    LIMIT most;"""


def _branch(groups: int) -> str:
    conditions = (f"\n          AND a.tokens && step.any_{number}::int4[]" for number in range(1, groups + 1))
    return _BRANCH.format(row=_ROW, groups="".join(conditions))


CREATE_TABLE = """
CREATE TABLE account_search (
    tenant_id uuid NOT NULL,
    account_id uuid NOT NULL,
    tokens int4[] NOT NULL,
    names text[] NOT NULL,
    contact_names text[] NOT NULL,
    phone_numbers text[] NOT NULL,
    emails text[] NOT NULL,
    external_ids text[] NOT NULL,
    CONSTRAINT account_search_pkey PRIMARY KEY (tenant_id, account_id)
)"""

PENDING_KIBIBYTES = 16 * 1024
"""How much the index may keep unsorted, about six thousand accounts. Whoever writes more has to sort it himself."""

CREATE_INDEX = f"""
CREATE INDEX account_search_tokens_index ON account_search USING gin (tokens)
WITH (gin_pending_list_limit = {PENDING_KIBIBYTES})"""

CREATE_FUNCTION = f"""
CREATE FUNCTION account_search_candidates(
    required text[], any_1 text[], any_2 text[], any_3 text[], most int
) RETURNS TABLE (
    account_id uuid, names text[], contact_names text[], phone_numbers text[], emails text[], external_ids text[]
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
SET enable_seqscan = off
SET enable_indexscan = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  CASE
  WHEN any_1 IS NULL THEN {_branch(0)}
  WHEN any_2 IS NULL THEN {_branch(1)}
  WHEN any_3 IS NULL THEN {_branch(2)}
  ELSE {_branch(3)}
  END CASE;
END
$$"""

DROP_FUNCTION = "DROP FUNCTION account_search_candidates(text[], text[], text[], text[], integer)"

CREATE_SORT_FUNCTION = """
CREATE FUNCTION sort_account_search() RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$ SELECT gin_clean_pending_list('account_search_tokens_index') $$"""

DROP_SORT_FUNCTION = "DROP FUNCTION sort_account_search()"

FIND_CANDIDATES = "SELECT * FROM account_search_candidates($1::text[], $2::text[], $3::text[], $4::text[], $5)"


@dataclass(frozen=True, slots=True)
class Lookup:
    """The parameters of `FIND_CANDIDATES`: per step an array literal each; a set that is not asked for is None."""

    required: list[str]
    any_of: tuple[list[str] | None, list[str] | None, list[str] | None]
    most: int = CANDIDATES

    def arguments(self) -> tuple[list[str], list[str] | None, list[str] | None, list[str] | None, int]:
        """In the order of the statement."""
        return (self.required, *self.any_of, self.most)


def owner_token(owner_id: UUID) -> str:
    """Of an account that this user owns: lets the index answer a user who sees only his own."""
    return f"o{owner_id}"


def team_token(team_id: UUID) -> str:
    """Of an account that this team owns."""
    return f"g{team_id}"


def stored_tokens(tenant_id: UUID, account_id: UUID, tokens: Iterable[str]) -> list[int]:
    """An account's tokens as they are stored, sorted. The id's last bits choose the bucket: they must be random."""
    return _hashed(tenant_id, bisect_right(BUCKET_ENDS, account_id.int % BUCKET_ENDS[-1]), tokens)


def lookup(tenant_id: UUID, query: SearchQuery, *, visible: frozenset[str] = frozenset()) -> Lookup:
    """Steps that find accounts named exactly so, then those that begin so, then all, bucket by bucket.

    `visible` are owner and team tokens of which a candidate has at least one; all accounts when it is empty.
    The same account may come twice. A query without chunks has no steps.
    """
    if not query.chunks:
        return Lookup([], (None, None, None))
    groups = [*query.any_of[: _GROUPS - 1], visible] if visible else list(query.any_of)
    exact = frozenset([query.exact])
    exactly = [exact] * (len(groups) - bool(visible)) + [visible] * bool(visible)
    tiers: Sequence[tuple[frozenset[str], Sequence[frozenset[str]]]] = (
        (exact, exactly),
        (query.required | {query.beginning}, groups),
        (query.required, groups),
    )
    steps = [
        (_literal(tenant_id, bucket, required), [_literal(tenant_id, bucket, group) for group in any_of])
        for required, any_of in tiers
        for bucket in range(len(BUCKET_ENDS))
    ]

    def column(number: int) -> list[str] | None:
        return [any_of[number] for _, any_of in steps] if number < len(groups) else None

    return Lookup([required for required, _ in steps], (column(0), column(1), column(2)))


def _literal(tenant_id: UUID, bucket: int, tokens: Iterable[str]) -> str:
    return "{" + ",".join(map(str, _hashed(tenant_id, bucket, tokens))) + "}"


def _hashed(tenant_id: UUID, bucket: int, tokens: Iterable[str]) -> list[int]:
    start = zlib.crc32(tenant_id.bytes + bytes([bucket]))
    return sorted({zlib.crc32(token.encode("utf-8", "surrogatepass"), start) - 2**31 for token in tokens})
