"""Runs a rule on an event, once: its actions and the run that says so become true together.

The calls are those of the API, made as whoever activated the rule and with the rights that they have now. What a call
refuses ends the run: nothing of it becomes true, and the run that is kept says why.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.resource.v1 import events_pb2 as events

from crm_kit.automation.book import book_of
from crm_kit.automation.doing import Doing, Subject
from crm_kit.automation.matching import CompiledRule
from crm_kit.automation.occasions import Occasion
from crm_kit.automation.rules.model import AutomationRule, StopReason
from crm_kit.automation.rules.resource import RULES
from crm_kit.automation.runs.model import (
    BLAMELESS,
    MAX_FOLLOWING,
    AutomationRun,
    Cause,
    Effect,
    State,
    is_too_deep,
    loop_of,
)
from crm_kit.automation.runs.queries import (
    count_following,
    count_stopped,
    run_that_created,
    run_that_led_to,
    standing_of_rule,
)
from crm_kit.automation.runs.resource import RUNS
from crm_kit.automation.spoken import spoken_of
from crm_kit.automation.timing.commands import set_timer
from crm_kit.automation.watched import CREATE, TASK_OVERDUE, Watched
from crm_kit.clock import TenantClock
from crm_kit.database.connections import Database, Record
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import Reader, UnitOfWork, retried, unit_of_work
from crm_kit.directory.access import Directory
from crm_kit.directory.keepers import get_keepers
from crm_kit.errors import Conflict, CrmError, PermissionDenied, Unauthenticated, Unavailable, denied
from crm_kit.etags import etag_of
from crm_kit.events.outbox import emit
from crm_kit.field_rights import require_shown
from crm_kit.identity.access import Actor, Scope, service_actor
from crm_kit.ids import new_id
from crm_kit.notices import Kind, raise_notice
from crm_kit.plumbing import automation_runs

# What sends something out of the platform takes the permission to say where to.
WEBHOOKS = "webhooks.write"
CHANGING = "automation_rules.write"
# How many runs of a rule may end so within an hour; then it stops.
WITHIN = timedelta(hours=1)
UPDATE_TIME = "update_time"
# A rule that changes a record again because it has changed it itself is no circle where that takes longer.
CIRCLE_WITHIN = timedelta(days=1)
LIMITS: Mapping[State, tuple[int, StopReason]] = {
    State.STOPPED_LOOP: (20, StopReason.LOOP),
    State.FAILED: (100, StopReason.FAILURES),
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a run did nothing; `stop` where the rule is not to run again."""

    state: State
    reason: str
    detail: str
    fields: tuple[str, ...] = ()
    action: int = 0
    causes: Sequence[Cause] = ()
    stop: StopReason | None = None


class OutdatedError(Exception):
    """The rule is not any more what was remembered of it."""


class Runner:
    """Runs rules in one process."""

    def __init__(self, database: Database, directory: Directory, clock: TenantClock, doing: Doing) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._doing = doing

    @property
    def called(self) -> Mapping[str, Watched]:
        """The collections whose records rules can call."""
        return self._doing.watched

    async def run(self, compiled: CompiledRule, occasion: Occasion) -> None:
        """Run the rule, unless the record is none for it. OutdatedError when the rule has changed or stopped.

        Unavailable and Conflict when it has to be tried again later.
        """
        refused = await retried(partial(self._try, compiled, occasion))
        if refused is not None:
            await self.keep(compiled.rule, occasion, refused)

    async def keep(self, rule: AutomationRule, occasion: Occasion, refused: Refused) -> None:
        """Keep a run that did nothing, and stop the rule where it is of no use any more. OutdatedError as of `run`."""
        await retried(partial(self._keep_refused, rule, occasion, refused))

    async def _try(self, compiled: CompiledRule, occasion: Occasion) -> Refused | None:
        rule, watched = compiled.rule, occasion.watched
        try:
            actor = await self.activator(occasion.tenant_id, rule, watched)
            require_shown(watched.collection, actor.access.unlisted_of(watched.collection), compiled.paths)
        except (Unauthenticated, PermissionDenied) as error:
            return replace(refused_by(error), stop=StopReason.LOST_RIGHTS)
        scope, now = actor.access.scope(watched.resource.permission), await self._clock.now(actor.tenant_id)
        work = UnitOfWork(self._database, actor, scope=scope, now=now)
        work.causes = [*occasion.causes, cause_of(rule, occasion)]
        try:
            if await has_run(work, rule, occasion) or not await occasion.concerns(work, compiled):
                return None
            if compiled.broken is not None:
                return refused_by(compiled.broken)
            return await self._act(work, rule, occasion)
        finally:
            await work.close()

    async def activator(self, tenant_id: UUID, rule: AutomationRule, watched: Watched) -> Actor:
        """Who activated it. Unauthenticated, PermissionDenied where the rule cannot run with their rights any more."""
        assert rule.activator_id is not None
        actor = await self._directory.user(tenant_id, rule.activator_id)
        require_permissions(actor, watched, rule, self.called)
        return actor

    async def _act(self, work: UnitOfWork, rule: AutomationRule, occasion: Occasion) -> Refused | None:
        """Do all actions and commit; why not, when one is refused or the rule is stopped in what it follows from."""
        chain = await chain_of(work, rule, occasion)
        stopped = loop_in(chain, rule) or await excess_in(work, rule, occasion)
        subject = Subject(rule, occasion.watched, occasion.record_id, occasion.record_version, occasion.time)
        done = await self._do_all(work, subject)
        left_out = None if isinstance(done, Refused) else first_left_out(done)
        if isinstance(done, Refused):
            return done
        if left_out is not None and all(each.reason for each in done):
            return left_out
        if stopped is not None:
            # Where nothing would be told of it, nothing follows from it: the circle has come to its end by itself.
            return stopped if work.wakes_relay else None
        run = replace(new_run(rule, occasion, now=work.now), effects=done, causes=tuple(chain))
        if left_out is not None:
            run = partly_done(run, left_out)
        work.insert(automation_runs, RUNS.row_of(run))
        await work.commit()
        return None

    async def try_out(self, reader: Reader, subject: Subject) -> Refused | None:
        """Why the rule could not do all its actions on a record as it is now, as the reader; nothing becomes true."""
        scope = reader.actor.access.scope(subject.watched.resource.permission)
        work = UnitOfWork(self._database, reader.actor, scope=scope, now=reader.now)
        rule = subject.rule
        # What it does is known to be a rule's here, too.
        work.causes = [
            event_pb2.Cause(rule_id=str(rule.id), display_name=rule.display_name, collection=rule.collection)
        ]
        try:
            done = await self._do_all(work, subject)
        finally:
            await work.close()
        return done if isinstance(done, Refused) else first_left_out(done)

    async def _do_all(self, work: UnitOfWork, subject: Subject) -> tuple[Effect, ...] | Refused:
        """Do the actions one after the other, up to the first that is refused.

        What others have kept the rule from, as a message to who gets no more of them, is left out alone.
        """
        work.asks_others = False
        effects: list[Effect] = []
        actions = subject.rule.actions
        for number, action in enumerate(actions, 1):
            try:
                # Only what creates a record is left out alone, and only beside something else.
                part = work.whole() if action.creation is not None and len(actions) > 1 else contextlib.nullcontext()
                async with part:
                    effects.append(await self._doing.do(work, action, subject))
            except (Conflict, Unavailable):
                raise
            except CrmError as error:
                if error.reason not in BLAMELESS or len(actions) == 1:
                    return replace(refused_by(error), action=number)
                effects.append(Effect(CREATE, "", reason=error.reason, detail=error.detail))
        return tuple(effects)

    async def _keep_refused(self, rule: AutomationRule, occasion: Occasion, refused: Refused) -> None:
        tenant_id = occasion.tenant_id
        now = await self._clock.now(tenant_id)
        async with unit_of_work(self._database, service_actor(tenant_id), scope=Scope.ALL, now=now) as work:
            if await has_run(work, rule, occasion):
                return
            run = refused_run(rule, occasion, refused, now=now)
            work.insert(automation_runs, RUNS.row_of(run))
            failed = events.AutomationRunFailed(automation_run=RUNS.message_of(run))
            emit(work, failed, aggregate_type=RUNS.noun, id=run.id, version=run.version)
            reason = refused.stop or await limit_reached(work, rule, occasion, refused)
            if reason is not None:
                await stop_rule(work, rule, reason)


def require_permissions(actor: Actor, watched: Watched, rule: AutomationRule, called: Mapping[str, Watched]) -> None:
    """PermissionDenied where the rule cannot run with somebody's rights.

    It reads the record, with the fields that it speaks of, and those that it calls, of the collections that are
    `called`, and makes its calls.
    """
    require_shown(watched.collection, actor.access.unlisted_of(watched.collection), spoken_of(rule))
    for permission in permissions_of(watched, rule, called):
        scope = actor.access.scope(permission)
        if permission == WEBHOOKS and scope is not Scope.ALL:
            # As endpoints themselves are written.
            raise denied(
                "scope_all", f"{WEBHOOKS} is needed with the scope ALL to have a webhook endpoint told something"
            )


def permissions_of(watched: Watched, rule: AutomationRule, called: Mapping[str, Watched]) -> Iterator[str]:
    """What a rule takes."""
    yield watched.resource.permission
    for action in rule.actions:
        if action.submission is not None and action.submission.verb in watched.submissions:
            yield watched.submissions[action.submission.verb].verb.permission
        if action.webhook_call is not None:
            yield WEBHOOKS
        if action.creation is not None and action.creation.collection in watched.creatable:
            yield watched.creatable[action.creation.collection].call.permission
        of = called[watched.targets[action.target]] if action.target in watched.targets else watched
        if action.verb in of.calls:
            yield of.resource.permission
            yield of.calls[action.verb].permission


async def has_run(work: UnitOfWork, rule: AutomationRule, occasion: Occasion) -> bool:
    """Whether the rule has run on the event. OutdatedError unless it is active in the version that is about to run."""
    row = await work.one(standing_of_rule(), id=rule.id, event_id=occasion.event_id)
    if row is not None and row["has_run"]:
        return True
    if row is None or not row["active"] or row["version"] != rule.version:
        raise OutdatedError
    return False


def loop_in(causes: Sequence[Cause], rule: AutomationRule) -> Refused | None:
    """Why a rule does not run on what it follows from itself, or from too many others."""
    own = Cause(rule.id, rule.display_name, rule.collection)
    if loop := loop_of(causes, own):
        names = " → ".join(each.display_name for each in loop)
        detail = f"it would set itself off again: {names}"
        return Refused(State.STOPPED_LOOP, "AUTOMATION_LOOP", detail, causes=loop)
    if is_too_deep(causes):
        detail = f"{len(causes)} rules have set one another off before it"
        return Refused(State.STOPPED_LOOP, "AUTOMATION_TOO_DEEP", detail, causes=(*causes, own))
    return None


async def chain_of(work: UnitOfWork, rule: AutomationRule, occasion: Occasion) -> Sequence[Cause]:
    """The rules from which an occasion followed.

    Where the time of the last change has set the rule off, that is the one that made this change, within a day, and
    what had led to that; where a task was not done in time, the one that made the task.
    """
    if occasion.overdue_task_id is not None:
        created = str(occasion.overdue_task_id)
        return made_by(await work.one(run_that_created(), record_id=occasion.record_id, created_id=created))
    timing = rule.trigger.date_reached
    if timing is None or timing.field != UPDATE_TIME:
        return occasion.chain
    since, etag = work.now - CIRCLE_WITHIN, etag_of(occasion.record_version)
    return made_by(await work.one(run_that_led_to(), record_id=occasion.record_id, etag=etag, since=since))


def made_by(row: Record | None) -> Sequence[Cause]:
    """The rule of a run, and what had led to that; none without one."""
    if row is None:
        return ()
    before = (Cause(UUID(each["rule_id"]), each["display_name"], each["collection"]) for each in row["causes"])
    return (*before, Cause(row["rule_id"], row["display_name"], row["collection"]))


async def excess_in(work: UnitOfWork, rule: AutomationRule, occasion: Occasion) -> Refused | None:
    """Why a rule that others have set off does not run once so many runs have followed from one event."""
    if not occasion.causes:
        return None
    # Runs of one root are counted one after the other; before anything is written, so that nobody waits in a circle.
    await advisory_lock(work, f"automation runs of {occasion.root_event_id}")
    row = await work.one(count_following(MAX_FOLLOWING), root_event_id=occasion.root_event_id)
    if row is None or row[0] < MAX_FOLLOWING:
        return None
    own = Cause(rule.id, rule.display_name, rule.collection)
    detail = f"{MAX_FOLLOWING} runs have followed from one event before it"
    return Refused(State.STOPPED_LOOP, "AUTOMATION_TOO_MANY", detail, causes=(*occasion.chain, own))


def refused_by(error: CrmError) -> Refused:
    """As a caller would have been told."""
    fields = tuple(dict.fromkeys(each.field for each in error.violations))
    return Refused(State.FAILED, error.reason, error.detail, fields)


def first_left_out(effects: Sequence[Effect]) -> Refused | None:
    """Why the first action was not done that was left out; None where all were done."""
    for number, each in enumerate(effects, 1):
        if each.reason:
            return Refused(State.FAILED, each.reason, each.detail, action=number)
    return None


def partly_done(run: AutomationRun, left_out: Refused) -> AutomationRun:
    """The run with all but some of its actions done, the first of which was left out for this."""
    reason, detail, action = left_out.reason, left_out.detail, left_out.action
    return replace(run, state=State.PARTLY_DONE, reason=reason, detail=detail, failed_action=action)


def new_run(rule: AutomationRule, occasion: Occasion, *, now: Any) -> AutomationRun:
    """The run of a rule on an event, as it is when all went well."""
    assert rule.activator_id is not None
    return AutomationRun(
        id=new_id(),
        collection=rule.collection,
        rule_id=rule.id,
        rule_etag=etag_of(rule.version),
        event=occasion.event,
        event_id=occasion.event_id,
        root_event_id=occasion.root_event_id,
        record_id=occasion.record_id,
        record_etag=etag_of(occasion.record_version),
        activator_id=rule.activator_id,
        state=State.SUCCEEDED,
        causes=occasion.chain,
        due_time=occasion.due_time,
        create_time=now,
        update_time=now,
    )


def refused_run(rule: AutomationRule, occasion: Occasion, refused: Refused, *, now: Any) -> AutomationRun:
    """The run of a rule that did nothing."""
    return replace(
        new_run(rule, occasion, now=now),
        state=refused.state,
        reason=refused.reason,
        detail=refused.detail,
        fields=refused.fields,
        failed_action=refused.action,
        causes=tuple(refused.causes) or occasion.chain,
    )


async def limit_reached(
    work: UnitOfWork, rule: AutomationRule, occasion: Occasion, refused: Refused
) -> StopReason | None:
    """Why a rule stops with one more run that ended so; None when it goes on.

    What ended so before it was activated does not count: whoever has corrected it begins anew. Nor does what is not
    the rule's fault: else whoever writes to us often enough would switch it off for everybody. Nor do tasks of rules
    that are late: nothing goes round there, and twenty are late at one midnight.
    """
    is_at_end = refused.state is State.STOPPED_LOOP and occasion.event == TASK_OVERDUE
    if refused.reason in BLAMELESS or is_at_end:
        return None
    most, reason = LIMITS[refused.state]
    since = max(work.now - WITHIN, rule.activate_time or work.now)
    row = await work.one(count_stopped(refused.state, most), rule_id=rule.id, since=since)
    return reason if row is not None and row[0] + 1 >= most else None


async def stop_rule(work: UnitOfWork, rule: AutomationRule, reason: StopReason) -> None:
    """Stop a rule, unless it has changed or stopped meanwhile."""
    now = await RULES.find(work, rule.id, scope=Scope.ALL)
    if now is not None and now.version == rule.version:
        stopped = RULES.save(work, now, now.stop(reason), events.AutomationRuleDeactivated)
        set_timer(work, now, stopped)
        await tell_stopped(work, stopped, reason)
        work.after_commit.append(lambda: book_of(work.database).forget(work.tenant_id))


async def tell_stopped(work: UnitOfWork, rule: AutomationRule, reason: StopReason) -> None:
    """Gather a notice for who activated a rule that has stopped by itself.

    Where they have lost their rights, for who may change rules as well: somebody who has left is told nothing.
    """
    told = [] if rule.activator_id is None else [rule.activator_id]
    if reason is StopReason.LOST_RIGHTS:
        told += await get_keepers(work, CHANGING)
    values = {"collection": rule.collection, "reason": reason}
    kind, record = Kind.NOTICE_KIND_AUTOMATION_STOPPED, (RULES.collection, rule.id)
    raise_notice(work, kind, told, record=record, name=rule.display_name, values=values, also_actor=True)


def cause_of(rule: AutomationRule, occasion: Occasion) -> event_pb2.Cause:
    """How events that follow from a run of a rule name it."""
    return event_pb2.Cause(
        rule_id=str(rule.id),
        display_name=rule.display_name,
        collection=rule.collection,
        event_id=str(occasion.event_id),
    )
