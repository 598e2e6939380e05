"""The job that runs the rules that the calendar sets off, on each tenant's clock.

Records are taken in turns by their ids. Each runs in a transaction of its own, with the run that says so, of which
there is one for each rule, record and date: what is taken again, after a process has died or beside another one, finds
it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID

import structlog

from crm_kit.automation.due.planning import GoneError, Plan, plan_of, timed_rule
from crm_kit.automation.occasions import Came
from crm_kit.automation.rules.resource import RULES
from crm_kit.automation.running import OutdatedError, Refused, Runner, stop_rule
from crm_kit.automation.runs.model import State
from crm_kit.automation.timing.commands import move_timer, remove_timer
from crm_kit.automation.timing.model import Timer, later, put_off, under_way
from crm_kit.automation.timing.queries import A_TENANTS_SHARE, due_timers, timer_from
from crm_kit.automation.watched import Watched
from crm_kit.background import PeriodicJob, Tenants
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.work import ReadSession
from crm_kit.errors import Conflict, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Scope, service_actor

log = structlog.get_logger()
EVERY_SECONDS = 2.0
# Tenants that are worked for at once, and for how long before others have their turn.
PLACES = 4
A_TENANTS_SECONDS = 1.0
BATCH = 50
# Of a schedule, each time.
MAX_RECORDS = 10_000
# So long a run may take; it has failed then.
RUN_SECONDS = 10.0
# After what was not to be expected.
PAUSE = timedelta(minutes=1)


class TimedRules:
    """Looks in all tenants, in one process at a time; see `job`."""

    def __init__(self, tenants: Tenants, watched: Mapping[str, Watched], runner: Runner) -> None:
        self._tenants = tenants
        self._watched = watched
        self._runner = runner
        self._places = asyncio.Semaphore(PLACES)
        lease = Lease(tenants.database, "timed automation rules")
        self.job = PeriodicJob("timed automation rules", self.look, every_seconds=EVERY_SECONDS, lease=lease)

    async def look(self) -> bool:
        """Run what is due; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_timers(), {"now": self._tenants.now()})
        by_tenant = groupby(sorted(rows, key=itemgetter("tenant_id")), key=itemgetter("tenant_id"))
        more = await asyncio.gather(*(self._have_turn(tenant_id, list(some)) for tenant_id, some in by_tenant))
        return any(more)

    async def _have_turn(self, tenant_id: UUID, rows: Sequence[Record]) -> bool:
        """Work for a tenant for as long as its turn takes; whether there is more to do at once."""
        async with self._places:
            end, more = time.monotonic() + A_TENANTS_SECONDS, len(rows) >= A_TENANTS_SHARE
            for row in rows:
                try:
                    more |= await self._go_on(tenant_id, row, end)
                except Conflict:
                    # Another process is at it, or somebody at the rule: the next look finds what is left.
                    continue
                except Unavailable as error:
                    log.warning("automation.waiting", tenant_id=str(tenant_id), error=error.detail)
                    return False
                except Exception:
                    log.exception("automation.timer_failed", tenant_id=str(tenant_id), rule_id=str(row["rule_id"]))
                    await self._put_off(tenant_id, row)
                if time.monotonic() > end:
                    # What is left of its rules is due still.
                    return more or row is not rows[-1]
            return more

    async def _go_on(self, tenant_id: UUID, row: Record, end: float) -> bool:
        """Take what is due of a rule, a batch after the other; whether the tenant's turn ended before that was all."""
        timer: Timer | None = timer_from(row)
        while timer is not None:
            service = self._service(tenant_id, row["clock_offset"])
            if timer.due_time > service.now:
                return False
            timer = await self._take(service, timer, end)
            if time.monotonic() > end:
                return timer is not None
        return False

    def _service(self, tenant_id: UUID, offset: timedelta) -> ReadSession:
        now = self._tenants.now() + offset
        return ReadSession(self._tenants.database, service_actor(tenant_id), scope=Scope.ALL, now=now)

    async def _take(self, service: ReadSession, timer: Timer, end: float) -> Timer | None:
        """Run a rule on the next records until the turn ends; its timer after them, None when it is gone."""
        try:
            rule, _ = await timed_rule(service, timer)
            if rule.collection not in self._watched:
                # A version that rolls out knows it.
                return await self._move(service, timer, put_off(timer, service.now + PAUSE))
            watched = self._watched[rule.collection]
            plan = await plan_of(self._tenants.database, self._runner, service, watched, rule, timer)
            return await self._move(service, timer, await self._run_on(plan, timer, end))
        except GoneError as gone:
            await self._end(service, timer, gone)
        except OutdatedError:
            # It was stopped, or activated anew with another timer.
            pass
        return None

    async def _run_on(self, plan: Plan, timer: Timer, end: float) -> Timer:
        """Run the rule on the next of the records that are due, one at least; the timer after them."""
        due, now = plan.due, plan.reader.now
        done = later(plan.timing, timer, due, now=now, zone=plan.zone)
        if due is None:
            return done
        rows = await plan.rows(timer, BATCH)
        for number, row in enumerate(rows, timer.taken + 1):
            occasion = plan.occasion_of(row)
            if plan.rule.trigger.schedule is not None and number > MAX_RECORDS:
                await self._runner.keep(plan.rule, occasion, TOO_MANY_RECORDS)
                return done
            await self._run(plan, occasion)
            if time.monotonic() > end:
                return under_way(timer, due, row["id"], number - timer.taken)
        return under_way(timer, due, rows[-1]["id"], len(rows)) if len(rows) == BATCH else done

    async def _run(self, plan: Plan, occasion: Came) -> None:
        """Run the rule on a record. What nobody foresaw is a run that failed: it keeps the others from nothing."""
        try:
            async with asyncio.timeout(RUN_SECONDS):
                await self._runner.run(plan.compiled, occasion)
        except (Conflict, Unavailable, OutdatedError):
            raise
        except Exception:
            record = {"rule_id": str(plan.rule.id), "record_id": str(occasion.record_id)}
            log.exception("automation.run_failed", tenant_id=str(occasion.tenant_id), **record)
            await self._runner.keep(plan.rule, occasion, FAILED_UNEXPECTEDLY)

    async def _move(self, service: ReadSession, before: Timer, after: Timer) -> Timer:
        async with self._tenants.unit(service.tenant_id, service.now) as work:
            move_timer(work, before, after)
        return after

    async def _end(self, service: ReadSession, timer: Timer, gone: GoneError) -> None:
        async with self._tenants.unit(service.tenant_id, service.now) as work:
            if gone.reason is None:
                remove_timer(work, timer.rule_id)
                return
            rule = await RULES.get(work, timer.rule_id)
            await stop_rule(work, rule, gone.reason)

    async def _put_off(self, tenant_id: UUID, row: Record) -> None:
        service, timer = self._service(tenant_id, row["clock_offset"]), timer_from(row)
        try:
            await self._move(service, timer, put_off(timer, service.now + PAUSE))
        except Conflict:
            # It has come further since it was looked for: nothing is lost but the pause.
            return


TOO_MANY_RECORDS = Refused(
    State.FAILED,
    "AUTOMATION_TOO_MANY_RECORDS",
    f"the filter takes more than {MAX_RECORDS} records: this one and those after it were left out",
)
FAILED_UNEXPECTEDLY = Refused(State.FAILED, "INTERNAL", "it failed for a reason that nobody foresaw")
