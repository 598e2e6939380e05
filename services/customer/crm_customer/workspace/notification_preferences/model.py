"""Notification preferences: what somebody wants to be told, and how."""

import enum
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field
from crm_kit.notice_texts import NoticeKind


class Mail(enum.StrEnum):
    NEVER = "NEVER"
    AT_ONCE = "AT_ONCE"
    DAILY = "DAILY"


@dataclass(frozen=True, slots=True)
class Choice:
    """How a kind of notice is told."""

    kind: NoticeKind
    in_app: bool
    mail: Mail

    @property
    def is_told(self) -> bool:
        return self.in_app or self.mail is not Mail.NEVER


@dataclass(frozen=True, slots=True)
class MutedRecord:
    collection: str
    record_id: UUID


@dataclass(frozen=True, slots=True)
class NotificationPreference:
    """Fields as in the contract; `id` is the user's."""

    id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    choices: tuple[Choice, ...] = ()
    muted_records: tuple[MutedRecord, ...] = ()

    def update(self, values: Mapping[str, Any]) -> "NotificationPreference":
        """With new values of some fields. InvalidArgument for a kind or a record that is named twice."""
        after = replace(self, **values)
        _check_once("choices", "kind", [each.kind for each in after.choices])
        _check_once("muted_records", "record_id", [(each.collection, each.record_id) for each in after.muted_records])
        return after

    @property
    def wants_mail(self) -> bool:
        return any(each.mail is not Mail.NEVER for each in self.choices)

    def choice(self, kind: NoticeKind, *records: MutedRecord) -> Choice:
        """How a notice of this kind is told, on a record, and on those that it is at."""
        if not set(records).isdisjoint(self.muted_records):
            return Choice(kind, in_app=False, mail=Mail.NEVER)
        chosen = (each for each in self.choices if each.kind is kind)
        return next(chosen, Choice(kind, in_app=True, mail=Mail.NEVER))


def _check_once(field: str, name: str, values: Sequence[Hashable]) -> None:
    seen = set()
    for index, each in enumerate(values):
        if each in seen:
            raise invalid_field(f"notification_preference.{field}[{index}].{name}", "repeated.unique", "is there twice")
        seen.add(each)
