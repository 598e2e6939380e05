"""The job that sends reports to those who are subscribed, on each tenant's clock.

One recipient after the other, each with the figures that they may read at that moment. Mail, notice and how far the
subscription has come are one transaction: whatever dies or looks twice, each has an answer once each time.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from crm.resource.v1 import reports_pb2 as pb

from crm_kit.automation.timing.model import Timer, due_now, later, put_off, under_way
from crm_kit.background import PeriodicJob, Tenants
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.work import ReadSession
from crm_kit.directory.access import Directory
from crm_kit.errors import Conflict, CrmError, NotFound, ResourceExhausted, Unauthenticated, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Actor, Scope, service_actor
from crm_kit.reports.mails import file_of, mail_of
from crm_kit.reports.model import Report, Subscription
from crm_kit.reports.servicer import ReportServicer
from crm_kit.reports.subscriptions import Refused, Sent, end_for, find_report, keep_sent, recipient
from crm_kit.reports.timers import A_TENANTS_SHARE, due_timers, move_timer, remove_timer, timer_from
from crm_kit.resource.questions import AnyResource

log = structlog.get_logger()
EVERY_SECONDS = 2.0
# Tenants that are worked for at once, and for how long before others have their turn.
PLACES = 2
A_TENANTS_SECONDS = 2.0
# After what was not to be expected, and where too many questions are being answered.
PAUSE = timedelta(minutes=1)
# So long after it was due, readers are told that it could not be made, and the next one has its turn.
TRIED_FOR = timedelta(hours=1)
NOT_MADE = "the report could not be made; the log of the platform says why"


class LostRightsError(Exception):
    """Somebody may not read the report any more."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A report that is due for somebody; `is_late` when it has been for so long that nothing is tried again."""

    report: Report
    subscription: Subscription
    user_id: UUID
    is_late: bool


class ReportSending:
    """Looks in all tenants, in one process at a time; see `job`."""

    def __init__(
        self,
        tenants: Tenants,
        directory: Directory,
        resources: Mapping[str, AnyResource],
        servicer: ReportServicer,
        console_url: str = "",
    ) -> None:
        self._tenants = tenants
        self._directory = directory
        self._resources = resources
        self._servicer = servicer
        self._console_url = console_url.rstrip("/")
        self._places = asyncio.Semaphore(PLACES)
        lease = Lease(tenants.database, "sent reports")
        self.job = PeriodicJob("sent reports", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Send what is due; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_timers(), {"now": self._tenants.now()})
        by_tenant = groupby(sorted(rows, key=itemgetter("tenant_id")), key=itemgetter("tenant_id"))
        more = await asyncio.gather(*(self._have_turn(tenant_id, list(some)) for tenant_id, some in by_tenant))
        return any(more)

    async def _have_turn(self, tenant_id: UUID, rows: Sequence[Record]) -> bool:
        """Work for a tenant for as long as its turn takes; whether there is more to do at once."""
        async with self._places:
            end = time.monotonic() + A_TENANTS_SECONDS
            for row in rows:
                try:
                    if not await self._go_on(tenant_id, row, end):
                        return True
                except Conflict:
                    # Another process is at it, or somebody at the report: the next look finds what is left.
                    continue
                except Unavailable as error:
                    log.warning("reports.waiting", tenant_id=str(tenant_id), error=error.detail)
                    return False
                except Exception:
                    log.exception("reports.failed", tenant_id=str(tenant_id), report_id=str(row["report_id"]))
                    await self._put_off(tenant_id, row)
            return len(rows) >= A_TENANTS_SHARE

    async def _go_on(self, tenant_id: UUID, row: Record, end: float) -> bool:
        """Send what is due of a subscription to one after the other; whether that was all of it in time."""
        timer: Timer | None = timer_from(row)
        while timer is not None:
            now = self._tenants.now() + row["clock_offset"]
            if timer.due_time > now:
                return True
            if time.monotonic() > end:
                return False
            timer = await self._take(tenant_id, row, timer, now)
        return True

    async def _take(self, tenant_id: UUID, row: Record, timer: Timer, now: datetime) -> Timer | None:
        """Send it to the next; its timer after that, None when it is gone."""
        service = ReadSession(self._tenants.database, service_actor(tenant_id), scope=Scope.ALL, now=now)
        report = await find_report(service, row["report_id"])
        subscription = report.sent.get(timer.rule_id) if report else None
        if report is None or subscription is None:
            async with self._tenants.unit(tenant_id, now) as work:
                remove_timer(work, timer)
            return None
        if report.collection not in self._resources:
            # A version that rolls out knows it.
            return await self._move(tenant_id, now, timer, put_off(timer, now + PAUSE))
        zone = ZoneInfo(row["time_zone"])
        due = due_now(subscription.schedule, timer, now=now, zone=zone)
        user_id = None if due is None else subscription.next_recipient(timer.after_id)
        if due is None or user_id is None:
            return await self._move(tenant_id, now, timer, later(subscription.schedule, timer, due, now=now, zone=zone))
        is_last = subscription.next_recipient(user_id) is None
        done = later(subscription.schedule, timer, due, now=now, zone=zone)
        after = done if is_last else under_way(timer, due, user_id, 1)
        turn = Turn(report, subscription, user_id, now - due.time > TRIED_FOR)
        return await self._send(service, turn, timer, after)

    async def _send(self, service: ReadSession, turn: Turn, before: Timer, after: Timer) -> Timer:
        """Answer the report as somebody, and keep that they have it, or why not, with how far it has come."""
        now, tenant_id = service.now, service.tenant_id
        try:
            made = await self._made(turn, service)
        except LostRightsError:
            async with self._tenants.unit(tenant_id, now) as work:
                end_for(work, turn.report, turn.subscription, turn.user_id)
                # A subscription of nobody is gone, with its timer.
                if turn.subscription.without(turn.user_id).user_ids:
                    move_timer(work, before, after)
            return after
        except ResourceExhausted:
            return await self._move(tenant_id, now, before, put_off(before, now + PAUSE))
        except (Conflict, Unavailable):
            raise
        except Exception:
            if not turn.is_late:
                raise
            log.exception("reports.given_up", tenant_id=str(tenant_id), report_id=str(turn.report.id))
            made = Refused(NOT_MADE)
        async with self._tenants.unit(tenant_id, now) as work:
            keep_sent(work, turn.report, turn.user_id, made)
            move_timer(work, before, after)
        return after

    async def _made(self, turn: Turn, service: ReadSession) -> Sent | Refused:
        """The answer as a mail. LostRightsError for who may not have it, ResourceExhausted to be tried again."""
        report, subscription, user_id = turn.report, turn.subscription, turn.user_id
        actor = await self._reader(report, user_id, service.tenant_id)
        scope = actor.access.scope(self._resources[report.collection].permission)
        reader = ReadSession(self._tenants.database, actor, scope=scope, now=service.now)
        request = pb.RunReportRequest(collection=report.collection, id=str(report.id))
        try:
            found = await self._servicer.RunReport(request, reader)
        except NotFound as error:
            raise LostRightsError from error
        except (Conflict, Unavailable, ResourceExhausted):
            raise
        except CrmError as error:
            return Refused(error.detail)
        to = await recipient(service, user_id, subscription.language)
        day = actor.access.day_of(service.now)
        file = await asyncio.to_thread(file_of, report, subscription.format, found.answer, to.language, day=day)
        return Sent(mail_of(report, to, file, day=day, console_url=self._console_url))

    async def _reader(self, report: Report, user_id: UUID, tenant_id: UUID) -> Actor:
        try:
            actor = await self._directory.user(tenant_id, user_id)
        except Unauthenticated as error:
            raise LostRightsError from error
        if not actor.access.may(self._resources[report.collection].permission):
            raise LostRightsError
        return actor

    async def _move(self, tenant_id: UUID, now: datetime, before: Timer, after: Timer) -> Timer:
        async with self._tenants.unit(tenant_id, now) as work:
            move_timer(work, before, after)
        return after

    async def _put_off(self, tenant_id: UUID, row: Record) -> None:
        now, timer = self._tenants.now() + row["clock_offset"], timer_from(row)
        try:
            await self._move(tenant_id, now, timer, put_off(timer, now + PAUSE))
        except Conflict:
            # It has come further since it was looked for: nothing is lost but the pause.
            return
