"""Tries a bulk change on the first of its records, and changes nothing."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from crm_kit.automation.watched import Call
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import Conflict, CrmError, Unavailable
from crm_kit.identity.access import Scope
from crm_kit.jobs.calling import Changeable
from crm_kit.jobs.model import MAX_RECORDS, Result, check_count, refused_by

MAX_TRIED = 200
MAX_PROBLEMS = 20
TRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record would be refused, and its place among the records."""

    position: int
    record_id: UUID
    result: Result


@dataclass(frozen=True, slots=True)
class Trial:
    """How many records there are, how many of them were tried, and what the first problems are."""

    count: int
    tried: int
    problems: list[Problem]


async def try_bulk_change(
    reader: Reader, on: Changeable, verb: str, request: Mapping[str, object], *, filter: str
) -> Trial:
    """What a bulk change would do. InvalidArgument, PermissionDenied, FailedPrecondition as when it is begun."""
    call = on.call_of(verb)
    scope = on.scope_of(reader.actor, call)
    await on.check(reader, call, request)
    listing = on.resource.listing
    tree, _ = await listing.read(reader, filter)
    count = await listing.count_to(reader, tree, MAX_RECORDS + 1)
    check_count(count)
    problems: list[Problem] = []
    tried, end = 0, time.monotonic() + TRY_SECONDS
    for row in await listing.after(reader, tree, None, MAX_TRIED):
        if time.monotonic() > end or len(problems) == MAX_PROBLEMS:
            break
        tried += 1
        if refused := await _refused(reader, on, call, scope, request, row["id"]):
            problems.append(Problem(tried, row["id"], refused))
    return Trial(count, tried, problems)


async def _refused(
    reader: Reader, on: Changeable, call: Call, scope: Scope, request: Mapping[str, object], record_id: UUID
) -> Result | None:
    """Why the call would be refused for a record; nothing of it becomes true."""
    work = UnitOfWork(reader.database, reader.actor, scope=scope, now=reader.now)
    try:
        await on.run(work, call, on.request_of(call, request, record_id=str(record_id)))
    except (Conflict, Unavailable):
        raise
    except CrmError as error:
        return refused_by(error)
    finally:
        await work.close()
    return None
