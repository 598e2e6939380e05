"""What a resource is in the contract, as an entity and as a table, and the conversions between the three.

Everything is checked and compiled once, when the declaration is imported.
"""

import dataclasses
import operator
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar
from typing import cast as typed

import orjson
from crm.error.v1.error_reason_pb2 import ErrorReason
from crm.type.v1 import money_pb2
from google.protobuf.message import Message
from sqlalchemy import Column, ColumnElement, FromClause, Table, Text, cast, true
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit.collation.keys import collation_key
from crm_kit.etags import etag_of
from crm_kit.filtering.schema import FilterField
from crm_kit.identity.access import Scope
from crm_kit.money import Money, format_amount
from crm_kit.resource.actions import Try, check_tries, read_permission, verbs_of
from crm_kit.resource.codecs import (
    Reading,
    annotation_of,
    around,
    codec_of,
    from_json_of,
    hints_of,
    json_writer_of,
    property_hints,
    writer_of,
)
from crm_kit.resource.contract import (
    ADDRESSING,
    FieldContract,
    collection_of,
    field_contracts,
    is_discussed,
    listed_within,
    snake,
    takes_files,
)
from crm_kit.resource.label import Label
from crm_kit.resource.masking import Masked
from crm_kit.resource.reach import owned
from crm_kit.resource.values import Convert, DeclarationError, is_value_map

Entity = TypeVar("Entity")
Shown = TypeVar("Shown", bound=Message)
Visible = Callable[[Scope], ColumnElement[bool]]

CURRENCY = "currency_code"
# Where a resource has the values of custom fields: in the contract, as a field and as a column.
CUSTOM = "custom"
EVERY_ENTITY_HAS = ("id", "version", "create_time", "update_time")


class ResourceShape(Generic[Entity, Shown]):
    """The conversions of one kind of record; see `Resource` for the parameters."""

    def __init__(
        self,
        noun: str,
        *,
        entity: type[Entity],
        table: Table,
        message: type[Shown],
        created: type[Message],
        updated: type[Message] | None = None,
        beside: Collection[str] = (),
        unversioned: Collection[str] = (),
        untold: Collection[str] = (),
        computed: Mapping[str, ColumnElement[Any]] | None = None,
        listed_as: Mapping[str, ColumnElement[Any]] | None = None,
        joined: FromClause | None = None,
        nested: Mapping[str, FilterField] | None = None,
        within: Mapping[str, Column[Any]] | None = None,
        visible: Visible | None = None,
        hidden: Mapping[str, Collection[str]] | None = None,
        masked: Masked | None = None,
        label: Label | None = None,
        at: Callable[[Entity, datetime], Entity] | None = None,
        momentary: Collection[str] = (),
        default_order: str = "create_time desc",
        verbs: Mapping[str, Try] | None = None,
        assigned: str | None = None,
    ) -> None:
        self.noun = noun
        self.entity = entity
        self.table = table
        self.message_type = message
        self.created, self.updated = created, updated
        self.beside = frozenset(beside)
        self.without_history = self.beside | frozenset(unversioned)
        self.untold = frozenset(untold)
        self.computed = dict(computed or {})
        self.listed_as = dict(listed_as or {})
        self.joined = table if joined is None else joined
        self.nested = dict(nested or {})
        self.within = dict(within or {})
        # Nobody's own: whoever may read any reads all, and a change concerns the whole tenant.
        self.is_shared = visible is None and "owner_id" not in table.c
        self.visible = visible or _by_owner(table)
        self.hidden = dict(hidden or {})
        self.masked = masked
        self.label = label
        self.at = at
        self.momentary = frozenset(momentary)
        self.default_order = default_order
        self.assigned = assigned
        self.tries = dict(verbs or {})
        self._read_contract()
        self._check()
        self._compile_rows()
        self._compile_messages()
        self._compile_lists()

    def _read_contract(self) -> None:
        """What contract and entity say by themselves."""
        self.not_found = f"{self.noun.upper()}_NOT_FOUND"
        self.collection = collection_of(self.message_type)
        self.is_discussed = is_discussed(self.message_type)
        self.takes_files = takes_files(self.message_type)
        self.permission = read_permission(self.message_type)
        self.verbs = {verb.rpc: verb for verb in verbs_of(self.message_type)}
        self.contract = field_contracts(self.message_type)
        inside = listed_within(self.contract)
        # All that lists may do something with, by path.
        self.paths = {**self.contract, **inside}
        self.has_custom = CUSTOM in self.contract and is_value_map(self.contract[CUSTOM].descriptor)
        self.own_hints = hints_of(self.entity)
        self.hints = property_hints(self.entity) | self.own_hints
        # Texts that lists compare as people do -> the columns that have their collation keys.
        self.collated = {name: f"{name}_key" for name, each in self.contract.items() if self._is_collated(name, each)}
        # What events and requests call the record: mostly the noun, which may be a word that code cannot use.
        self.place = self.place_in(self.created)
        self._json_readers: dict[str, Convert | None] = {}

    def __repr__(self) -> str:
        return f"Resource({self.noun!r})"

    def _is_collated(self, name: str, contract: FieldContract) -> bool:
        is_listed = contract.filter or contract.order or contract.group
        is_text = name in self.hints and annotation_of(self.hints[name]).kind is str
        return is_listed and is_text and not (contract.exact or contract.phone_number)

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

    # --- checks

    def _check(self) -> None:
        fields, shown = self.own_hints, self.contract.keys() - {"etag"}
        columns = {column.name for column in self.table.c} - {"tenant_id", *self.collated.values()}
        entity, table = self.entity.__name__, self.table.name
        self._require(snake(self.message_type.DESCRIPTOR.name) == self.noun, "noun", "name it as the contract does")
        for name in EVERY_ENTITY_HAS:
            self._require(name in fields, name, f"every entity has it; add it to {entity}")
        for name in shown:
            self._require(name in self.hints, name, f"the contract has it; add it to {entity} as a field or a property")
            if self.contract[name].given:
                self._require(name in fields, name, f"callers may set it; make it a field of {entity}")
        for name in fields.keys() - self.momentary:
            self._require(
                name in columns or name in self.computed,
                name,
                f"{entity} has it; add the column to {table} and draft a migration",
            )
        for path in sorted((self.paths.keys() - self.contract.keys()) ^ self.within.keys()):
            remedy = "add its column to `within`" if path in self.paths else "say in the contract what lists do with it"
            self._require(False, path, f"lists go by it; {remedy}")
        listed = {column.name for column in self.within.values()}
        for name in columns - fields.keys() - listed:
            placed = name in self.hints or name in self.beside or name == CURRENCY
            self._require(placed, name, f"{table} has it; add it to {entity}, or to `beside` when consumers write it")
        for name in self.beside:
            self._require(name in columns, name, f"it is beside the entity; add the column to {table}")
        for name in self.momentary:
            fills = self.at is not None and name in fields and name not in columns
            self._require(fills, name, f"it is momentary: a field of {entity} without a column, which `at` fills in")
        for name in self.without_history - self.beside:
            self._require(name in fields, name, f"it is unversioned; make it a field of {entity}")
        known = f"ERROR_REASON_{self.not_found}" in ErrorReason.DESCRIPTOR.values_by_name
        self._require(known, self.not_found, "add it to error_reason.proto")
        self._check_keys()
        self._check_assigned()
        self._check_updated()
        self._check_without_history()
        self._check_untold()
        check_tries(self.noun, self.verbs, self.tries)

    def _check_keys(self) -> None:
        """What is compared by its key is a column, with the key beside it."""
        table = self.table.name
        for name, key in self.collated.items():
            remedy = f"lists compare it as people do; add the column {key} to {table}, or mark it exact in the contract"
            self._require({name, key} <= set(self.table.c.keys()), name, remedy)

    def _check_assigned(self) -> None:
        name = self.assigned
        remedy = f"it says whose the record is; add it to {self.entity.__name__}"
        self._require(name is None or name in self.own_hints, name or "", remedy)

    def _check_without_history(self) -> None:
        for name, each in self.contract.items():
            fits = name in self.without_history or not each.without_history
            self._require(fits, name, "it has a history; take `without_history` off in the contract")

    def _check_untold(self) -> None:
        for name in self.untold:
            self._require(name in self.contract, name, "events leave it out; the contract has no such field")

    def _check_updated(self) -> None:
        """The event of updates carries the record; a resource with custom fields has one, since retyping updates."""
        if self.updated is not None:
            self.place_in(self.updated)
        elif self.has_custom:
            self._require(False, CUSTOM, "records change when a custom field gets another type; give it `updated`")

    def _require(self, fits: bool, name: str, remedy: str) -> None:
        if not fits:
            raise DeclarationError(f"{self.noun}.{name}: {remedy}")

    def default_of(self, name: str) -> Any:
        """The value that a new record has in a field; dataclasses.MISSING where it must be given."""
        field = typed("Any", self.entity).__dataclass_fields__[name]
        return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()

    def place_in(self, event: type[Message]) -> str:
        """The field of an event that carries the resource."""
        wanted = self.message_type.DESCRIPTOR
        for field in event.DESCRIPTOR.fields:
            if field.message_type is not None and field.message_type.full_name == wanted.full_name:
                return str(field.name)
        raise DeclarationError(f"{event.DESCRIPTOR.full_name} carries no {wanted.name}; give it a field of that type")

    def hint_of(self, path: str) -> Any:
        """The annotation of a field, or of one within an object."""
        name, _, inner = path.partition(".")
        return hints_of(annotation_of(self.hints[name]).kind)[inner] if inner else self.hints[name]

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

    def is_json(self, name: str) -> bool:
        """Whether a field is kept as JSON."""
        return isinstance((self.computed[name] if name in self.computed else self.table.c[name]).type, JSONB)

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

    def _where(self, name: str) -> str:
        return f"{self.noun}.{name}"


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


def _by_owner(table: Table) -> Visible:
    return owned(table) if "owner_id" in table.c else lambda _scope: true()
