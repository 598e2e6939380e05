"""Reading records: one, several, a page. What the reader may not see is not found."""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar, cast
from uuid import UUID

from google.protobuf.message import Message
from sqlalchemy import ColumnElement, Select, any_, bindparam, false, not_, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_kit.custom_fields.listing import CustomLists, fields_beyond
from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, counting
from crm_kit.errors import CrmError, NotFound, denied
from crm_kit.etags import check_etag, etag_of
from crm_kit.field_rights import NO_FIELDS
from crm_kit.filtering.schema import FilterSchema
from crm_kit.filtering.tree import Filter
from crm_kit.identity.access import Scope, is_unmasked
from crm_kit.identity.membership import READING, WRITING
from crm_kit.kept_filters import with_kept
from crm_kit.listing import Asked, Listing
from crm_kit.paging import PageTokens
from crm_kit.resource.conflicts import check_unchanged
from crm_kit.resource.declaration import Entity, Shown, Visible
from crm_kit.resource.label import Label, closed_to_reader
from crm_kit.resource.label import Shown as How
from crm_kit.resource.listed import check_default_order, filter_schema, orders
from crm_kit.resource.masking import clear
from crm_kit.resource.reach import Reach
from crm_kit.resource.shape import ResourceShape

Response = TypeVar("Response", bound=Message)
Row = TypeVar("Row")
Made = TypeVar("Made")
TURN_SECONDS = 0.01
NO_BINDS: Mapping[str, Any] = MappingProxyType({})


class ReadableResource(ResourceShape[Entity, Shown]):
    """A resource that can be read."""

    def _compile_lists(self) -> None:
        beyond = fields_beyond(self.table, self.collection) if self.has_custom else None
        self.filter_schema = FilterSchema(filter_schema(self).fields, beyond)
        self.listing = self.list_of(self.collection)
        # What lists of records themselves show: labels as well.
        self.labels = self.listing if self.label is None else self.list_of(self.collection, label=self.label)

    def rows(self, scope: Scope) -> Select[Any]:
        """The base of every SELECT: the tenant's rows that the scope reaches."""
        return self._all_rows().where(self.visible(scope))

    def label_rows(self, scope: Scope) -> Select[Any]:
        """The same with those of which the scope reaches the label only."""
        return self.rows(scope) if self.label is None else self._all_rows().where(self.label.visible(scope))

    def _all_rows(self) -> Select[Any]:
        return select(*self.columns).select_from(self.joined).where(self.table.c.tenant_id == bindparam("tenant_id"))

    def list_of(
        self, name: str, *, of: ColumnElement[bool] | None = None, is_long: bool = False, label: Label | None = None
    ) -> Listing:
        """A list; `of` narrows it, with bind parameters that `list` is given. It may be long all the same.

        With `label` it has records of which the reader sees that only, unless it goes by what the label does not have.
        """
        # A list that is narrowed is mostly short enough to be looked through.
        is_looked_through = of is not None and not is_long

        def visible(filtered_by: frozenset[str]) -> Visible:
            return self.visible if label is None or not label.all_have(filtered_by) else label.visible

        def rows(scope: Scope, filtered_by: frozenset[str]) -> Select[Any]:
            return shown(self._all_rows().where(visible(filtered_by)(scope)), scope, filtered_by)

        def whole(scope: Scope, filtered_by: frozenset[str]) -> Select[Any]:
            reach = visible(filtered_by)
            if is_looked_through or not isinstance(reach, Reach):
                return rows(scope, filtered_by)
            return shown(self._all_rows().where(reach.whole(scope)), scope, filtered_by)

        def pages(scope: Scope, filtered_by: frozenset[str]) -> list[Select[Any]]:
            reach = visible(filtered_by)
            if is_looked_through or not isinstance(reach, Reach):
                return [rows(scope, filtered_by)]
            return reach.pages(scope, shown(self._all_rows(), scope, filtered_by))

        def shown(found: Select[Any], scope: Scope, filtered_by: frozenset[str]) -> Select[Any]:
            if of is not None:
                found = found.where(of)
            if self.masked is not None and scope is not Scope.ALL and filtered_by & self.masked.fields:
                asked = filtered_by & self.masked.fields
                found = found.where(or_(not_(self.masked.rows), is_unmasked(self.collection, asked)))
            unasked = {field: values for field, values in self.hidden.items() if field not in filtered_by}
            return found.where(*(self.table.c[field].not_in(sorted(values)) for field, values in unasked.items()))

        own = orders(self)
        check_default_order(self, own)
        custom = CustomLists(self.table, self.collection, self.filter_schema, own) if self.has_custom else None
        return Listing(
            name,
            rows,
            self.filter_schema,
            own,
            self.default_order,
            custom,
            whole,
            pages,
            self.collection,
            in_label=None if label is None else label.has,
            with_kept=self._with_kept if self.kept_filters else None,
        )

    async def _with_kept(self, reader: Reader, tree: Filter, text: str) -> Filter:
        """The filter with those that are kept; what they find is found in the whole list."""
        return await with_kept(reader, self.listing, self.kept_filters, tree, text)

    # --- entities

    async def get(self, reader: Reader, id: UUID, *, etag: str = "", scope: Scope | None = None) -> Entity:
        """The record. NotFound when there is none or the reader may not see it; EtagMismatch for another version.

        PermissionDenied when they see its label only.
        """
        row = await self._row(reader, id, scope)
        await self.check_etag(reader, id, etag, row["version"])
        return self.entity_from(row)

    async def check_etag(self, reader: Reader, id: UUID, sent: str, version: int) -> None:
        """EtagMismatch when an etag was sent and it is not the version's; whoever may read the record learns more."""
        if not sent or sent == etag_of(version):
            return
        if await self._is_readable(reader, id):
            hidden = self.unlisted_from(reader)
            shown = [name for name in self.contract if name not in hidden]
            await check_unchanged(reader, self.noun, id, sent=sent, version=version, shown=shown, hidden=hidden)
        check_etag(sent, version)

    async def check_readable(self, reader: Reader, id: UUID) -> None:
        """NotFound as `get`, for what is done beside the record, which is not read."""
        if id not in await self.readable(reader, [id]):
            raise await self._missing(reader, id)

    async def _is_readable(self, reader: Reader, id: UUID) -> bool:
        """Whether the caller may read the record; what else they may do with it does not say so."""
        access = reader.actor.access
        if not access.may(self.permission):
            return False
        with counting(reader, READING):
            return await reader.one(row_by_id(self, access.scope(self.permission)), id=id) is not None

    async def _is_only_read(self, reader: Reader, id: UUID) -> bool:
        """Whether the caller would reach a record if memberships for reading counted, and may read it."""
        with counting(reader, READING):
            reached = await reader.one(row_by_id(self, reader.scope), id=id)
        return reached is not None and await self._is_readable(reader, id)

    async def find(self, reader: Reader, id: UUID, *, scope: Scope | None = None) -> Entity | None:
        """The record, if there is one that the reader may see."""
        return (await self.get_many(reader, [id], scope=scope)).get(id)

    async def target(self, reader: Reader, request: Any) -> Entity:
        """The record that a verb's request names by `id` and, if it has to be a certain version, `etag`."""
        return await self.get(reader, UUID(request.id), etag=request.etag)

    async def get_many(
        self, reader: Reader, ids: Collection[UUID], *, scope: Scope | None = None
    ) -> dict[UUID, Entity]:
        """Those of the records that exist and the reader may see, by id."""
        rows = await reader.all(rows_by_ids(self, reader.scope if scope is None else scope), ids=list(ids))
        found = await in_turns(rows, self.entity_from)
        return {row["id"]: entity for row, entity in zip(rows, found, strict=True)}

    async def get_referred(self, reader: Reader, ids: Collection[UUID]) -> dict[UUID, Entity]:
        """Those of the records that another record may come to refer to, by id; its readers learn what they are called.

        The caller may read them, and they are within the scope of what the caller does.
        """
        scope = self.referred_scope(reader)
        return {} if scope is None else await self.get_many(reader, ids, scope=scope)

    def referred_scope(self, reader: Reader) -> Scope | None:
        """Within which scope the caller refers to such records; None when to none."""
        access = reader.actor.access
        return min(reader.scope, access.scope(self.permission)) if access.may(self.permission) else None

    async def _row(self, reader: Reader, id: UUID, scope: Scope | None = None) -> Record:
        row = await reader.one(row_by_id(self, reader.scope if scope is None else scope), id=id)
        if row is None:
            raise await self._missing(reader, id)
        return row

    async def _missing(self, reader: Reader, id: UUID) -> CrmError:
        """Why somebody does not find a record; that it is restricted only who sees its label is told."""
        access = reader.actor.access
        if reader.memberships is WRITING and await self._is_only_read(reader, id):
            detail = (
                f"as a member of the account's team you read this {self.noun.replace('_', ' ')} and do not change it"
            )
            return denied("member_reads", detail)
        if self.label is None or not access.may(self.permission):
            return self._absent()
        with counting(reader, READING):
            row = await reader.one(label_by_id(self, access.scope(self.permission)), id=id)
        if row is None or not self.is_closed(reader, self.message_from(row)):
            return self._absent()
        return closed_to_reader(self.noun)

    def _absent(self) -> NotFound:
        return NotFound(f"the {self.noun.replace('_', ' ')} does not exist", reason=self.not_found)

    # --- messages

    def message(self, reader: Reader, entity: Entity) -> Shown:
        """The message that shows a record at the reader's time, without what is masked from the reader."""
        return self.as_seen(reader, self.whole_message(reader, entity))

    def whole_message(self, reader: Reader, entity: Entity) -> Shown:
        """The message with all there is to the record."""
        return self.message_of(entity if self.at is None else self.at(entity, reader.now))

    def as_seen(self, reader: Reader, shown: Shown) -> Shown:
        """The message of a record as it is now, without what is masked from the reader."""
        if self.is_masked(reader, shown):
            clear(shown, self.masked_from(reader))
        if self.label is not None and self.is_closed(reader, shown):
            self.label.conceal(shown)
        return shown

    async def note(self, reader: Reader, shown: Sequence[Shown], how: How) -> None:
        """Have it noted which of the records of these messages the reader is about to be shown whole."""
        if self.label is None:
            return
        restricted = [each for each in shown if self.label.restricted(each)]
        if opened := [each for each in restricted if not self.is_closed(reader, each)]:
            await self.label.note(reader, opened, how)

    def is_closed(self, reader: Reader, shown: Shown) -> bool:
        """Whether the reader sees a label only of the record, which is so now; what they may read decides."""
        # Most are not, and this is asked of each record of each list.
        if self.label is None or not self.label.restricted(shown):
            return False
        access = reader.actor.access
        scope = access.scope(self.permission) if access.may(self.permission) else Scope.OWN
        return self.label.closed(reader.actor, scope, shown)

    def is_masked(self, reader: Reader, shown: Shown) -> bool:
        """Whether some fields of the record, which is so now, are hidden from the reader.

        What they may read decides: the answer to a write tells no more than a read would.
        """
        return self.masked is not None and bool(self.masked_from(reader)) and self.masked.hidden(shown)

    def masked_from(self, reader: Reader) -> frozenset[str]:
        """The fields that are hidden from the reader of records that are masked."""
        if self.masked is None or self.reads_all(reader):
            return NO_FIELDS
        return reader.actor.access.masked_among(self.collection, self.masked.fields)

    def reads_all(self, reader: Reader) -> bool:
        """Whether the reader may read every record."""
        access = reader.actor.access
        return access.may(self.permission) and access.scope(self.permission) is Scope.ALL

    def message_of_row(self, reader: Reader, row: Record) -> Shown:
        """The message that shows the record of a row."""
        if self.at is None:
            return self.as_seen(reader, self.message_from(row))
        return self.message(reader, self.entity_from(row))

    async def read(self, reader: Reader, id: str) -> Shown:
        """The record with this id, as callers see it."""
        row = await reader.one(label_by_id(self, reader.scope), id=UUID(id))
        if row is None:
            raise self._absent()
        shown = self.message_of_row(reader, row)
        await self.note(reader, [shown], How.RECORD)
        return shown

    async def read_many(self, reader: Reader, ids: Collection[str]) -> dict[str, Shown]:
        """Those of the records that exist and the reader may see, as callers see them, by id."""
        rows = await reader.all(labels_by_ids(self, reader.scope), ids=[UUID(id) for id in ids])
        records = await in_turns(rows, partial(self.message_of_row, reader))
        await self.note(reader, records, How.RECORDS)
        return {str(row["id"]): record for row, record in zip(rows, records, strict=True)}

    async def readable(self, reader: Reader, ids: Collection[UUID]) -> dict[UUID, frozenset[str]]:
        """Those of the records that exist and the reader may see, by id, each with the fields not wholly shown."""
        with counting(reader, READING):
            rows = await reader.all(readable_by_ids(self, reader.scope), ids=list(ids))
        hidden = self.unlisted_from(reader)
        masked = hidden | self.masked_from(reader)
        return {row["id"]: masked if row["is_masked"] else hidden for row in rows}

    async def still_shown(self, reader: Reader, records: Sequence[Shown]) -> list[Shown]:
        """Those of the messages, which may have been made before, whose records the reader sees now, as far as they do.

        The messages are changed where less of a record is shown by now.
        """
        ids = [UUID(cast("Any", each).id) for each in records]
        seen = await self.readable(reader, ids)
        labels, masked = set(seen), self.masked_from(reader)
        if self.label is not None and len(seen) < len(ids):
            with counting(reader, READING):
                labels = {row["id"] for row in await reader.all(label_ids_by_ids(self, reader.scope), ids=ids)}
        shown = []
        for id, each in zip(ids, records, strict=True):
            clear(each, masked & seen.get(id, NO_FIELDS))
            if self.label is not None and id not in seen:
                self.label.conceal(each)
            if id in labels:
                shown.append(each)
        return shown

    def hidden_from(self, reader: Reader) -> frozenset[str]:
        """The fields that the reader does not see of any record."""
        return reader.actor.access.hidden_of(self.collection)

    def unlisted_from(self, reader: Reader) -> frozenset[str]:
        """Those, and the fields that the reader sees in part."""
        return reader.actor.access.unlisted_of(self.collection)

    async def list(
        self,
        reader: Reader,
        request: Asked,
        response: type[Response],
        tokens: PageTokens,
        *,
        listing: Listing | None = None,
        binds: Mapping[str, Any] = NO_BINDS,
    ) -> Response:
        """A page of records as a List rpc answers, of all or of a narrowed `listing` with its `binds`."""
        page = await (listing or self.labels).page(reader, request, tokens, **binds)
        shown = await in_turns(page.rows, partial(self.message_of_row, reader))
        await self.note(reader, shown, How.EXPORTED if reader.for_file else How.PAGE)
        records = {self.collection: shown}
        return response(**records, next_page_token=page.next_token, prev_page_token=page.prev_token)


async def in_turns(rows: Iterable[Row], make: Callable[[Row], Made]) -> list[Made]:
    """What is made of each row. Where that takes long, others have their turn on the event loop in between."""
    made = []
    end = time.perf_counter() + TURN_SECONDS
    for row in rows:
        made.append(make(row))
        if time.perf_counter() > end:
            await asyncio.sleep(0)
            end = time.perf_counter() + TURN_SECONDS
    return made


@statement
def row_by_id(resource: ReadableResource[Any, Any], scope: Scope) -> Select[Any]:
    return resource.rows(scope).where(resource.table.c.id == bindparam("id"))


@statement
def label_by_id(resource: ReadableResource[Any, Any], scope: Scope) -> Select[Any]:
    return resource.label_rows(scope).where(resource.table.c.id == bindparam("id"))


@statement
def labels_by_ids(resource: ReadableResource[Any, Any], scope: Scope) -> Select[Any]:
    return resource.label_rows(scope).where(resource.table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))


@statement
def label_ids_by_ids(resource: ReadableResource[Any, Any], scope: Scope) -> Select[Any]:
    id = resource.table.c.id
    chosen = resource.label_rows(scope).with_only_columns(id, maintain_column_froms=True)
    return chosen.where(id == any_(bindparam("ids", type_=ARRAY(Uuid))))


@statement
def rows_by_ids(resource: ReadableResource[Any, Any], scope: Scope) -> Select[Any]:
    return resource.rows(scope).where(resource.table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))


@statement
def readable_by_ids(resource: ReadableResource[Any, Any], scope: Scope) -> Select[Any]:
    """The ids of those that the reader may see, and whether each is masked from who does not read all."""
    is_masked = false() if resource.masked is None else resource.masked.rows
    return (
        resource.rows(scope)
        .with_only_columns(resource.table.c.id, is_masked.label("is_masked"), maintain_column_froms=True)
        .where(resource.table.c.id == any_(bindparam("ids", type_=ARRAY(Uuid))))
    )
