"""What has become due of a feed: its import that ended, deliveries that come too late, and windows that passed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from crm_kit.database.work import UnitOfWork
from crm_kit.errors import CrmError
from crm_kit.identity.access import Scope

from crm_customer.feeds.commands import set_timer, stop_feed, tell_late, watch
from crm_customer.feeds.deliveries import commands
from crm_customer.feeds.deliveries.model import FeedDelivery, Figures, State, expired_error, turns_of
from crm_customer.feeds.deliveries.queries import get_open, has_arrived, has_failed, last_arrived
from crm_customer.feeds.model import Feed, health_of
from crm_customer.feeds.queries import timer_due
from crm_customer.feeds.resource import FEEDS
from crm_customer.imports.model import UNDER_WAY, Import
from crm_customer.imports.model import State as ImportState
from crm_customer.imports.resource import IMPORTS
from crm_customer.imports.tables import IMPORT_LASTS

ENDS = {
    ImportState.SUCCEEDED: State.SUCCEEDED,
    ImportState.FAILED: State.FAILED,
    ImportState.CANCELLED: State.CANCELLED,
}
# What an import fails by whose owner may not write any more.
LOST_RIGHTS = ("PERMISSION_DENIED", "UNAUTHENTICATED")


async def move_on(work: UnitOfWork, feed_id: UUID, zone: ZoneInfo) -> FeedDelivery | None:
    """Gather what has become of a feed that is due; the delivery whose turn it is. Twice it changes nothing."""
    await work.flush()
    timer = await work.one(timer_due(), feed_id=feed_id)
    if timer is None:
        return None
    feed = await FEEDS.get(work, feed_id)
    found = await get_open(work, feed_id)
    feed, last_data_date, left = await end_imported(work, feed, found)
    turns = turns_of(left, last_data_date=last_data_date, active=feed.is_active, now=work.now)
    for each in turns.expired:
        await commands.end_in_vain(work, feed, each, expired_error())
    for each in turns.out_of_order:
        await commands.hold_delivery(work, feed, each)
    await work.flush()
    left = [each for each in left if each not in turns.expired]
    missing_date, expected_day = await pass_windows(work, feed, timer["expected_day"], zone)
    due_time = feed.schedule.due_time(expected_day, zone) if feed.schedule and expected_day else None
    arrived = await work.one(last_arrived(), feed_id=feed_id)
    holds = bool(turns.out_of_order) or any(each.state is State.HELD for each in left)
    after = replace(
        feed,
        health=health_of(holds=holds, failed=await has_failed(work, feed_id), missing_date=missing_date),
        last_delivery_time=arrived[0] if arrived else None,
        last_data_date=last_data_date,
        next_due_time=due_time,
        missing_date=missing_date,
    )
    watch(work, feed, after)
    set_timer(work, feed_id, next_look(work.now, left, turns.next, due_time), expected_day)
    return turns.next


async def end_imported(
    work: UnitOfWork, feed: Feed, found: Sequence[FeedDelivery]
) -> tuple[Feed, date | None, list[FeedDelivery]]:
    """The feed, its newest day and its open deliveries once the one is ended whose import has."""
    running = next((each for each in found if each.state is State.RUNNING), None)
    if running is None:
        return feed, feed.last_data_date, list(found)
    assert running.import_id is not None
    job = await IMPORTS.find(work, running.import_id, scope=Scope.ALL)
    if job is not None and job.state in UNDER_WAY:
        return feed, feed.last_data_date, list(found)
    ended = await commands.save_ended(work, feed, running, ended_as(running, job, work.now))
    last_data_date = max(filter(None, (feed.last_data_date, ended.data_date if ended.wrote else None)), default=None)
    owner_id = job.owner_id if job else None
    if ended.failure_reason in LOST_RIGHTS and feed.is_active and feed.activator_id == owner_id:
        feed = await stop_feed(work, feed)
    await work.flush()
    return feed, last_data_date, [each for each in found if each.id != running.id]


def ended_as(running: FeedDelivery, job: Import | None, now: datetime) -> FeedDelivery:
    """A delivery as its import has ended; of a tenant that was closed for long there is none any more."""
    if job is None:
        gone = forgotten()
        return running.finish(State.FAILED, Figures(), now, reason=gone.reason, detail=gone.detail)
    figures = Figures(**{name: getattr(job, name) for name in Figures.__slots__})
    return running.finish(ENDS[job.state], figures, now, reason=job.failure_reason, detail=job.failure)


def forgotten() -> CrmError:
    """Why a delivery fails whose import ended long ago."""
    detail = f"its import ended more than {IMPORT_LASTS.days} days ago, and nobody knows any more how"
    return CrmError(detail, reason="IMPORT_NOT_FOUND")


async def pass_windows(
    work: UnitOfWork, feed: Feed, expected_day: date | None, zone: ZoneInfo
) -> tuple[date | None, date | None]:
    """The day that is missing and the one that is due next; whoever is responsible is told of each that is missing."""
    if feed.schedule is None or not feed.is_active:
        return None, None
    missing_date = feed.missing_date
    if expected_day is None:
        expected_day = feed.schedule.first_day(work.now, zone)
    else:
        passed, expected_day = feed.schedule.passed(expected_day, work.now, zone)
        for day in passed:
            if not await has_arrived(work, feed.id, day):
                missing_date = day
                await tell_late(work, feed, day)
    if missing_date is not None and await has_arrived(work, feed.id, missing_date):
        missing_date = None
    return missing_date, expected_day


def next_look(
    now: datetime, left: Sequence[FeedDelivery], following: FeedDelivery | None, due_time: datetime | None
) -> datetime | None:
    """When a feed is looked at next; None when nothing comes of it by time alone."""
    times = [each.expire_time for each in left if each.state is not State.RUNNING]
    if following is not None or any(each.state is State.RUNNING for each in left):
        # At each look, behind those that were looked at before: an import may have ended.
        times.append(now)
    return min([*times, *filter(None, [due_time])], default=None)
