"""Timeline entries from the events of all services."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.options.v1 import options_pb2
from crm.type.v1 import money_pb2
from crm_kit.resource.contract import snake
from crm_kit.resource.values import enum_prefix
from crm_kit.wire import id_from, time_from
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from crm_customer.records.timeline.model import Detail, Entry, Kind

Event = event_pb2.Event
# In place of a detail's name.
TITLE = ""
# A collection and a field of its records.
RecordField = tuple[str, str]
SHOWN_MESSAGES = (Timestamp.DESCRIPTOR.full_name, money_pb2.Money.DESCRIPTOR.full_name)


@dataclass(frozen=True, slots=True)
class EventKind:
    """How one kind of event reads on a timeline: where in it the account, the title and the details are.

    Paths are field names with dots, such as `opportunity.account_id`. One that the event does not have, or an event
    that has no kind in the contract, is a ValueError here, not a surprise when the event comes. A detail is shown
    under the last name of its path, or under another: `promise=milestone.kind`. `time` and `actor` are for what
    happened at another time, or was done by somebody else, than the event tells of it; `owners` and `owner_team` for
    those who have the record, where others than who has the account see it.
    """

    payload: type[Message]
    account: str
    title: str = ""
    details: tuple[str, ...] = ()
    time: str = ""
    actor: str = ""
    owners: tuple[str, ...] = ()
    owner_team: str = ""

    def __post_init__(self) -> None:
        details = [detail_name_and_path(each) for each in self.details]
        optional = filter(None, (self.title, self.time, self.actor, self.owner_team))
        for path in (self.account, *optional, *self.owners, *(path for _, path in details)):
            check_path(self.payload.DESCRIPTOR, path)
        name = kind_name(self.payload)
        if name not in set(Kind):
            raise ValueError(f"TimelineEntry.Kind has no {name}; add it to the contract and to Kind")
        if len({name for name, _ in details}) < len(details):
            raise ValueError(f"{name} has two details of one name")

    @property
    def kind(self) -> Kind:
        """What its entries are."""
        return Kind(kind_name(self.payload))

    def fields_shown(self) -> Iterator[tuple[str, RecordField | None]]:
        """The title and each detail by name, with the field of a record that it is a value of, if roles can hide it."""
        for name, path in ((TITLE, self.title), *map(detail_name_and_path, self.details)):
            yield name, hideable_at(self.payload.DESCRIPTOR, path) if path else None

    def entry(self, event: Event, payload: Message) -> Entry | None:
        """What the timeline shows of the event; None when it is about no account."""
        account_id = text_at(payload, self.account)
        if not account_id:
            return None
        shown = ((name, text_at(payload, path)) for name, path in map(detail_name_and_path, self.details))
        return Entry(
            id=UUID(event.id),
            account_id=UUID(account_id),
            kind=self.kind,
            entry_time=datetime.fromisoformat(text_at(payload, self.time))
            if self.time
            else time_from(event.occur_time),
            title=text_at(payload, self.title) if self.title else "",
            details=tuple(Detail(name, value) for name, value in shown if value),
            service=self.payload.DESCRIPTOR.full_name.split(".")[1],
            reference_type=event.aggregate_type,
            reference_id=UUID(event.aggregate_id),
            actor_id=UUID(text_at(payload, self.actor) if self.actor else event.actor_id),
            owner_ids=tuple(UUID(id) for id in (text_at(payload, path) for path in self.owners) if id),
            owner_team_id=id_from(text_at(payload, self.owner_team)) if self.owner_team else None,
        )


def hideable_at(message: Any, path: str) -> RecordField | None:
    """The field of a record at a path of an event, or that of which there is a copy; None where roles hide no such."""
    head, _, rest = path.partition(".")
    field = message.fields_by_name[head]
    if not rest:
        collection, _, copied = field.GetOptions().Extensions[options_pb2.copy_of].partition(".")
        return (collection, copied) if copied else None
    resource = field.message_type.GetOptions().Extensions[options_pb2.resource]
    return (resource.collection, rest.partition(".")[0]) if resource.hides_fields else None


def kind_name(payload: type[Message]) -> str:
    """`OpportunityWon` is OPPORTUNITY_WON."""
    return _upper(payload.DESCRIPTOR.name)


@cache
def _upper(name: str) -> str:
    return snake(name).upper()


@cache
def detail_name_and_path(text: str) -> tuple[str, str]:
    """`order.due_date` -> due_date and the path; `until=order.due_date` -> until and the path."""
    name, _, path = text.rpartition("=")
    return name or path.rpartition(".")[2], path


def check_path(message: Any, path: str) -> None:
    """ValueError unless the path leads to something that can be shown as text."""
    *parents, last = path.split(".")
    at = message
    for name in parents:
        parent = at.fields_by_name.get(name) if at else None
        at = parent.message_type if parent and not parent.is_repeated else None
    field = at.fields_by_name.get(last) if at else None
    if field is None or (field.message_type and field.message_type.full_name not in SHOWN_MESSAGES):
        raise ValueError(f"{message.full_name} has no {path} that a timeline could show")


def text_at(payload: Message, path: str) -> str:
    """What is at the path, as text; empty when it is not set."""
    *parents, last = path.split(".")
    for name in parents:
        payload = getattr(payload, name)
    field = payload.DESCRIPTOR.fields_by_name[last]
    if field.is_repeated:
        return ", ".join(text_of(field, each) for each in getattr(payload, last))
    if field.has_presence and not payload.HasField(last):
        return ""
    return text_of(field, getattr(payload, last))


def text_of(field: Any, value: Any) -> str:
    """One value as text: enum values without their prefix, instants in ISO 8601, money as `1234.50 CNY`."""
    if field.enum_type:
        prefix = enum_prefix(field.enum_type.name)
        known = field.enum_type.values_by_number.get(value)
        # A newer producer may know values that we do not.
        return (str(known.name).removeprefix(prefix) if known else str(value)) if value else ""
    if isinstance(value, Timestamp):
        return value.ToDatetime(tzinfo=UTC).isoformat()
    if isinstance(value, money_pb2.Money):
        return f"{value.amount} {value.currency_code}"
    return str(value).lower() if isinstance(value, bool) else str(value)
