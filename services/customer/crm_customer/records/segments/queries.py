"""Every SELECT on segments that their declaration does not make."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.records.segments.tables import segment_members


@statement
def members_among_ids() -> Select[Any]:
    members = segment_members.c
    return select(members.account_id).where(
        members.tenant_id == bindparam("tenant_id"),
        members.segment_id == bindparam("segment_id"),
        members.account_id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    )


async def members_among(reader: Reader, segment_id: UUID, ids: Collection[UUID]) -> frozenset[UUID]:
    """Those of the accounts that are members of a static segment, whoever sees them."""
    rows = await reader.all(members_among_ids(), segment_id=segment_id, ids=list(ids))
    return frozenset(row["account_id"] for row in rows)


@statement
def member_count() -> Select[Any]:
    members = segment_members.c
    return select(func.count()).where(
        members.tenant_id == bindparam("tenant_id"), members.segment_id == bindparam("segment_id")
    )


async def count_members(reader: Reader, segment_id: UUID) -> int:
    """How many members a static segment has, archived accounts included."""
    (row,) = await reader.all(member_count(), segment_id=segment_id)
    return int(row[0])
