"""Segments that filters name: what stands for them when somebody asks.

Their rights count who ask, not those of who made the segment: they get as many members as they see, and are refused
where it goes by a field that is hidden from them.
"""

import re
from typing import NoReturn
from uuid import UUID

from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.field_rights import is_hidden
from crm_kit.filtering.schema import FilterField
from crm_kit.filtering.tree import Field, FieldType, Filter, OneOf, fields_of
from crm_kit.kept_filters import Expand, KeptFilters, Unusable
from crm_kit.listing import Listing
from sqlalchemy import ColumnElement, Table, bindparam, exists

from crm_customer.records.segments.model import Kind, Segment, State
from crm_customer.records.segments.resource import SEGMENTS
from crm_customer.records.segments.tables import segment_members

SEGMENT_IDS = "segment_ids"
_ID = Field("id", FieldType.UUID)
_PATH = re.compile(r"[a-z][a-z0-9_.]*")


def named_segments(accounts: Table) -> KeptFilters:
    """Segments in the filters of accounts, of this table."""

    def within(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        members = segment_members.c
        is_there = (members.tenant_id == bindparam("tenant_id")) & (members.account_id == accounts.c.id)
        return exists().where(is_there, condition).correlate(accounts)

    return KeptFilters(FilterField(FieldType.UUID_LIST, segment_members.c.segment_id, within=within), read_segment)


def require_no_segment(tree: Filter, *, field: str) -> None:
    """InvalidArgument for the filter of a segment that names others."""
    if SEGMENT_IDS in fields_of(tree):
        raise invalid_field(field, "segment_in_segment", "a segment names no other segment")


async def read_segment(reader: Reader, listing: Listing, id: UUID, expand: Expand) -> Filter | None:
    """The filter of a dynamic segment, or None for a static one. Unusable: absent, archived, hidden or broken."""
    access = reader.actor.access
    may = access.may(SEGMENTS.permission)
    found = await SEGMENTS.find(reader, id, scope=access.scope(SEGMENTS.permission)) if may else None
    if found is None:
        raise Unusable(f"the segment {id} does not exist, or you may not see it", problem="segment_absent")
    if found.state is State.ARCHIVED:
        detail = f"the segment {found.display_name} is archived"
        raise Unusable(detail, problem="segment_archived", name=found.display_name)
    return None if found.kind is Kind.STATIC else await members_of(reader, listing, found, expand)


async def members_of(reader: Reader, listing: Listing, segment: Segment, expand: Expand) -> Filter:
    """What a dynamic segment takes; of one with a most of members the ids of these, as they are now."""
    try:
        tree, order = await listing.parse(reader, segment.filter or "", segment.order_by or "")
    except InvalidArgument as error:
        _refuse(reader, listing, segment, error)
    try:
        tree = await expand(tree)
    except Unusable as error:
        if error.problem == "kept_many":
            raise
        problem = "segment_hidden" if error.problem == "group_hidden" else "segment_broken"
        detail = f"the segment {segment.display_name} cannot be asked by you: {error.detail}"
        raise Unusable(detail, problem=problem, name=segment.display_name) from None
    if segment.max_members is None:
        return tree
    return OneOf(_ID, tuple(await listing.first_ids(reader, tree, order, segment.max_members)))


def _refuse(reader: Reader, listing: Listing, segment: Segment, error: InvalidArgument) -> NoReturn:
    hidden = reader.actor.access.unlisted_of(listing.collection)
    paths = _PATH.findall(f"{segment.filter or ''} {segment.order_by or ''}")
    if any(is_hidden(path, hidden) for path in paths):
        detail = f"the segment {segment.display_name} goes by fields that you may not see"
        raise Unusable(detail, problem="segment_hidden", name=segment.display_name) from None
    detail = f"the segment {segment.display_name} cannot be read any more: {error.detail}"
    raise Unusable(detail, problem="segment_broken", name=segment.display_name) from None
