"""Parts of answers that are withheld from some who may read the record: fields that take another permission besides.

What is withheld by a rule of the record's own, such as what a payment paid of orders that one may not read, its service
says in a `Rule`. As names beside ids, both are seen to when an answer is whole. Events have all of it: services need
what people must not see.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol
from uuid import UUID

from crm.options.v1 import options_pb2
from crm.type.v1.change_pb2 import Change
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import NULL_VALUE, Value
from sqlalchemy import Select, Table, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope, visible
from crm_kit.resource.places import Places, places_of
from crm_kit.resource.reading import ReadableResource
from crm_kit.resource.values import DeclarationError

Run = Callable[[Any, Any], Awaitable[Message]]
ACCOUNT = "account_id"
NO_RULES: "Mapping[type[Message], Rule]" = MappingProxyType({})


class Rule(Protocol):
    """What is withheld of the records of a type, from whom."""

    async def withhold(self, reader: Reader, records: Sequence[Any]) -> None:
        """Take out of the messages what the reader may not see."""
        ...

    async def withhold_from_changes(self, reader: Reader, changes: Sequence[Change]) -> None:
        """Take it out of old and new values."""
        ...


@dataclass(frozen=True, slots=True)
class Withheld:
    """Such fields of a message itself, each with its permission, and whether it says which account it is of.

    `rule` is that of the message, where it has one.
    """

    fields: tuple[tuple[str, str], ...]
    has_account: bool
    rule: Rule | None = None

    def __bool__(self) -> bool:
        return bool(self.fields or self.rule)


WithheldPlaces = Places[Withheld]


def fields_in(
    places: WithheldPlaces, messages: Sequence[Any], account_id: str = ""
) -> Iterator[tuple[str, str, str, Any]]:
    """Each such field that is set: its permission, its name, the account its record is of, and its message."""
    for message in messages:
        of_account = message.account_id if places.own.has_account else account_id
        for name, permission in places.own.fields:
            if getattr(message, name):
                yield permission, name, of_account, message
        for name, is_repeated, inner in places.within:
            if is_repeated:
                yield from fields_in(inner, getattr(message, name), of_account)
            elif message.HasField(name):
                yield from fields_in(inner, [getattr(message, name)], of_account)


def permissions_of(places: WithheldPlaces) -> Set[str]:
    """All that seeing the fields takes."""
    own = {permission for _, permission in places.own.fields}
    return own.union(*(permissions_of(inner) for _, _, inner in places.within))


def empty(places: WithheldPlaces, name: str, value: Value, withheld: Set[str]) -> None:
    """Empty what takes a permission that is `withheld` in the value that the field of this name had."""
    if any(own == name and permission in withheld for own, permission in places.own.fields):
        value.null_value = NULL_VALUE
    for within, _, inner in places.within:
        if within == name:
            parts = value.list_value.values if value.HasField("list_value") else [value]
            for part in parts:
                for key, each in part.struct_value.fields.items():
                    empty(inner, key, each, withheld)


class Withholding:
    """Empties the fields that somebody may not see; `accounts` is the table that says whose each account is.

    `rules` are those of the service's own, by the message of the record.
    """

    def __init__(self, accounts: Table | None, rules: Mapping[type[Message], Rule] = NO_RULES) -> None:
        self._accounts = accounts
        self._rules = {message.DESCRIPTOR.full_name: rule for message, rule in rules.items()}
        self._places: dict[str, WithheldPlaces | None] = {}

    def around(self, run: Run, answer: type[Message]) -> Run:
        """The method of a servicer, without what is withheld from its caller."""
        if self.places_in(answer.DESCRIPTOR) is None:
            return run

        async def withholding(request: Any, reader: Any) -> Message:
            message = await run(request, reader)
            await self.withhold(reader, [message])
            return message

        return withholding

    async def withhold(self, reader: Reader, messages: Sequence[Message]) -> None:
        """Empty what the reader may not see in messages of one type."""
        places = self.places_in(messages[0].DESCRIPTOR) if messages else None
        if places is None:
            return
        for withheld, records in places.found(messages):
            if withheld.rule is not None:
                await withheld.rule.withhold(reader, records)
        found: dict[str, list[tuple[str, str, Any]]] = {}
        for permission, name, account_id, message in fields_in(places, messages):
            found.setdefault(permission, []).append((name, account_id, message))
        for permission, fields in found.items():
            reached = await self._reached(reader, permission, {account_id for _, account_id, _ in fields})
            for name, account_id, message in fields:
                if account_id not in reached:
                    message.ClearField(name)

    async def withhold_from_changes(
        self, reader: Reader, resource: ReadableResource[Any, Any], id: str, changes: Sequence[Change]
    ) -> None:
        """Empty what the reader may not see in the changes of a record."""
        places = self.places_in(resource.message_type.DESCRIPTOR)
        if places is None:
            return
        if places.own.rule is not None:
            await places.own.rule.withhold_from_changes(reader, changes)
        permissions = permissions_of(places)
        if not permissions:
            return
        # What is at no account takes the permission in the scope ALL.
        account_id = str(getattr(await resource.get(reader, UUID(id)), ACCOUNT, ""))
        withheld = {each for each in permissions if not await self._reached(reader, each, [account_id])}
        for field in (field for change in changes for field in change.fields):
            for value in (field.old_value, field.new_value):
                empty(places, field.field, value, withheld)

    async def _reached(self, reader: Reader, permission: str, account_ids: Collection[str]) -> Collection[str]:
        """Those of the accounts that the permission reaches."""
        access = reader.actor.access
        if not access.may(permission):
            return ()
        scope = access.scope(permission)
        if scope is Scope.ALL:
            return account_ids
        assert self._accounts is not None, "no answer has such fields where accounts are not known"
        ids = [UUID(id) for id in account_ids if id]
        return {str(row["id"]) for row in await reader.all(accounts_within(self._accounts, scope), ids=ids)}

    def places_in(self, message: Any) -> WithheldPlaces | None:
        """Where messages of this descriptor have such fields; None where they have none."""
        name = message.full_name
        if name not in self._places:
            places = self._places[name] = places_of(message, self._withheld_in)
            if places is not None and permissions_of(places) and self._accounts is None:
                raise DeclarationError(f"{name}: say in `Service.names` where the accounts are, for what it withholds")
        return self._places[name]

    def _withheld_in(self, message: Any) -> Withheld:
        return withheld_fields(message, self._rules.get(message.full_name))


def withheld_fields(message: Any, rule: Rule | None = None) -> Withheld:
    """What the contract says is withheld in messages of this descriptor, and the rule that they have besides."""
    fields = tuple(
        (field.name, permission)
        for field in message.fields
        if (permission := field.GetOptions().Extensions[options_pb2.withheld_without])
    )
    return Withheld(fields, ACCOUNT in message.fields_by_name, rule)


@statement
def accounts_within(accounts: Table, scope: Scope) -> Select[Any]:
    return select(accounts.c.id).where(
        accounts.c.tenant_id == bindparam("tenant_id"),
        accounts.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        visible(accounts, scope),
    )
