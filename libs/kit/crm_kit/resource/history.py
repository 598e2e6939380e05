"""Who changed which field of what from what to what. Written with the change itself, in the same statement."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm.type.v1 import change_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value
from sqlalchemy import Integer, Select, bindparam, select

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.etags import etag_of
from crm_kit.filtering.schema import FilterSchema
from crm_kit.identity.access import Scope
from crm_kit.listing import Listing, Page, PageOf
from crm_kit.money import format_amount
from crm_kit.paging import OrderColumn, PageTokens
from crm_kit.plumbing import changes
from crm_kit.resource.contract import FieldContract
from crm_kit.resource.values import MONEY


def record(
    work: UnitOfWork, noun: str, after: Any, *, action: str, before: Any = None, changed: Collection[str] = ()
) -> None:
    """Gather the history row of a change; there is no `before` of a creation."""
    work.insert(
        changes,
        {
            "resource_type": noun,
            "resource_id": after.id,
            "version": after.version,
            "change_time": after.update_time,
            "actor_id": work.actor.user_id,
            "action": action,
            "fields": [
                {"field": name, "old": value_at(before, name), "new": value_at(after, name)} for name in changed
            ],
            "change_proposal_id": work.proposed.id if work.proposed else None,
            "proposer_id": work.proposed.proposer_id if work.proposed else None,
        },
    )


def value_at(entity: Any, path: str) -> Any:
    """A field's value, or that of one of its keys: of `custom.contract_no` the contract number."""
    name, _, key = path.partition(".")
    value = getattr(entity, name)
    return value.get(key) if key else value


def undone(entity: Any, later: Collection[Record], read: Callable[[str, Any], Any]) -> dict[str, Any]:
    """The values of the fields that the changes, the newest first, changed, as they were before all of them."""
    values: dict[str, Any] = {}
    for each in (field for change in later for field in change["fields"]):
        name, _, key = each["field"].partition(".")
        if key:
            now = values.get(name, getattr(entity, name))
            others = {other: value for other, value in now.items() if other != key}
            values[name] = others if each["old"] is None else {**others, key: each["old"]}
        else:
            values[name] = read(name, each["old"])
    return values


def _of_record() -> Select[Any]:
    return select(changes, changes.c.version.label("id")).where(
        changes.c.tenant_id == bindparam("tenant_id"),
        changes.c.resource_type == bindparam("resource_type"),
        changes.c.resource_id == bindparam("resource_id"),
    )


def _rows(_scope: Scope, _fields: frozenset[str]) -> Select[Any]:
    return _of_record()


HISTORY = Listing(
    name="changes",
    rows=_rows,
    fields=FilterSchema({}),
    orders={"id": OrderColumn(changes.c.version)},
    default_order="id desc",
)


@statement
def changes_after() -> Select[Any]:
    return _of_record().where(changes.c.change_time > bindparam("time")).order_by(changes.c.version.desc())


@statement
def newest_changes() -> Select[Any]:
    return _of_record().order_by(changes.c.version.desc()).limit(bindparam("most", type_=Integer))


@statement
def changes_after_version() -> Select[Any]:
    return _of_record().where(changes.c.version > bindparam("version")).order_by(changes.c.version.desc())


@statement
def change_of_version() -> Select[Any]:
    return _of_record().where(changes.c.version == bindparam("version"))


async def latest_changes(reader: Reader, noun: str, id: UUID, most: int) -> list[Record]:
    """The newest changes of a record, the newest first."""
    return await reader.all(newest_changes(), resource_type=noun, resource_id=id, most=most)


async def changes_since(reader: Reader, noun: str, id: UUID, version: int) -> list[Record]:
    """The changes of a record after a version, the newest first."""
    return await reader.all(changes_after_version(), resource_type=noun, resource_id=id, version=version)


async def change_at(reader: Reader, noun: str, id: UUID, version: int) -> Record | None:
    """The change by which a record came to a version."""
    return await reader.one(change_of_version(), resource_type=noun, resource_id=id, version=version)


async def later_changes(reader: Reader, noun: str, id: UUID, time: datetime) -> list[Record]:
    """The changes of a record after an instant, the newest first."""
    return await reader.all(changes_after(), resource_type=noun, resource_id=id, time=time)


async def version_at(reader: Reader, noun: str, id: UUID, version: int) -> dict[str, Any]:
    """The bookkeeping of a version: its number and when it was made."""
    row = await change_at(reader, noun, id, version)
    return {} if row is None else {"version": version, "update_time": row["change_time"]}


async def page(reader: Reader, noun: str, id: UUID, request: Any, tokens: PageTokens) -> Page[Record]:
    """A page of the changes of a record, which the caller has been found to see."""
    asked = PageOf(request.page_size, request.page_token)
    return await HISTORY.page(reader, asked, tokens, resource_type=noun, resource_id=id)


def change_to_pb(row: Record, contract: Mapping[str, FieldContract]) -> change_pb2.Change:
    """A change as the contract has it: of the fields that are shown, and of their parts."""
    change = change_pb2.Change(etag=etag_of(row["version"]), actor_id=str(row["actor_id"]), action=row["action"])
    change.change_time.FromDatetime(row["change_time"])
    if row["change_proposal_id"] is not None:
        change.change_proposal_id, change.proposer_id = str(row["change_proposal_id"]), str(row["proposer_id"])
    for field in row["fields"]:
        name = field["field"].partition(".")[0]
        if name in contract:
            descriptor = contract[name].descriptor
            change.fields.add(
                field=field["field"],
                old_value=ParseDict(shown_of(field["old"], descriptor), Value()),
                new_value=ParseDict(shown_of(field["new"], descriptor), Value()),
            )
    return change


def shown_of(stored: Any, field: Any) -> Any:
    """Of a value as the history keeps it what the contract's field shows: an entity may keep more within it."""
    if isinstance(stored, list):
        return [shown_of(each, field) for each in stored]
    message = field.message_type
    if not isinstance(stored, dict) or message.file.package == "google.protobuf" or message.GetOptions().map_entry:
        return stored
    if message.full_name == MONEY:
        return stored | {"amount": format_amount(Decimal(stored["amount"]), stored["currency_code"])}
    parts = message.fields_by_name
    return {name: shown_of(value, parts[name]) for name, value in stored.items() if name in parts}
