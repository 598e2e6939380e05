"""What happened to a record behind a caller's back, told with the refusal of an etag that is no longer true."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import EtagMismatch, UnseenChange
from crm_kit.etags import CHANGED, UNKNOWN, etag_of, version_of
from crm_kit.plumbing import access_users, changes

MAX_CHANGES = 20


async def check_unchanged(
    reader: Reader,
    noun: str,
    id: UUID,
    *,
    sent: str,
    version: int,
    shown: Collection[str],
    hidden: Collection[str] = (),
) -> None:
    """EtagMismatch when an etag was sent and it is not the version's, with what was done to the record since.

    That is the newest changes, at most 20, without fields that are not `shown` or are `hidden`; for who may read the
    record. There are no changes for what was never an etag of it.
    """
    if not sent or sent == etag_of(version):
        return
    since = version_of(sent)
    if since is None or since >= version:
        raise EtagMismatch(UNKNOWN, current_etag=etag_of(version), rule="unknown")
    rows = await reader.all(newest_changes(), resource_type=noun, resource_id=id, since=since)
    raise EtagMismatch(
        CHANGED,
        current_etag=etag_of(version),
        changes=[unseen_change(row, shown, hidden) for row in rows[:MAX_CHANGES]],
        truncated=len(rows) > MAX_CHANGES,
    )


def unseen_change(row: Record, shown: Collection[str], hidden: Collection[str]) -> UnseenChange:
    return UnseenChange(
        etag=etag_of(row["version"]),
        action=row["action"],
        actor_id=str(row["actor_id"]),
        actor_name=row["actor_name"] or "",
        change_time=row["change_time"],
        # Custom fields stand under their path: `custom.contract_no`.
        fields=tuple(name for name in row["names"] if name.partition(".")[0] in shown and name not in hidden),
    )


@statement
def newest_changes() -> Select[Any]:
    """The changes after a version, with the names of the fields but not their values, which may be large."""
    names = func.jsonb_path_query_array(changes.c.fields, literal_column("'$[*].field'"), type_=JSONB)
    actor = and_(access_users.c.tenant_id == changes.c.tenant_id, access_users.c.id == changes.c.actor_id)
    return (
        select(
            changes.c.version,
            changes.c.action,
            changes.c.actor_id,
            access_users.c.display_name.label("actor_name"),
            changes.c.change_time,
            names.label("names"),
        )
        .outerjoin(access_users, actor)
        .where(
            changes.c.tenant_id == bindparam("tenant_id"),
            changes.c.resource_type == bindparam("resource_type"),
            changes.c.resource_id == bindparam("resource_id"),
            changes.c.version > bindparam("since"),
        )
        .order_by(changes.c.version.desc())
        .limit(MAX_CHANGES + 1)
    )
