"""Follows the events of a service's own records, and runs the rules that they set off.

By a consumer of its own: rules that take long or fail keep nobody waiting who follows the same events. An event that
no rule is for costs a look at what the process remembers of the tenant. Each rule runs in a transaction of its own,
with the run that says so, of which there is one for each rule and event: what is sent again finds it.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from crm_kit.automation.book import book_of
from crm_kit.automation.matching import CompiledRule, Group, Happening, RulesByEvent, matches
from crm_kit.automation.occasions import Happened
from crm_kit.automation.running import OutdatedError, Runner
from crm_kit.automation.values import RecordValues
from crm_kit.automation.watched import CHANGED_FIELDS, TASK_EVENTS, Watched
from crm_kit.clock import TenantClock
from crm_kit.database.connections import Database
from crm_kit.database.work import ReadSession
from crm_kit.directory.access import Directory
from crm_kit.errors import Unauthenticated, Unavailable
from crm_kit.events.consumers import Consumers, Event
from crm_kit.filtering.evaluation import Values
from crm_kit.filtering.words import FilterContext
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import id_from_text
from crm_kit.listing import context_of
from crm_kit.wire import time_from

# How often the rules of an event are looked up anew, because one has changed meanwhile, before it is sent again.
TRIES = 5


TASK = "task"
EVENTS_OF_TASKS = {type: name for name, type in TASK_EVENTS.items()}


@dataclass(frozen=True, slots=True)
class Heard:
    """What happened to a record of a collection, or to a task at one."""

    watched: Watched
    event: str
    task: Any = None

    def takes(self, compiled: CompiledRule, context_of: Callable[[UUID], FilterContext]) -> bool:
        """Whether the rule is for such a task; one that is broken is for any, and says so."""
        tasks, activator_id = self.watched.tasks, compiled.rule.activator_id
        if compiled.broken is not None or tasks is None or activator_id is None:
            return compiled.broken is not None
        return compiled.task_filter.takes(Values(RecordValues(tasks, self.task)), context_of(activator_id))


# Of several failures the one that says best how to go on: anew, later, or by counting what went wrong.
URGENT = (OutdatedError, Unavailable, Exception)


def _urgency(failure: BaseException) -> int:
    return next(index for index, kind in enumerate((*URGENT, BaseException)) if isinstance(failure, kind))


class Following:
    """The rules of one service at work."""

    def __init__(
        self,
        database: Database,
        directory: Directory,
        clock: TenantClock,
        watched: Mapping[str, Watched],
        runner: Runner,
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._watched = watched
        self._by_noun = {each.resource.noun: each for each in watched.values()}
        self._runner = runner

    def follow(self, consumers: Consumers) -> None:
        """Subscribe to every event that can set a rule off."""
        watched = self._watched.values()
        for payload in {event for each in watched for event in (*each.events.values(), *each.task_events.values())}:
            consumers.follow(payload, self.handle)

    async def handle(self, envelope: Event, told: Message) -> None:
        """Run the rules that an event sets off, each once however often it comes."""
        heard = self._heard(envelope, told)
        if heard is None:
            return
        for _ in range(TRIES - 1):
            try:
                await self._run_all(heard, envelope, told)
            except OutdatedError:
                book_of(self._database).forget(id_from_text(envelope.tenant_id))
            else:
                return
        await self._run_all(heard, envelope, told)

    def _heard(self, envelope: Event, told: Any) -> "Heard | None":
        """What an event tells of; None of what no rule can be for."""
        if envelope.aggregate_type == TASK:
            watched = self._watched.get(told.task.collection)
            return None if watched is None else Heard(watched, EVENTS_OF_TASKS[type(told)], told.task)
        watched = self._by_noun.get(envelope.aggregate_type)
        return None if watched is None else Heard(watched, watched.resource.action_of(type(told)))

    async def _run_all(self, heard: "Heard", envelope: Event, told: Any) -> None:
        tenant_id, watched, event = id_from_text(envelope.tenant_id), heard.watched, heard.event
        groups = (await self._rules_of(tenant_id)).get((watched.collection, event))
        if not groups:
            return
        changed_fields = () if heard.task else getattr(told, CHANGED_FIELDS, ())
        occasion = await self._occasion(heard, envelope, told, changed_fields)
        if occasion is None:
            return
        happening = Happening(watched.collection, event, time_from(envelope.occur_time), changed_fields)
        contexts = await self._contexts_of(tenant_id, groups)
        matching = matches(groups, happening, Values(occasion.values), contexts)
        if heard.task is not None:
            matching = [each for each in matching if heard.takes(each, contexts)]
        if matching:
            await self._run_each(matching, occasion)

    async def _occasion(
        self, heard: "Heard", envelope: Event, told: Any, changed_fields: Collection[str]
    ) -> Happened | None:
        """What rules run on; None where the record of a task is no more."""
        watched = heard.watched
        resource = watched.resource
        if heard.task is None:
            shown = getattr(told, resource.place_in(type(told)))
            return Happened.of(watched, envelope, heard.event, shown, changed_fields)
        # An event of a task does not have the record.
        reader, id = await self._reader(id_from_text(envelope.tenant_id)), id_from_text(heard.task.record_id)
        record = await resource.find(reader, id)
        if record is None:
            return None
        shown = resource.whole_message(reader, record)
        return Happened.of_task(watched, envelope, heard.event, shown, record.version, id)

    async def _run_each(self, rules: Sequence[CompiledRule], occasion: Happened) -> None:
        """Run all; what one of them fails with keeps none of the others from running."""
        ends = [await asyncio.gather(self._runner.run(each, occasion), return_exceptions=True) for each in rules]
        failures = [end for (end,) in ends if end is not None]
        if failures:
            raise min(failures, key=_urgency)

    async def _rules_of(self, tenant_id: UUID) -> RulesByEvent:
        book = book_of(self._database)
        known = book.find(tenant_id)
        return await book.read(await self._reader(tenant_id), self._watched) if known is None else known

    async def _contexts_of(self, tenant_id: UUID, groups: Sequence[Group]) -> Callable[[UUID], FilterContext]:
        """What words stand for to each activator; to one who is not active any more, whose rules stop, little."""
        now, found = await self._clock.now(tenant_id), {}
        for id in {each.activator_id for each in groups}:
            try:
                actor = await self._directory.user(tenant_id, id)
            except Unauthenticated:
                found[id] = FilterContext(now, me=id)
            else:
                found[id] = context_of(ReadSession(self._database, actor, scope=Scope.OWN, now=now))
        return found.__getitem__

    async def _reader(self, tenant_id: UUID) -> ReadSession:
        now = await self._clock.now(tenant_id)
        return ReadSession(self._database, service_actor(tenant_id), scope=Scope.ALL, now=now)
