"""The discussion of one record: who takes part in it, and who may."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.comments.queries import earlier_authors, people_of
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.errors import Unauthenticated
from crm_kit.identity.access import Access, Actor, Scope
from crm_kit.resource.contract import NAME
from crm_kit.resource.names import names_of
from crm_kit.resource.owners import resource_of
from crm_kit.resource.writing import Resource

# Of those who commented before, the last ones are told.
MAX_TOLD = 20


@dataclass(frozen=True, slots=True)
class Discussion:
    """What is said about a record, which the caller may read."""

    resource: Resource[Any, Any]
    record_id: UUID
    directory: Directory

    @property
    def record(self) -> tuple[str, UUID]:
        """The record, by its collection and id."""
        return self.resource.collection, self.record_id

    def is_moderated_by(self, access: Access) -> bool:
        """Whether somebody may write all records of the collection."""
        permission = f"{resource_of(self.resource.permission)}.write"
        return access.may(permission) and access.scope(permission) is Scope.ALL

    async def name_of_record(self, reader: Reader) -> str:
        """What the record is called; empty where it has no name."""
        if NAME not in self.resource.table.c:
            return ""
        row = await reader.one(names_of(self.resource.table), ids=[self.record_id])
        return row[NAME] if row else ""

    async def taking_part(self, reader: Reader) -> list[UUID]:
        """Who answers for the record, and who commented it last."""
        answering = await people_of(reader, self.resource, self.record_id)
        return [*answering, *await earlier_authors(reader, *self.record, most=MAX_TOLD)]

    async def readers(self, work: UnitOfWork, user_ids: Iterable[UUID]) -> set[UUID]:
        """Those of the users who are active and may read the record; each is asked for with their own rights."""
        # Who holds a connection does not wait for another.
        await work.release()
        actors = [actor for id in dict.fromkeys(user_ids) if (actor := await self._reading(work.tenant_id, id))]
        return {actor.user_id for actor in actors if await self._is_read_by(work, actor)}

    async def _reading(self, tenant_id: UUID, user_id: UUID) -> Actor | None:
        """The user, if they are active and may read such records at all."""
        try:
            actor = await self.directory.user(tenant_id, user_id)
        except Unauthenticated:
            return None
        return actor if actor.access.may(self.resource.permission) else None

    async def _is_read_by(self, work: UnitOfWork, actor: Actor) -> bool:
        with work.acting_as(actor, actor.access.scope(self.resource.permission)):
            found: Collection[UUID] = await self.resource.readable(work, [self.record_id])
        return self.record_id in found
