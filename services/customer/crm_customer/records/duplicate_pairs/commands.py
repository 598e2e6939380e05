"""Every write on pairs and scans. Each function is one transaction's work."""

from hashlib import blake2b
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm.resource.v1 import events_pb2 as job_events
from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import denied, illegal_state
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.jobs.calling import Changeable
from crm_kit.jobs.commands import end_job
from crm_kit.jobs.model import Job, Kind, check_room
from crm_kit.jobs.queries import count_under_way
from crm_kit.jobs.resource import JOBS
from crm_kit.plumbing import job_turns
from sqlalchemy import BigInteger, Uuid, bindparam, update

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.duplicate_pairs.model import DuplicatePair
from crm_customer.records.duplicate_pairs.queries import any_scan, count_accounts
from crm_customer.records.duplicate_pairs.resource import DUPLICATE_PAIRS
from crm_customer.records.duplicate_pairs.tables import duplicate_scans
from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.duplicate_rules.matching import Match

VERB = "scan_duplicates"
FIRST_KEY = -(2**63)
# What a job's end says: that it was about accounts.
OF_ACCOUNTS = Changeable(ACCOUNTS, {}, {})


async def begin_scan(work: UnitOfWork) -> Job:
    """Have all accounts compared.

    PermissionDenied for who may not change all of them; FailedPrecondition while another scan is under way, or as many
    jobs as a tenant may have.
    """
    if work.scope is not Scope.ALL:
        raise denied("all_records", "a scan compares all accounts of the tenant, and takes accounts.write for all")
    await advisory_lock(work, "jobs")
    check_room(await count_under_way(work))
    if await work.one(any_scan()) is not None:
        raise illegal_state("scan_under_way", "a scan is under way; wait until it has ended, or cancel it")
    row = await work.one(count_accounts())
    job = Job(
        id=new_id(),
        collection=ACCOUNTS.collection,
        kind=Kind.DUPLICATE_SCAN,
        verb=VERB,
        filter="",
        total_count=row[0] if row is not None else 0,
        owner_id=work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
    )
    work.insert(duplicate_scans, {"job_id": job.id, "last_key": FIRST_KEY})
    work.insert(job_turns, {"job_id": job.id})
    return JOBS.create(work, job)


async def cancel_scan(work: UnitOfWork, id: UUID) -> None:
    """Somebody stops a scan; what it has found stays. PermissionDenied for who may not change all accounts."""
    before = await JOBS.get(work, id)
    access = work.actor.access
    answers = access.may("accounts.write") and access.scope("accounts.write") is Scope.ALL
    before.check_may_cancel(work.actor.user_id, answers_for_all=answers)
    end_scan(work, before, before.cancel(work.now))


def end_scan(work: UnitOfWork, before: Job, after: Job) -> Job:
    """Gather the end of a scan."""
    work.delete(duplicate_scans, job_id=before.id)
    return end_job(work, OF_ACCOUNTS, before, after)


def advance_scan(work: UnitOfWork, before: Job, after: Job) -> Job:
    """A scan has got on; nothing is written where its counters are the same."""
    return JOBS.save(work, before, after, job_events.JobAdvanced)


def keep_place(work: UnitOfWork, job: Job, *, last_key: int, last_pair_id: UUID | None) -> None:
    """Gather how far a scan is."""
    work.execute(put_place(), job_id=job.id, last_key=last_key, last_pair_id=last_pair_id)


@statement
def put_place() -> Any:
    scans = duplicate_scans
    return (
        update(scans)
        .where(scans.c.tenant_id == bindparam("tenant_id"), scans.c.job_id == bindparam("job_id", type_=Uuid))
        .values(last_key=bindparam("last_key", type_=BigInteger), last_pair_id=bindparam("last_pair_id", type_=Uuid))
    )


def basis_of(one: Facts, other: Facts) -> str:
    """Stands for what is compared of two accounts."""
    told = "\n".join(repr(_compared(each)) for each in (one, other))
    return blake2b(told.encode(), digest_size=12).hexdigest()


def _compared(facts: Facts) -> tuple[object, ...]:
    """What stands in whatever order, such as which number is the main one, says nothing else by it."""
    several = (facts.names, facts.phone_numbers, facts.emails, facts.cities, facts.lines)
    return (facts.is_person, facts.credit_code, facts.website, facts.region_code, *map(sorted, several))


def create_pair(work: UnitOfWork, sides: tuple[UUID, UUID], match: Match, basis: str) -> DuplicatePair:
    """Two accounts were found to be likely the same."""
    pair = DuplicatePair(
        id=new_id(),
        account_id=sides[0],
        other_account_id=sides[1],
        score=match.points,
        evidence=match.told,
        basis=basis,
        create_time=work.now,
        update_time=work.now,
    )
    return DUPLICATE_PAIRS.create(work, pair)


def find_again(work: UnitOfWork, before: DuplicatePair, match: Match, basis: str) -> DuplicatePair:
    """They were found again; nothing is written where that says nothing new."""
    return DUPLICATE_PAIRS.save(work, before, before.found(match, basis), events.DuplicatePairUpdated)


def outdate_pair(work: UnitOfWork, before: DuplicatePair) -> DuplicatePair:
    """They are not alike any more."""
    return DUPLICATE_PAIRS.save(work, before, before.outdate(), events.DuplicatePairOutdated)


def dismiss_pair(work: UnitOfWork, before: DuplicatePair, reason: str) -> DuplicatePair:
    """Somebody says that they are not the same."""
    after = before.dismiss(work.actor.user_id, reason, now=work.now)
    return DUPLICATE_PAIRS.save(work, before, after, events.DuplicatePairDismissed)
