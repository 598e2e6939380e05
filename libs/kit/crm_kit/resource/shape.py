"""The conversions of a resource between contract, entity and table, compiled once when its declaration is imported."""

import dataclasses
import operator
from collections.abc import Collection
from typing import Any
from typing import cast as typed

import orjson
from crm.type.v1 import money_pb2
from sqlalchemy import ColumnElement, Text, cast

from crm_kit.collation.keys import collation_key
from crm_kit.etags import etag_of
from crm_kit.money import Money, format_amount
from crm_kit.resource.codecs import (
    Reading,
    annotation_of,
    around,
    codec_of,
    from_json_of,
    json_writer_of,
    writer_of,
)
from crm_kit.resource.contract import (
    ADDRESSING,
)
from crm_kit.resource.declaration import CURRENCY, Declaration, Entity, Shown
from crm_kit.resource.values import Convert


class ResourceShape(Declaration[Entity, Shown]):
    """The conversions of one kind of record."""

    def _compile(self) -> None:
        self._compile_rows()
        self._compile_messages()
        self._compile_lists()

    # --- rows

    def entity_from(self, row: Any) -> Entity:
        """The entity that a row of `columns` holds."""
        values = dict(zip(self._selected, row.values(), strict=False))
        for name in self._not_the_entitys:
            del values[name]
        for name, convert in self._from_row:
            values[name] = convert(values[name])
        for name in self._moneys:
            if values[name] is not None:
                values[name] = Money(values[name], row[CURRENCY])
        return self.entity(**values)

    def row_of(self, entity: Entity) -> dict[str, Any]:
        """The columns of the entity's row, those beside it left out."""
        values = dict(zip(self._written, self._read_written(entity), strict=True))
        for name in self._money_columns:
            money = values[name]
            values[name] = None if money is None else money.amount
            if self._writes_currency and money is not None:
                values[CURRENCY] = money.currency_code
        if self._writes_currency:
            values.setdefault(CURRENCY, None)
        for name, key in self.collated.items():
            values[key] = _key_of(values[name])
        return values

    def message_from(self, row: Any) -> Shown:
        """The message that a row of `columns` shows, without an entity in between where no rule is needed."""
        if not self.is_direct:
            return self.message_of(self.entity_from(row))
        values = dict(zip(self._selected_and_shown, row.values(), strict=False))
        for name, write in self._row_to_message:
            values[name] = write(values[name])
        for name in self._shown_moneys:
            values[name] = _money_message(values[name], row[CURRENCY])
        return self.message_type(etag=etag_of(row["version"]), **values)

    def from_json(self, name: str, stored: Any) -> Any:
        """A field's value as the history keeps it."""
        if name not in self._json_readers:
            self._json_readers[name] = from_json_of(self.hints[name], self._where(name))
        read = self._json_readers[name]
        return stored if read is None else read(stored)

    # --- messages

    def message_of(self, entity: Entity) -> Shown:
        """The message that shows an entity."""
        values = dict(zip(self._shown, self._read_shown(entity), strict=True))
        for name, write in self._to_message:
            values[name] = write(values[name])
        return self.message_type(etag=etag_of(typed("Any", entity).version), **values)

    # --- compiling

    def _compile_rows(self) -> None:
        fields = tuple(name for name in self.own_hints if name not in self.momentary)
        columns = self.table.c
        derived = tuple(column.name for column in columns if column.name not in fields and column.name in self.hints)
        shown = [name for name in self.contract if name != "etag"]
        self.is_direct = self.at is None and all(name in fields or name in derived for name in shown)
        # Pages go on behind the value that the last row is ordered by.
        ordered = {path for path, each in self.paths.items() if each.order}
        taken = [name for name in (*fields, *derived) if name in fields or name in ordered or self.is_direct]
        taken += [path for path in self.within if path in ordered]
        taken += [key for name, key in self.collated.items() if name in ordered]
        # What is shown comes first, so that it can be taken off a row without looking at the rest.
        self._selected = (*(n for n in taken if n in self.contract), *(n for n in taken if n not in self.contract))
        self._selected_and_shown = tuple(name for name in self._selected if name in self.contract)
        self._not_the_entitys = tuple(name for name in self._selected if name not in fields)
        self._written = tuple(
            name for name in (*fields, *derived) if name not in self.computed and name not in self.beside
        )
        # What a version consists of: what is kept of it, wherever.
        self.versioned = tuple(name for name in fields if name not in self.without_history)
        self._read_written = operator.attrgetter(*self._written)
        self._from_row = [(name, convert) for name in fields if (convert := self._from_column(name))]
        self._moneys = tuple(name for name in fields if self._is_amount(name))
        self._money_columns = tuple(name for name in self._written if self._is_amount(name))
        self._writes_currency = bool(self._money_columns) and CURRENCY not in self._written
        extra = [columns[CURRENCY]] if self._writes_currency else []
        self.columns = [*(self._column(name) for name in self._selected), *extra]

    def _column(self, name: str) -> ColumnElement[Any]:
        if name in self.within:
            return self.within[name].label(name)
        if self._is_document(name):
            # The driver reads the JSON of all rows at once; as text it waits until each row has its turn.
            return cast(self.table.c[name], Text).label(name)
        return self.computed[name].label(name) if name in self.computed else self.table.c[name]

    def _is_document(self, name: str) -> bool:
        """Whether a field is a list or an object kept as JSON, which may be long: the lines of an order, say."""
        if name in self.computed or name not in self.hints or not self.is_json(name):
            return False
        annotation = annotation_of(self.hints[name])
        return annotation.repeated or dataclasses.is_dataclass(annotation.kind)

    def _is_amount(self, name: str) -> bool:
        """Whether it is money kept as a number, its currency in a column of its own."""
        return annotation_of(self.hints[name]).kind is Money and not self.is_json(name)

    def _from_column(self, name: str) -> Convert | None:
        if self._is_amount(name):
            return None
        annotation = annotation_of(self.hints[name])
        codec = codec_of(annotation.kind, None, self._where(name))
        if not self._is_document(name):
            return around(annotation, codec.from_json if self.is_json(name) else codec.from_column)
        read = around(annotation, codec.from_json) or tuple
        # A statement that selects the column itself gets it from the driver as it was read.
        return lambda kept: None if kept is None else read(orjson.loads(kept) if isinstance(kept, str) else kept)

    def _compile_messages(self) -> None:
        self._shown = tuple(name for name in self.contract if name != "etag")
        self._read_shown = operator.attrgetter(*self._shown)
        writers = {
            name: writer_of(self.hints[name], self.contract[name].descriptor, self._where(name)) for name in self._shown
        }
        self._to_message = [(name, write) for name, write in writers.items() if write]
        self.readings = {
            name: Reading.of(self.entity, name, each.descriptor, self._where(name))
            for name, each in self.contract.items()
            if name not in ADDRESSING and name in self.own_hints
        }
        # All that a message has of what is stored: also what is computed and kept.
        self.stored_readings = {
            name: self.readings.get(name)
            or Reading.of_hint(self.hints[name], name, self.contract[name].descriptor, self._where(name))
            for name in self._shown
            if name not in ADDRESSING and (name in self.own_hints or name in self.table.c)
        }
        for name, reading in self.readings.items():
            is_known_unset = reading.presence or reading.repeated or reading.empty_is_unset
            fits = is_known_unset or not self.contract[name].changed_by or not self.default_of(name)
            self._require(fits, name, "a create without it would seem to ask for 0; make it `optional` in the contract")
        if self.is_direct:
            amounts = [name for name in self._shown if self._is_amount(name)]
            self._shown_moneys = tuple(amounts)
            direct = [(name, self._direct(name, write)) for name, write in writers.items() if name not in amounts]
            self._row_to_message = [(name, write) for name, write in direct if write]

    def _compile_lists(self) -> None:
        """What lists need is compiled where they are."""

    def _direct(self, name: str, write: Convert | None) -> Convert | None:
        """From a column to a message. An enum's number is found by its text, so only JSON is read first."""
        if self._is_document(name):
            return self._direct_document(name)
        read = self._from_column(name) if self.is_json(name) else None
        if read is None or write is None:
            return read or write
        return lambda value: write(read(value))

    def _direct_document(self, name: str) -> Convert:
        """From a document's JSON, as text or as the driver has read it, to a message; most lists are empty."""
        descriptor = self.contract[name].descriptor
        write = json_writer_of(self.hints[name], descriptor, self._where(name)) or _as_it_is

        def direct(kept: Any) -> Any:
            if kept is None or kept == "[]":
                return None
            return write(orjson.loads(kept) if isinstance(kept, str) else kept)

        return direct


def _as_it_is(value: Any) -> Any:
    return value


def _key_of(value: str | Collection[str] | None) -> str | list[str] | None:
    """What a text, or a list of them, is compared by."""
    if value is None:
        return None
    return collation_key(value) if isinstance(value, str) else list(map(collation_key, value))


def _money_message(amount: Any, currency_code: str) -> money_pb2.Money | None:
    if amount is None:
        return None
    return money_pb2.Money(amount=format_amount(amount, currency_code), currency_code=currency_code)
