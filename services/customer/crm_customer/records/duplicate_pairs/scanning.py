"""Compares all accounts of a tenant that have a key in common, in turns among other jobs.

The keys are gone through in their order, some thousand rows of the index at a time; then the pairs that nobody has
decided on, of which some are not alike any more. What was found becomes true together with how far the scan is, so
wherever a worker dies the next one goes on, and no pair is there twice. Keys are evenly spread: the last one says how
much is done.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

from crm_kit.background import Tenants
from crm_kit.database.connections import Record
from crm_kit.database.work import UnitOfWork
from crm_kit.jobs.commands import start_job
from crm_kit.jobs.model import Job, State
from crm_kit.jobs.worker import NO_PAUSE, OvertakenError, unit_for
from crm_kit.resource.reading import in_turns

from crm_customer.records.account_kinds import Kind
from crm_customer.records.duplicate_pairs.commands import (
    advance_scan,
    basis_of,
    create_pair,
    end_scan,
    find_again,
    keep_place,
    outdate_pair,
)
from crm_customer.records.duplicate_pairs.model import DuplicatePair
from crm_customer.records.duplicate_pairs.queries import (
    Sides,
    all_pairs_by_ids,
    compared_by_ids,
    groups_between,
    ids_of_pairs,
    key_ahead,
    open_pairs_behind,
    scan_by_job,
)
from crm_customer.records.duplicate_pairs.resource import DUPLICATE_PAIRS
from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.duplicate_rules.matching import Match, match, may_be_duplicates
from crm_customer.records.duplicates.queries import MAX_OF_A_KEY

# Rows of the index in one transaction: the worst of them are 12,000 pairs, most are a hundred.
ROWS = 500
# Pairs that are compared and written together; a group more at most.
AT_ONCE = 1000
PAIRS = 200
LAST_KEY = 2**63 - 1
BEFORE_ALL = UUID(int=0)
PERCENT = 100


class Scanning:
    """Carries out the scans of a service."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def take_turn(self, tenant_id: UUID, job: Job, end: float) -> timedelta:
        """Carry a scan on until `end`, on the clock of the process, and say how long it waits for its next turn."""
        if job.state is State.QUEUED:
            async with unit_for(self._tenants, tenant_id, job) as work:
                job = start_job(work, job)
        while job.is_under_way:
            async with unit_for(self._tenants, tenant_id, job) as work:
                place = await work.one(scan_by_job(), job_id=job.id)
                if place is None:
                    # Somebody has cancelled it.
                    raise OvertakenError
                job = await _go_on(work, job, place)
            if time.monotonic() > end:
                break
        return NO_PAUSE


async def _go_on(work: UnitOfWork, job: Job, place: Record) -> Job:
    """The next step of a scan."""
    if place["last_pair_id"] is not None:
        return await _look_at_pairs(work, job, place)
    row = await work.one(key_ahead(), last_key=place["last_key"], rows=ROWS)
    next_key = LAST_KEY if row is None else row["key"]
    between = {"last_key": place["last_key"], "next_key": next_key}
    groups = await work.all(groups_between(), **between, most=MAX_OF_A_KEY)
    for sides in _in_parts(groups):
        await put_matches(work, await compared(work, sides))
    keep_place(work, job, last_key=next_key, last_pair_id=None if row else BEFORE_ALL)
    return _counted(work, job, next_key)


def _in_parts(groups: Iterable[Record]) -> Iterator[set[Sides]]:
    """The pairs of the groups, so many at once that the event loop is not held."""
    sides: set[Sides] = set()
    for group in groups:
        sides.update(_sides(*pair) for pair in combinations(group["account_ids"], 2))
        if len(sides) >= AT_ONCE:
            yield sides
            sides = set()
    yield sides


def _sides(one: UUID, other: UUID) -> Sides:
    return (one, other) if one < other else (other, one)


async def compared(work: UnitOfWork, sides: Iterable[Sides]) -> dict[Sides, tuple[Match, str]]:
    """Those of the pairs that are likely the same, each with what stands for what was compared."""
    asked = sorted(sides)
    facts = await known_of(work, {id for pair in asked for id in pair})

    def of_pair(pair: Sides) -> tuple[Match, str] | None:
        one, other = facts.get(pair[0]), facts.get(pair[1])
        if one is None or other is None or not may_be_duplicates(one, other):
            return None
        found = match(one, other)
        return (found, basis_of(one, other)) if found.is_duplicate else None

    found = zip(asked, await in_turns(asked, of_pair), strict=True)
    return {pair: each for pair, each in found if each is not None}


async def known_of(work: UnitOfWork, ids: Iterable[UUID]) -> Mapping[UUID, Facts]:
    """What is compared of accounts that are not put away."""
    rows = await work.all(compared_by_ids(), ids=list(ids))
    return dict(zip((row["id"] for row in rows), await in_turns(rows, facts_from), strict=True))


def facts_from(row: Record) -> Facts:
    """The same as of an account, without making one of the row."""
    addresses: list[dict[str, Any]] = row["addresses"]
    return Facts(
        is_person=row["kind"] == Kind.PERSON,
        names=tuple(name for name in (row["display_name"], row["legal_name"], row["short_name"]) if name),
        credit_code=row["credit_code"],
        phone_numbers=tuple(row["phone_numbers"]),
        emails=tuple(row["emails"]),
        website=row["website"],
        region_code=row["region_code"],
        cities=tuple(city for each in addresses if (city := each.get("city"))),
        lines=tuple(line for each in addresses if (line := each.get("line"))),
    )


async def put_matches(work: UnitOfWork, found: Mapping[Sides, tuple[Match, str]]) -> None:
    """Gather the pairs that were found, those that are new and those that are there."""
    known = await _pairs(work, await ids_of_pairs(work, list(found)))
    there = {(pair.account_id, pair.other_account_id): pair for pair in known}

    def put(each: tuple[Sides, tuple[Match, str]]) -> DuplicatePair:
        sides, (alike, basis) = each
        before = there.get(sides)
        if before is None:
            return create_pair(work, sides, alike, basis)
        return find_again(work, before, alike, basis)

    await in_turns(found.items(), put)
    await work.flush_many()


async def _pairs(work: UnitOfWork, ids: list[UUID]) -> list[DuplicatePair]:
    """Pairs, whether or not their accounts are there to be seen."""
    rows = await work.all(all_pairs_by_ids(), ids=ids) if ids else []
    return [DUPLICATE_PAIRS.entity_from(row) for row in rows]


async def _look_at_pairs(work: UnitOfWork, job: Job, place: Record) -> Job:
    """Put those of the next pairs aside that are not alike any more; after the last of them the scan has succeeded."""
    rows = await work.all(open_pairs_behind(), last_id=place["last_pair_id"], batch=PAIRS)
    if not rows:
        return end_scan(work, job, _done(job, job.total_count).succeed(work.now))
    pairs = await _pairs(work, [row["id"] for row in rows])
    alike = await compared(work, [(pair.account_id, pair.other_account_id) for pair in pairs])
    for pair in pairs:
        if (pair.account_id, pair.other_account_id) not in alike:
            outdate_pair(work, pair)
    await work.flush_many()
    keep_place(work, job, last_key=LAST_KEY, last_pair_id=rows[-1]["id"])
    return job


def _counted(work: UnitOfWork, job: Job, last_key: int) -> Job:
    """The job as far as it is, written for each percent."""
    percent = (last_key + 2**63) * PERCENT // 2**64
    after = _done(job, job.total_count * percent // PERCENT)
    return advance_scan(work, job, after)


def _done(job: Job, count: int) -> Job:
    """With so many accounts done."""
    return replace(job, unchanged_count=max(job.unchanged_count, count))
