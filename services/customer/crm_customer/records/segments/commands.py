"""Every write on segments. Each function is one transaction's work."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import owned_by
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.filtering.schema import CUSTOM
from crm_kit.filtering.tree import fields_of
from crm_kit.ids import new_id
from crm_kit.listing import Listing
from crm_kit.resource.owners import given_to

from crm_customer.records.segments.model import MAX_MEMBERS, PLACE, Segment
from crm_customer.records.segments.naming import require_no_segment
from crm_customer.records.segments.queries import count_members, members_among
from crm_customer.records.segments.resource import SEGMENTS
from crm_customer.records.segments.tables import segment_members

OWNER = f"{PLACE}.owner_id"


@dataclass(frozen=True, slots=True)
class Changed:
    """The segment as it is now, and the accounts that came into it or left it."""

    segment: Segment
    ids: Sequence[UUID]


async def create_segment(work: UnitOfWork, listing: Listing, values: dict[str, Any]) -> Segment:
    """Create a segment of the accounts of `listing`; the caller becomes its owner unless one is named."""
    values |= await owned_by(work, values.get("owner_id"), permission=SEGMENTS.permission, field=OWNER)
    segment = Segment(id=new_id(), create_time=work.now, update_time=work.now, **values).checked()
    uses = await custom_uses(work, listing, segment)
    return SEGMENTS.create(work, segment.update({"custom_uses": uses}))


async def update_segment(work: UnitOfWork, listing: Listing, before: Segment, values: dict[str, Any]) -> Segment:
    """Change some fields of a segment; nothing is written when nothing changes."""
    values |= await given_to(work, SEGMENTS, before, values)
    after = before.update(values).checked()
    if (after.filter, after.order_by) != (before.filter, before.order_by):
        uses = await custom_uses(work, listing, after)
        after = after.update({"custom_uses": uses, "unusable_fields": ()})
    return SEGMENTS.save(work, before, after, events.SegmentUpdated)


async def custom_uses(work: UnitOfWork, listing: Listing, segment: Segment) -> tuple[str, ...]:
    """The custom fields that filter and order go by, as they are now. InvalidArgument for what cannot be read."""
    keys: set[str] = set()
    for name in ("filter", "order_by"):
        text = getattr(segment, name) or ""
        try:
            tree, order = await listing.parse(work, **{"filter": "", name: text})
            require_no_segment(tree, field=f"{PLACE}.filter")
            # What it names is there as well.
            await listing.read(work, **{"filter": "", name: text})
        except InvalidArgument as error:
            placed = [type(each)(f"{PLACE}.{name}", each.rule, each.detail) for each in error.violations]
            raise InvalidArgument(
                error.detail, reason=error.reason, violations=placed, metadata=error.metadata
            ) from None
        keys |= {path for path in (*fields_of(tree), *(term.name for term in order.terms)) if path.startswith(CUSTOM)}
    known = (await definitions_of(work, listing.collection)).fields if keys else {}
    plain = {path.removeprefix(CUSTOM).partition(".")[0] for path in keys}
    return tuple(sorted(f"{key} {known[key].type}" for key in plain & known.keys()))


async def add_members(work: UnitOfWork, before: Segment, ids: Collection[UUID]) -> Changed:
    """Put accounts into a static segment, those that are in it already apart."""
    before.require_static()
    members = await members_among(work, before.id, ids)
    new = [id for id in ids if id not in members]
    if new and await count_members(work, before.id) + len(new) > MAX_MEMBERS:
        detail = f"a segment has at most {MAX_MEMBERS} members"
        raise FailedPrecondition(detail, reason="SEGMENT_MEMBER_LIMIT_REACHED", metadata={"most": str(MAX_MEMBERS)})
    for id in new:
        row = {"segment_id": before.id, "account_id": id, "adder_id": work.actor.user_id, "add_time": work.now}
        work.insert(segment_members, row)
    return await _changed(work, before, new, events.SegmentMembersAdded)


async def remove_members(work: UnitOfWork, before: Segment, ids: Collection[UUID]) -> Changed:
    """Take accounts out of a static segment, those that are not in it apart."""
    before.require_static()
    members = await members_among(work, before.id, ids)
    for id in members:
        work.delete(segment_members, segment_id=before.id, account_id=id)
    return await _changed(work, before, sorted(members), events.SegmentMembersRemoved)


async def _changed(work: UnitOfWork, before: Segment, ids: Sequence[UUID], event: Any) -> Changed:
    if not ids:
        return Changed(before, ids)
    after = SEGMENTS.save(work, before, before.members_changed(work.now), event, account_ids=ids)
    await work.flush_many()
    return Changed(after, ids)


async def lock_members(work: UnitOfWork, id: str) -> None:
    """Who changes the members of a segment waits for who does so already: each counts what is there."""
    await advisory_lock(work, f"members of segment {id.lower()}")


def archive_segment(work: UnitOfWork, before: Segment) -> Segment:
    """Put a segment away."""
    return SEGMENTS.save(work, before, before.archive(), events.SegmentArchived)


def restore_segment(work: UnitOfWork, before: Segment) -> Segment:
    """Bring an archived segment back."""
    return SEGMENTS.save(work, before, before.restore(), events.SegmentRestored)
