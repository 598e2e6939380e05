"""Where tasks are: a collection, and of its records who may read and who may change one, and whose it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from crm_kit.comments.queries import people_of
from crm_kit.database.work import Reader, UnitOfWork, counting
from crm_kit.identity.membership import WRITING
from crm_kit.resource.contract import NAME
from crm_kit.resource.names import names_of
from crm_kit.resource.owners import may, reads, resource_of
from crm_kit.tasks.resource import AnyResource, Tasks, tasks_of


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A collection with its tasks."""

    records: AnyResource
    tasks: Tasks

    @property
    def collection(self) -> str:
        return self.records.collection

    async def changes(self, reader: Reader, record_id: UUID) -> bool:
        """Whether the caller may change the record."""
        with counting(reader, WRITING):
            return await may(reader, self.records, record_id, f"{resource_of(self.records.permission)}.write")

    async def name_of(self, reader: Reader, record_id: UUID) -> str:
        """What the record is called; empty where such records have no name."""
        if NAME not in self.records.table.c:
            return ""
        row = await reader.one(names_of(self.records.table), ids=[record_id])
        return row[NAME] if row else ""

    async def owner_of(self, reader: Reader, record_id: UUID) -> UUID | None:
        """Who answers for the record; nobody, where it does not say so."""
        return next(iter(await people_of(reader, self.records, record_id)), None)

    async def readers(self, work: UnitOfWork, record_id: UUID, user_ids: Iterable[UUID | None]) -> set[UUID]:
        """Those of the users who are active and may read the record, by the directory as it is now."""
        ids = dict.fromkeys(filter(None, user_ids))
        return {id for id in ids if await reads(work, self.records, record_id, id)}


def places_among(resources: Iterable[AnyResource]) -> Mapping[str, Place]:
    """The collections that have tasks: whatever people talk about."""
    return {each.collection: Place(each, tasks_of(each)) for each in resources if each.is_discussed}
