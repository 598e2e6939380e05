"""Whom a segment would take, before it is one."""

from dataclasses import dataclass
from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument
from crm_kit.listing import Count, Listing

from crm_customer.records.segments.model import best_violations
from crm_customer.records.segments.naming import require_no_segment

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Preview:
    """How many accounts there are for whoever asks, and the first of them."""

    count: Count
    first_ids: list[UUID]


async def preview(reader: Reader, listing: Listing, filter: str, order_by: str, max_members: int | None) -> Preview:
    """What a segment would take of what the reader sees. InvalidArgument: as its list, or half of a best-of."""
    if violations := list(best_violations(order_by, max_members)):
        detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
        raise InvalidArgument(detail, violations=violations)
    written, _ = await listing.parse(reader, filter)
    require_no_segment(written, field="filter")
    tree, order = await listing.read(reader, filter, order_by)
    if max_members is None:
        count = await listing.count(reader, filter)
    else:
        count = Count(await listing.count_to(reader, tree, max_members), exact=True)
    first = await listing.first(reader, tree, order, min(SHOWN, count.total))
    return Preview(count, [row["id"] for row in first])
