"""What a resource is said to be, held against its contract, its entity and its table when it is imported."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar
from typing import cast as typed
from uuid import UUID

from crm.error.v1.error_reason_pb2 import ErrorReason
from google.protobuf.message import Message
from sqlalchemy import Column, ColumnElement, FromClause, Table, true
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit.filtering.schema import FilterField
from crm_kit.identity.access import Scope
from crm_kit.kept_filters import KeptFilters
from crm_kit.resource.actions import Try, check_tries, read_permission, verbs_of
from crm_kit.resource.codecs import (
    annotation_of,
    hints_of,
    property_hints,
)
from crm_kit.resource.contract import (
    FieldContract,
    collection_of,
    field_contracts,
    is_discussed,
    kept_filters_of,
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


class Declaration(Generic[Entity, Shown]):
    """What is said of one kind of record; see `Resource` for the parameters.

    DeclarationError where contract, entity and table do not fit each other.
    """

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
        kept_filters: Mapping[str, KeptFilters] | None = None,
        visible: Visible | None = None,
        shared: bool = False,
        hidden: Mapping[str, Collection[str]] | None = None,
        masked: Masked | None = None,
        label: Label | None = None,
        at: Callable[[Entity, datetime], Entity] | None = None,
        momentary: Collection[str] = (),
        default_order: str = "create_time desc",
        verbs: Mapping[str, Try] | None = None,
        assigned: str | None = None,
        files_at: Callable[[Entity], tuple[str, UUID]] | None = None,
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
        self.kept_filters = dict(kept_filters or {})
        # Nobody's own: whoever may read any reads all that is `visible`, and a change concerns the whole tenant.
        self.is_shared = shared or (visible is None and "owner_id" not in table.c)
        self.visible = visible or _by_owner(table)
        self.hidden = dict(hidden or {})
        self.masked = masked
        self.label = label
        self.at = at
        self.momentary = frozenset(momentary)
        self.default_order = default_order
        self.assigned = assigned
        self.files_at = files_at
        self.tries = dict(verbs or {})
        self._read_contract()
        self._check()
        self._compile()

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
        self._check_kept_filters()
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

    def _check_kept_filters(self) -> None:
        for name in sorted(kept_filters_of(self.message_type) ^ self.kept_filters.keys()):
            self._require(False, name, "have it in `kept_filters` of the contract's resource and of the declaration")

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

    def _compile(self) -> None:
        """What conversions and lists need is compiled where they are."""

    def is_json(self, name: str) -> bool:
        """Whether a field is kept as JSON."""
        return isinstance((self.computed[name] if name in self.computed else self.table.c[name]).type, JSONB)

    def _where(self, name: str) -> str:
        return f"{self.noun}.{name}"


def _by_owner(table: Table) -> Visible:
    return owned(table) if "owner_id" in table.c else lambda _scope: true()
