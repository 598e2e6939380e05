"""A record that gets what one of its sources says, with the source as what proves it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.change_proposals.queries import value_now
from crm_kit.database.work import UnitOfWork

from crm_customer.records.quality_rules.keeping import AnyResource
from crm_customer.records.quality_rules.quality import FieldCheck
from crm_customer.records.source_values.model import agrees
from crm_customer.records.source_values.queries import among, standing_of
from crm_customer.records.source_values.stating import changes_of


@dataclass(frozen=True, slots=True)
class Adoption:
    """A record, the values that an update gives it, and how they are known; it `agrees` where it has them already."""

    record: Any
    values: dict[str, Any]
    check: FieldCheck
    agrees: bool


async def adoption_of(work: UnitOfWork, resource: AnyResource, id: UUID, value_id: UUID, *, etag: str) -> Adoption:
    """What it takes to give a record what a source says.

    NotFound of the record and SOURCE_VALUE_NOT_FOUND, EtagMismatch; InvalidArgument, AlreadyExists as the update.
    """
    record = await resource.get(work, id, etag=etag)
    standing = await standing_of(work, resource.collection, id)
    said = among(standing, value_id, hidden=resource.hidden_from(work))
    check = FieldCheck(said.field, work.now, work.actor.user_id, said.source, said.proof)
    if agrees(said.value, value_now(resource, record, said.field)):
        return Adoption(record, {}, check, agrees=True)
    record, values = await changes_of(work, resource, id, {said.field: said.value}, etag=etag)
    return Adoption(record, values, check, agrees=False)
