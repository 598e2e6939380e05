"""Names beside ids: where an answer has `owner_id` and `owner_name`, the name of what the id refers to is filled in.

That is done when an answer is whole, and only there: events and history would keep names that are true no more.
"""

import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import FromClause, Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_kit.database.known_names import BELIEVED_SECONDS, Known
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.plumbing import access_roles, access_teams, access_users, approval_policies
from crm_kit.resource.contract import NAME, NamedId, named_ids
from crm_kit.resource.places import Places, places_of
from crm_kit.resource.shape import ResourceShape
from crm_kit.resource.values import DeclarationError

Run = Callable[[Any, Any], Awaitable[Message]]
NamePlaces = Places[tuple[NamedId, ...]]
# What every service knows: the directory, and its own policies.
EVERYWHERE: Mapping[str, FromClause] = {
    "users": access_users,
    "teams": access_teams,
    "approval_policies": approval_policies,
}


class Names:
    """The names that a service knows: `sources` have the columns tenant_id, id and display_name, by collection."""

    def __init__(self, sources: Mapping[str, FromClause]) -> None:
        # The service of the directory has roles of its own, the others what it tells of them.
        self._sources: Mapping[str, FromClause] = {"roles": access_roles, **sources, **EVERYWHERE}
        self._places: dict[str, NamePlaces | None] = {}

    def beside(self, run: Run, answer: type[Message]) -> Run:
        """The method of a servicer, with the names in its answer. DeclarationError where nothing knows them."""
        places = self.places_in(answer.DESCRIPTOR)
        if places is None:
            return run

        async def named(request: Any, reader: Any) -> Message:
            message = await run(request, reader)
            await self.fill(reader, places, [message])
            return message

        return named

    def places_in(self, message: Any) -> NamePlaces | None:
        """Where messages of this descriptor have names; None where they have none."""
        name = message.full_name
        if name not in self._places:
            self._places[name] = places_of(message, self._named_ids)
        return self._places[name]

    def _named_ids(self, message: Any) -> tuple[NamedId, ...]:
        for each in (own := named_ids(message)):
            if not each.collection_field:
                self.require(each.collection, f"{message.full_name}.{each.name}")
        return own

    def require(self, collection: str, where: str) -> None:
        """DeclarationError unless it is known what the records of a collection are called."""
        if collection not in self._sources:
            raise DeclarationError(f"{where}: say in `Service.names` where the names of {collection} are")

    async def fill_in(self, reader: Reader, message: type[Message], messages: Sequence[Message]) -> None:
        """Fill the names in messages of one type."""
        places = self.places_in(message.DESCRIPTOR)
        if places is not None:
            await self.fill(reader, places, messages)

    async def fill(self, reader: Reader, places: NamePlaces, messages: Sequence[Message]) -> None:
        """Fill in the names: those that are known, and with one query for each collection the others."""
        unknown: dict[str, list[tuple[NamedId, Any]]] = {}
        known_names = reader.database.known_names
        oldest = known_names.now() - BELIEVED_SECONDS
        for each, owners in self._placed(places, messages):
            known = known_names.of(reader.tenant_id, self._sources[each.collection].description)
            id_field, name_field = each.id, each.name
            if each.is_list:
                for owner in owners:
                    if not _told(getattr(owner, id_field), getattr(owner, name_field), known, oldest):
                        unknown.setdefault(each.collection, []).append((each, owner))
                continue
            for owner in owners:
                if id := getattr(owner, id_field):
                    found = known.get(id)
                    if found is None or found[0] <= oldest:
                        unknown.setdefault(each.collection, []).append((each, owner))
                    elif found[1]:
                        setattr(owner, name_field, found[1])
        for collection, missing in unknown.items():
            await self._fill_unknown(reader, self._sources[collection], missing)

    def _placed(self, places: NamePlaces, messages: Sequence[Message]) -> Iterator[tuple[NamedId, Sequence[Any]]]:
        """Each named id of the messages whose names are known here, with those that have it."""
        for own, owners in places.found(messages):
            for each, of_it in itertools.chain.from_iterable(_apart(each, owners) for each in own):
                if each.collection in self._sources:
                    yield each, of_it

    async def by_id(self, reader: Reader, collection: str, ids: Collection[str]) -> Mapping[str, str]:
        """The names of records of a collection, as far as they are known here."""
        source = self._sources.get(collection)
        if source is None or not ids:
            return {}
        rows = await reader.all(names_of(source), ids=[UUID(id) for id in ids])
        return {str(row["id"]): row["display_name"] for row in rows if row["display_name"]}

    async def _fill_unknown(self, reader: Reader, source: FromClause, missing: list[tuple[NamedId, Any]]) -> None:
        # What this unit of work gathered is not in the database yet, or only for itself: nobody else may learn it.
        gathered = {str(id): name for (table, id), name in reader.names.items() if table == source.description}
        ids = {id for each, owner in missing for id in _ids(each, owner)} - gathered.keys()
        known_names = reader.database.known_names
        read_time = known_names.now()
        rows = await reader.all(names_of(source), ids=[UUID(id) for id in ids]) if ids else []
        names = dict.fromkeys(ids, "") | {str(row["id"]): row["display_name"] for row in rows}
        known_names.put(reader.tenant_id, source.description, names, read_time=read_time)
        names |= gathered
        for each, owner in missing:
            if each.is_list:
                getattr(owner, each.name)[:] = [names[id] for id in _ids(each, owner)]
            elif name := names[getattr(owner, each.id)]:
                setattr(owner, each.name, name)


def _apart(each: NamedId, owners: Sequence[Any]) -> Iterator[tuple[NamedId, Sequence[Any]]]:
    """A named id with the messages that have it: where they say of which collection it is, those of each apart."""
    if not each.collection_field:
        yield each, owners
        return
    by_collection: dict[str, list[Any]] = {}
    for owner in owners:
        by_collection.setdefault(getattr(owner, each.collection_field), []).append(owner)
    for collection, of_it in by_collection.items():
        yield replace(each, collection=collection), of_it


def _told(ids: Sequence[str], names: Any, known: Mapping[str, Known], oldest: float) -> bool:
    """Put the names of a list of ids into `names` if all of them are known, and say whether they are."""
    found = [each[1] for id in ids if (each := known.get(id)) is not None and each[0] > oldest]
    if len(found) == len(ids):
        names[:] = found
    return len(found) == len(ids)


def _ids(each: NamedId, owner: Any) -> Sequence[str]:
    """The ids that a message has there."""
    found = getattr(owner, each.id)
    return found if each.is_list else (found,)


def named_tables(resources: Iterable[ResourceShape[Any, Any]]) -> dict[str, FromClause]:
    """The tables of those resources whose records have display names, by collection."""
    return {each.collection: each.table for each in resources if NAME in each.table.c}


@statement
def names_of(source: FromClause) -> Select[Any]:
    return select(source.c.id, source.c.display_name).where(
        source.c.tenant_id == bindparam("tenant_id"), source.c.id == any_(bindparam("ids", type_=ARRAY(Uuid)))
    )
