"""How a record is created and changed: row, history and the one event of that version, gathered together."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

from crm_kit.database.work import UnitOfWork
from crm_kit.events.outbox import emit
from crm_kit.history import changed_fields, record_change
from crm_kit.money import Money
from crm_kit.wire import same
from google.protobuf.message import Message
from sqlalchemy import Table


class Versioned(Protocol):
    """What every entity is: a dataclass with an id, a version, and the time of its last change."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def id(self) -> UUID: ...
    @property
    def version(self) -> int: ...
    @property
    def update_time(self) -> datetime: ...


Entity = TypeVar("Entity", bound=Versioned)


@dataclass(frozen=True, slots=True)
class Records(Generic[Entity]):
    """The records of one resource: its name in history and events, its table, and how an entity becomes a row.

    `history` is the entity as its history shows it, where its values are not JSON.
    """

    resource_type: str
    table: Table
    row: Callable[[Entity], Mapping[str, Any]]
    history: Callable[[Entity], Any] = same

    def create(self, work: UnitOfWork, entity: Entity, event: Message) -> None:
        """Gather a new record."""
        work.insert(self.table, self.row(entity))
        self._tell(work, None, entity, event, [])

    def save(self, work: UnitOfWork, before: Entity, after: Entity, event: Callable[[Entity], Message]) -> Entity:
        """Gather the next version of a record, which must still be what was read; nothing when nothing changed."""
        if after == before:
            return before
        saved = replace(after, version=before.version + 1, update_time=max(work.now, before.update_time))
        work.save(self.table, self.row(saved), version=before.version)
        self._tell(work, before, saved, event(saved), changed_names(before, saved))
        return saved

    def _tell(self, work: UnitOfWork, before: Entity | None, after: Entity, event: Message, names: list[str]) -> None:
        action = action_of(event.DESCRIPTOR.name, self.resource_type)
        old, new = None if before is None else self.history(before), self.history(after)
        record_change(work, self.resource_type, action=action, before=old, after=new, only=names)
        emit(work, event, aggregate_type=self.resource_type, id=after.id, version=after.version)


def changed_names(before: Versioned, after: Versioned) -> list[str]:
    """The fields that changed, without those that only follow from others (`compare=False`)."""
    compared = {field.name for field in fields(after) if field.compare}
    return [name for name in changed_fields(before, after) if name in compared]


def money_columns(amount: Money) -> dict[str, Any]:
    """The columns `amount` and `currency_code` of a row."""
    return {"amount": amount.amount, "currency_code": amount.currency_code}


def action_of(event_name: str, resource_type: str) -> str:
    """What the history calls an event: `OrderPlaced` of an `order` is PLACED."""
    noun = resource_type.title().replace("_", "")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", event_name.removeprefix(noun)).upper()
