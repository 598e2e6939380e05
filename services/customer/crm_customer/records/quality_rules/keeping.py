"""Keeps what is stored of a record's quality right, in the unit of work that changes the record."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, TypeVar, cast

from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.resource.declaration import CUSTOM
from crm_kit.resource.writing import Resource

from crm_customer.records.quality_rules import quality
from crm_customer.records.quality_rules.book import rules_of
from crm_customer.records.quality_rules.quality import FieldCheck, Rules, quality_of
from crm_customer.records.source_values.keeping import compared

Entity = TypeVar("Entity")
AnyResource = Resource[Any, Any]
# Written with a record or by the job alone; a change of theirs is no version of the record.
QUALITY = frozenset(
    {"completeness", "missing_fields", "next_stale_time", "field_times", "quality_basis", "quality_tier"}
)


async def assessed(
    work: UnitOfWork,
    resource: AnyResource,
    before: Entity | None,
    after: Entity,
    *,
    checks: Collection[FieldCheck] = (),
) -> Entity:
    """A record that is new or changed as it stands by the tenant's rules, and beside what sources say of it.

    `checks` say where values are from that are new by this change; what was proposed with evidence says it itself.
    """
    if before is not None:
        changed = changed_of(resource, before, after)
        if not changed:
            return after
        if work.proposed is not None and work.proposed.is_evident:
            checks = [quality.proposed_check(field, work.proposed, now=work.now) for field in changed]
        after = await compared(work, resource, noted(work, after, changed, checks), changed)
    return judged(after, await rules_of(work, resource.collection))


def changed_of(resource: AnyResource, before: object, after: object) -> list[str]:
    """The fields that people fill in in which two states of a record differ."""
    known = fillable(resource)
    return [name for name in resource.changed_fields(before, after) if name in known or name.startswith(quality.CUSTOM)]


def noted(work: UnitOfWork, record: Entity, changed: Collection[str], checks: Collection[FieldCheck] = ()) -> Entity:
    """The record with the times of what has changed, and with `checks` of that instead of those of other values."""
    entity: Any = record
    times = quality.changed_times(entity, changed, now=work.now)
    new = [each for each in checks if each.field in changed]
    left = quality.checks_left(entity, changed)
    return cast("Entity", replace(entity, field_times=times, field_checks=(*left, *new)))


def judged(record: Entity, rules: Rules) -> Entity:
    """The record as it stands by these rules, and by which it was judged."""
    entity: Any = record
    found = quality_of(entity, rules.fitting(entity))
    by: dict[str, Any] = {"quality_basis": rules.basis}
    if hasattr(entity, "quality_tier"):
        by["quality_tier"] = entity.value_tier
    return cast(
        "Entity",
        replace(
            entity,
            completeness=found.completeness,
            missing_fields=found.missing_fields,
            next_stale_time=found.next_stale_time,
            **by,
        ),
    )


def checks_of(work: UnitOfWork, request: Any) -> tuple[FieldCheck, ...]:
    """What a request confirms: by the caller, now."""
    source, proof = request.source or None, request.proof or None
    return tuple(FieldCheck(field, work.now, work.actor.user_id, source, proof) for field in request.fields)


def fillable(resource: AnyResource) -> frozenset[str]:
    """The fields of a collection that people fill in, the tenant's own apart."""
    return frozenset(name for name, each in resource.contract.items() if each.changeable and name != CUSTOM)


async def fillable_with_custom(reader: Reader, resource: AnyResource) -> frozenset[str]:
    """The same with the tenant's own that are in use now, without those that are hidden from the reader."""
    definitions = await definitions_of(reader, resource.collection, fresh=True)
    own = (key for key, each in definitions.fields.items() if each.is_active)
    known = fillable(resource) | {f"{quality.CUSTOM}{key}" for key in own}
    return known - reader.actor.access.hidden_of(resource.collection)
