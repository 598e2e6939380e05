"""Records of which somebody sees a label only: that they are there, what they are called, and whose they are."""

import enum
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from crm_kit.database.work import Reader
from crm_kit.errors import PermissionDenied
from crm_kit.identity.access import Actor, Scope
from crm_kit.resource.reach import Reach


class Shown(enum.Enum):
    """As what a record is shown."""

    RECORD = enum.auto()
    # By their ids.
    RECORDS = enum.auto()
    PAGE = enum.auto()
    # By a search.
    FOUND = enum.auto()
    PAST = enum.auto()
    CHANGES = enum.auto()
    # In a file that was made of a list.
    EXPORTED = enum.auto()


@dataclass(frozen=True, slots=True, eq=False)
class Label:
    """`fields` are shown to those who may not open a record: of a `restricted` one `closed` says who they are.

    `visible` are the records of which a scope reaches the label at least. A resource's own `visible` reaches what is
    open: whatever reads, writes or counts records goes by that, and only answers that show records themselves by this.
    `note` is told which records are about to be shown whole.
    """

    fields: frozenset[str]
    visible: Reach
    restricted: Callable[[Any], bool]
    closed: Callable[[Actor, Scope, Any], bool]
    note: Callable[[Reader, Sequence[Any], Shown], Awaitable[None]]

    def has(self, path: str) -> bool:
        """Whether a path of the record is part of its label."""
        return path.partition(".")[0] in self.fields

    def all_have(self, paths: Collection[str]) -> bool:
        """Whether all the paths are."""
        return all(map(self.has, paths))

    def conceal(self, shown: Message) -> None:
        """Take all but the label out of a record's message."""
        for field, _ in shown.ListFields():
            if field.name not in self.fields:
                shown.ClearField(field.name)


def closed_to_reader(noun: str) -> PermissionDenied:
    """The error for more than the label."""
    detail = f"the {noun} is restricted: it is open to its owner, the teams above, its own team, and who is permitted"
    return PermissionDenied(detail, reason=f"{noun.upper()}_RESTRICTED")
