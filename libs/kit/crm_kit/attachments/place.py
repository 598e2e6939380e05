"""The record that files are attached to."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.errors import denied
from crm_kit.resource.owners import may, resource_of
from crm_kit.resource.writing import Resource


@dataclass(frozen=True, slots=True)
class Place:
    """A record that the caller may read."""

    resource: Resource[Any, Any]
    record_id: UUID

    @property
    def record(self) -> tuple[str, UUID]:
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

    @property
    def _writing(self) -> str:
        return f"{resource_of(self.resource.permission)}.write"
