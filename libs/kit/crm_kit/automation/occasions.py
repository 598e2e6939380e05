"""Occasions: what a rule runs on, once each. An event of a record, or the time that has come for one."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from uuid import UUID, uuid5

from crm.event.v1 import event_pb2
from google.protobuf.message import Message

from crm_kit.automation.matching import CompiledRule
from crm_kit.automation.runs.model import Cause
from crm_kit.automation.values import RecordValues, values_before
from crm_kit.automation.watched import TASK_OVERDUE, Watched
from crm_kit.database.work import UnitOfWork
from crm_kit.filtering.evaluation import Values
from crm_kit.filtering.tree import Filter
from crm_kit.ids import id_from_text
from crm_kit.listing import context_of
from crm_kit.resource import history
from crm_kit.wire import time_from

# What is called as events are, where the time has come.
DATE_REACHED, SCHEDULED = "DATE_REACHED", "SCHEDULED"


@dataclass(frozen=True, eq=False)
class Occasion(ABC):
    """Of which record, in which version; `event` is what it is called, `event_id` by what it is known again.

    `time` is when it happened or was due; `due_time` the same of what was due. `causes` are the rules from which it
    followed, as events have them. `overdue_task_id` is that of a task which was not done in time.
    """

    watched: Watched
    tenant_id: UUID
    record_id: UUID
    record_version: int
    event: str
    event_id: UUID
    time: datetime
    causes: Sequence[event_pb2.Cause] = ()
    due_time: datetime | None = None
    overdue_task_id: UUID | None = None

    @abstractmethod
    async def concerns(self, work: UnitOfWork, compiled: CompiledRule) -> bool:
        """Whether the record is one for the rule, as it is now and as who activated the rule sees it."""

    @cached_property
    def chain(self) -> tuple[Cause, ...]:
        """The rules from which it followed, the first one first."""
        return tuple(Cause(id_from_text(each.rule_id), each.display_name, each.collection) for each in self.causes)

    @property
    def root_event_id(self) -> UUID:
        """The event with which the chain of rules began: this one, where no rule has set it off."""
        return id_from_text(self.causes[0].event_id) if self.causes else self.event_id


@dataclass(frozen=True, eq=False, kw_only=True)
class Happened(Occasion):
    """An event: the record right after it, and of an update which fields changed; of a task, the record by then."""

    shown: Message
    values: RecordValues
    changed_fields: Collection[str] = ()

    @classmethod
    def of(
        cls, watched: Watched, envelope: event_pb2.Event, event: str, shown: Message, changed_fields: Collection[str]
    ) -> "Happened":
        """What an envelope tells."""
        return cls(
            watched,
            id_from_text(envelope.tenant_id),
            id_from_text(envelope.aggregate_id),
            envelope.aggregate_version,
            event,
            id_from_text(envelope.id),
            time_from(envelope.occur_time),
            envelope.causes,
            shown=shown,
            values=RecordValues(watched.resource, shown),
            changed_fields=changed_fields,
        )

    @classmethod
    def of_task(
        cls, watched: Watched, envelope: event_pb2.Event, event: str, shown: Message, version: int, record_id: UUID
    ) -> "Happened":
        """What an envelope tells of a task at a record, which is `shown` in a version."""
        told = cls.of(watched, envelope, event, shown, ())
        overdue = told.record_id if event == TASK_OVERDUE else None
        return replace(told, record_id=record_id, record_version=version, overdue_task_id=overdue)

    async def concerns(self, work: UnitOfWork, compiled: CompiledRule) -> bool:
        """Whether the activator sees the record, and all that sets the rule off; and as it was."""
        resource = self.watched.resource
        record = await resource.find(work, self.record_id)
        if record is None:
            return False
        masked = resource.masked_from(work)
        if masked and compiled.tells_of(masked, self.event, self.changed_fields):
            for shown in (self.shown, resource.whole_message(work, record)):
                if resource.is_masked(work, shown):
                    return False
        if not compiled.rule.filter_before:
            return True
        change = await history.change_at(work, resource.noun, self.record_id, self.record_version)
        if change is None:
            return False
        before = values_before(resource, self.values, change)
        return compiled.filter_before.takes(Values(before), context_of(work))


@dataclass(frozen=True, eq=False, kw_only=True)
class Came(Occasion):
    """The time has come for a record: a date of it, or that of a schedule. `tree` takes the records that it is for."""

    tree: Filter

    async def concerns(self, work: UnitOfWork, compiled: CompiledRule) -> bool:
        """Whether its date is still that one, and the filter takes it."""
        return self.record_id in await self.watched.resource.listing.ids_among(work, self.tree, [self.record_id])


def key_of(rule_id: UUID, record_id: UUID, due: str) -> UUID:
    """By what it is known again that a rule has run on a record for what was due: a day, or an instant."""
    return uuid5(rule_id, f"{record_id} {due}")
