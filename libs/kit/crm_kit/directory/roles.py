"""Roles that records name."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import invalid_field
from crm_kit.plumbing import access_roles


async def existing_roles(reader: Reader, ids: Iterable[UUID]) -> set[UUID]:
    """Those of the ids that are roles of the tenant."""
    return {row["id"] for row in await reader.all(roles_among(), ids=list(ids))}


def require_roles(ids: Sequence[UUID], found: Collection[UUID], *, field: str) -> None:
    """InvalidArgument REFERENCE_NOT_FOUND for the first that is none of those found."""
    for index, id in enumerate(ids):
        if id not in found:
            raise invalid_field(f"{field}[{index}]", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")


@statement
def roles_among() -> Select[Any]:
    return select(access_roles.c.id).where(
        access_roles.c.tenant_id == bindparam("tenant_id"),
        access_roles.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    )
