"""Every write on jobs but that of their records. Each function is one transaction's work."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Interval, bindparam, func, update

from crm_kit.database.locks import advisory_lock
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, counting
from crm_kit.errors import CrmError, illegal_state
from crm_kit.identity.membership import READING
from crm_kit.ids import new_id
from crm_kit.jobs.calling import Changeable
from crm_kit.jobs.model import MAX_RECORDS, Job, Kind, Outcome, State, check_expected, check_room
from crm_kit.jobs.queries import count_under_way, lock_job, outcomes_beyond
from crm_kit.jobs.records import settle
from crm_kit.jobs.resource import JOBS
from crm_kit.labels import noun_label
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind as Notice
from crm_kit.notices import raise_notice, what
from crm_kit.plumbing import job_turns


async def begin_bulk_change(
    work: UnitOfWork, on: Changeable, verb: str, request: Mapping[str, object], *, filter: str, expected_count: int
) -> Job:
    """Settle the records of a job and have it begin.

    InvalidArgument, PermissionDenied: as a single request of the caller. FailedPrecondition: the filter takes another
    number of records than was expected, or too many, or the tenant has too many jobs under way.
    """
    call = on.call_of(verb)
    on.scope_of(work.actor, call)
    await on.check(work, call, request)
    listing = on.resource.listing
    tree, _ = await listing.read(work, filter)
    # Counted before anything is written, and while no connection is held that others might need.
    await work.release()
    # By what the caller reads, as they have counted them; whether they may change each is asked when its turn comes.
    with counting(work, READING):
        check_expected(await listing.count_to(work, tree, MAX_RECORDS + 1), expected_count)
    await advisory_lock(work, "jobs")
    check_room(await count_under_way(work))
    job = Job(
        id=new_id(),
        collection=on.collection,
        verb=verb,
        request=request,
        filter=filter,
        total_count=expected_count,
        owner_id=work.actor.user_id,
        create_time=work.now,
        update_time=work.now,
    )
    with counting(work, READING):
        check_expected(await settle(work, listing, tree, job.id), expected_count)
    work.insert(job_turns, {"job_id": job.id})
    return JOBS.create(work, job)


def start_job(work: UnitOfWork, before: Job) -> Job:
    """A worker has begun with it."""
    return JOBS.save(work, before, before.start(work.now), events.JobStarted)


def advance_job(work: UnitOfWork, on: Changeable, before: Job, outcomes: Sequence[Outcome]) -> Job:
    """The next records have had their turn; after the last of them it has succeeded."""
    after = before.advance(outcomes)
    if after.done_count == after.total_count:
        return end_job(work, on, before, after.succeed(work.now))
    if not outcomes:
        # Under way for a month, or on a clock that has gone ahead by one.
        error = illegal_state("job_records_gone", "the records that it has not come to are kept no longer")
        return end_job(work, on, before, after.fail(error, work.now))
    return JOBS.save(work, before, after, events.JobAdvanced)


async def fail_job(work: UnitOfWork, on: Changeable, before: Job, error: CrmError) -> Job:
    """It cannot go on."""
    return await _stopped(work, on, before, lambda job: job.fail(error, work.now))


async def cancel_job(work: UnitOfWork, on: Changeable, before: Job) -> Job:
    """Somebody stops it: with the answer nothing is changed any more. PermissionDenied for another's."""
    before.check_may_cancel(work.actor.user_id, answers_for_all=on.answers_for_all(work.actor, before.verb))
    return await _stopped(work, on, before, lambda job: job.cancel(work.now))


async def _stopped(work: UnitOfWork, on: Changeable, before: Job, stop: Callable[[Job], Job]) -> Job:
    """As it is stopped, with all that was done until then in its counters."""
    stop(before)
    await lock_job(work, before.id)
    return end_job(work, on, before, stop(before.advance(await outcomes_beyond(work, before))))


def end_job(work: UnitOfWork, on: Changeable, before: Job, after: Job) -> Job:
    """Gather the end of a job; who began it is told, unless they have cancelled it themselves."""
    work.delete(job_turns, job_id=after.id)
    message = on.resource.message_type.DESCRIPTOR
    raise_notice(
        work,
        Notice.NOTICE_KIND_JOB_ENDED,
        [after.owner_id],
        record=(JOBS.collection, after.id),
        values={OUTCOME: outcome_of(after), "collection": after.collection, "verb": after.verb}
        | what(noun_label(message.name, message.GetOptions())),
        also_actor=after.state is not State.CANCELLED,
    )
    return JOBS.save(work, before, after, events.JobEnded)


def outcome_of(job: Job) -> str:
    """How a notice calls the end of a job: that of a bulk change by its state, others in words of their own."""
    return job.state if job.kind is Kind.BULK_CHANGE else f"{job.kind}_{job.state}"


@statement
def put_behind() -> Any:
    """Needs `job_id` and `pause`: the tenant's other jobs have their turns first."""
    turns = job_turns
    return (
        update(turns)
        .where(turns.c.tenant_id == bindparam("tenant_id"), turns.c.job_id == bindparam("job_id"))
        .values(turn_time=func.clock_timestamp() + bindparam("pause", type_=Interval))
    )
