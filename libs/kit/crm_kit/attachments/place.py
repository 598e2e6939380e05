"""The record that files are attached to."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import denied, illegal_state
from crm_kit.identity.access import Scope
from crm_kit.resource.owners import may, resource_of
from crm_kit.resource.writing import Resource

Record = tuple[str, UUID]
"""A collection, and the id of one of its records."""


async def hold_files(work: UnitOfWork, record: Record) -> None:
    """Wait until nobody attaches a file to the record or moves its files, then keep others from it until the unit ends.

    Of a record whose files go along to another one. Call it before anything that the waiting must not hold.
    """
    collection, record_id = record
    await advisory_lock(work, f"files of {collection} {record_id}")


@dataclass(frozen=True, slots=True)
class Place:
    """A record that the caller may read."""

    resource: Resource[Any, Any]
    record_id: UUID

    @property
    def record(self) -> Record:
        """The record, by its collection and id."""
        return self.resource.collection, self.record_id

    async def may_change(self, reader: Reader) -> bool:
        """Whether the caller may change the record."""
        return await may(reader, self.resource, self.record_id, self._writing)

    async def check_changes(self, reader: Reader) -> None:
        """PermissionDenied for who may read the record and not change it."""
        if not await self.may_change(reader):
            detail = f"whoever attaches a file needs {self._writing} in a scope that reaches the record"
            raise denied("may_not_attach", detail, permission=self._writing)

    async def check_takes_files(self, reader: Reader) -> None:
        """FailedPrecondition where the files of the record are at another one by now."""
        collection, record_id = await self._files_at(reader)
        if (collection, record_id) != self.record:
            detail = f"the files of the record are those of {collection}/{record_id}; attach it there"
            raise illegal_state("files_elsewhere", detail, collection=collection, record_id=record_id)

    async def held_for_files(self, work: UnitOfWork) -> Record:
        """The record that a file is to be attached to, which stays that one until the unit ends."""
        if self.resource.files_at is not None:
            await hold_files(work, self.record)
        return await self._files_at(work)

    async def _files_at(self, reader: Reader) -> Record:
        files_at = self.resource.files_at
        if files_at is None:
            return self.record
        # Whoever was let attach a file need not see the record that it goes along to.
        return files_at(await self.resource.get(reader, self.record_id, scope=Scope.ALL))

    @property
    def _writing(self) -> str:
        return f"{resource_of(self.resource.permission)}.write"
