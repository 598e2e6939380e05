"""Fields of some records that only those see who reach all records, such as the telephone number of a pooled lead.

A tenant can show some of them to everybody who reads the records.
"""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Any

from crm.type.v1.change_pb2 import Change
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import NULL_VALUE
from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class Masked:
    """Hides those of the `fields` that the tenant masks, of the records that are `hidden`, which of rows is `rows`.

    They are left out of answers, of the record as it was, and of its history; a filter that speaks of one of them finds
    no such record. Events have them: services need what people must not see.
    """

    fields: frozenset[str]
    hidden: Callable[[Any], bool]
    rows: ColumnElement[bool]


def clear(shown: Message, masked: Set[str]) -> None:
    """Take masked fields out of the message of a hidden record."""
    for name in masked:
        shown.ClearField(name)


def clear_changes(changes: Iterable[Change], masked: Set[str]) -> None:
    """Take their values out of changes of a hidden record; that they were changed stays."""
    for change in changes:
        for field in change.fields:
            if field.field in masked:
                field.old_value.null_value = NULL_VALUE
                field.new_value.null_value = NULL_VALUE
