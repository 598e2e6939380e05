"""Who changed which field of what from what to what. Written with the change itself, in the same statement."""

import dataclasses
from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm.type.v1 import change_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from sqlalchemy import Select, bindparam, select

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.etags import etag_of
from crm_kit.filtering.schema import FilterSchema
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing, Page, PageOf
from crm_kit.paging import OrderColumn, PageTokens
from crm_kit.plumbing import changes

# Fields whose change is no news: they change with every change.
UNREMARKABLE = frozenset({"version", "create_time", "update_time"})


def changed_fields(before: Any, after: Any) -> list[str]:
    """The fields in which two values of one entity class differ."""
    return [
        field.name
        for field in dataclasses.fields(after)
        if field.name not in UNREMARKABLE and getattr(before, field.name) != getattr(after, field.name)
    ]


def record_change(
    work: UnitOfWork, resource_type: str, *, action: str, before: Any, after: Any, only: Collection[str] = ()
) -> None:
    """Gather the history row of a change; `before` is None on creation. `only` names the fields, all when empty."""
    names = [] if before is None else list(only) or changed_fields(before, after)
    fields = [{"field": name, "old": getattr(before, name), "new": getattr(after, name)} for name in names]
    work.insert(
        changes,
        {
            "resource_type": resource_type,
            "resource_id": after.id,
            "version": after.version,
            "change_time": work.now,
            "actor_id": work.actor.user_id,
            "action": action,
            "fields": fields,
        },
    )


def _changes_of_resource(_scope: Scope, _fields: frozenset[str]) -> Select[Any]:
    return select(changes, changes.c.version.label("id")).where(
        changes.c.tenant_id == bindparam("tenant_id"),
        changes.c.resource_type == bindparam("resource_type"),
        changes.c.resource_id == bindparam("resource_id"),
    )


HISTORY = Listing(
    name="changes",
    rows=_changes_of_resource,
    fields=FilterSchema({}),
    orders={"id": OrderColumn(changes.c.version)},
    default_order="id desc",
)


async def list_changes(
    reader: Reader, resource_type: str, id: UUID, *, page_size: int, page_token: str, tokens: PageTokens
) -> Page[change_pb2.Change]:
    """A page of one resource's changes, newest first, as the contract has them."""
    page = await HISTORY.page(
        reader, PageOf(page_size, page_token), tokens, resource_type=resource_type, resource_id=id
    )
    return Page([change_to_pb(row) for row in page.rows], page.next_token, page.prev_token)


def change_to_pb(row: Record) -> change_pb2.Change:
    change = change_pb2.Change(etag=etag_of(row["version"]), actor_id=str(row["actor_id"]), action=row["action"])
    change.change_time.FromDatetime(row["change_time"])
    for field in row["fields"]:
        change.fields.add(
            field=field["field"],
            old_value=ParseDict(field["old"], Value()),
            new_value=ParseDict(field["new"], Value()),
        )
    return change
