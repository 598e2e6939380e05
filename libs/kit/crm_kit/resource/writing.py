"""The one write path: row, version, history and event become true together, or nothing does."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Self, cast
from uuid import UUID

from crm.type.v1 import change_pb2
from google.protobuf.message import Message

from crm_kit.custom_fields.checking import values_to_create, values_to_update
from crm_kit.custom_fields.values import CustomValues
from crm_kit.custom_fields.writing import put_values
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import NotFound, denied
from crm_kit.events.outbox import emit
from crm_kit.identity.access import Scope
from crm_kit.masks import EVERYTHING
from crm_kit.paging import PageTokens
from crm_kit.resource import history, updates
from crm_kit.resource.actions import Try, check_tries
from crm_kit.resource.codecs import build
from crm_kit.resource.concealing import conceal_changes
from crm_kit.resource.contract import NAME, snake
from crm_kit.resource.declaration import CUSTOM, Entity, Shown
from crm_kit.resource.label import Shown as How
from crm_kit.resource.masking import clear, clear_changes
from crm_kit.resource.owners import given_on, tell_assigned
from crm_kit.resource.reading import ReadableResource, Response

# Fields whose change is no news: they change with every change.
BOOKKEEPING = ("version", "update_time")


def custom_of(entity: Any) -> CustomValues:
    """The values of a record's custom fields."""
    values: CustomValues = entity.custom
    return values


class Resource(ReadableResource[Entity, Shown]):
    """One kind of record of a service, declared once; docs/resources.md says what follows from it.

    `entity`: a frozen dataclass with `id`, `version`, `create_time` and `update_time`; `message`: the contract's.
    `created`, `updated`: the events that every resource has; verbs bring their own to `save`.
    `beside`: columns that consumers write alone; they are shown, but belong to no version.
    `unversioned`: fields that are written with the record and also alone; a change of theirs makes no version.
    `untold`: fields that events leave out, since they are kept by readers, and not only as long as the record is.
    `computed`: expressions for fields that are no columns, such as links kept in another table; of what is `joined` to
    the table, one row at most for each of its own.
    `listed_as`: what filters, groups and facets go by in place of a column, where not all may see all that it has.
    `nested`: what filters compare within a list of objects, by its path: `accounts.account_id`.
    `within`: the columns of what lists go by within an object, by its path: `rfm.value`. PostgreSQL computes them.
    `kept_filters`: the records that filters may name in place of what these take, by the name that they give them.
    `visible`: which rows a scope reaches; by owner and owner's team where the table has them, all where not.
    `hidden`: rows that lists leave out unless the filter speaks of the field.
    `masked`: fields of some records that only those see who may read all.
    `label`: what those see of some records who see no more of them.
    `verbs`: for each rpc `POST /v1/{collection}/{id}:verb`, the rule that it applies, to be tried on a record.
    `default_order`: that of lists.
    `assigned`: the field that says whose the record is, where somebody who is given one by others is told.
    `files_at`: the record that the files of a record are at, by collection and id, where they go along to another.
    `at`: how a record stands at an instant, where that is more than what is stored.
    `momentary`: the fields that `at` fills in and nothing stores, such as a clock.

    DeclarationError at import where contract, entity and table do not fit each other.
    """

    def values_of(self, message: Shown) -> dict[str, Any]:
        """What a create gives: values of the entity's fields. Custom fields are checked by `to_create`."""
        return updates.values_of(self, message)

    async def to_create(self, work: UnitOfWork, message: Shown) -> dict[str, Any]:
        """What a create gives, its custom fields checked by the tenant's definitions.

        InvalidArgument, AlreadyExists: a value that does not fit, is missing, or is another record's.
        """
        values = updates.values_of(self, message)
        sent = values.get(CUSTOM, {})
        values[CUSTOM] = await values_to_create(work, self.collection, sent, path=f"{self.place}.{CUSTOM}")
        return values

    async def to_update(self, work: UnitOfWork, update: Any) -> tuple[Entity, dict[str, Any]]:
        """The record that an Update request means, and the values of the fields that it changes.

        NotFound, EtagMismatch, InvalidArgument: as `get` and as the mask says. PermissionDenied: as `check_reaches`.
        """
        self.check_reaches(work.scope)
        sent = getattr(update, self.place)
        before = await self.get(work, UUID(sent.id), etag=sent.etag)
        hidden = self.hidden_from(work)
        values = updates.changes(self, before, update, hidden)
        if self.has_custom and CUSTOM in values:
            old, path = custom_of(before), f"{self.place}.{CUSTOM}"
            # A whole map is all that the caller knows of: what is hidden from them stays.
            values[CUSTOM] = values[CUSTOM] | {key: old[key] for key in old if f"{CUSTOM}.{key}" in hidden}
            asked = {key: values[CUSTOM].get(key) for key in {**old, **values[CUSTOM]}}
            id = cast("Any", before).id
            # Archived values that a whole map leaves out stay: they are nobody's to change.
            is_whole = not {CUSTOM, EVERYTHING}.isdisjoint(update.update_mask.paths)
            left_out = old.keys() - values[CUSTOM].keys() if is_whole else frozenset()
            values[CUSTOM] = await values_to_update(
                work, self.collection, asked, old, path=path, id=id, left_out=left_out
            )
        return before, values

    def create(self, work: UnitOfWork, entity: Entity, event: type[Message] | None = None, **told: Any) -> Entity:
        """Gather a new record: row, history and the event `created`; `told` is what else the event has.

        Another `event` is for records that begin in several ways, as a call that rings or is asked for.
        """
        self.check_reaches(work.scope)
        work.insert(self.table, self.row_of(entity))
        self._call(work, entity)
        if self.has_custom:
            put_values(work, self.collection, cast("Any", entity).id, {}, custom_of(entity))
        history.record(work, self.noun, entity, action="CREATED")
        self._announce(work, entity, event or self.created, told)
        if self.assigned is not None:
            tell_assigned(work, self, None, entity)
        return entity

    def save(
        self,
        work: UnitOfWork,
        before: Entity,
        after: Entity,
        event: type[Message],
        *,
        following: bool = False,
        **told: Any,
    ) -> Entity:
        """Gather a changed record: row, history and an event, one version further. It must still be what was read.

        Nothing is gathered where nothing changed. The event carries the resource, `changed_fields` where it has them,
        and what is `told` besides; the history calls the change as the event is called, without the noun. A record that
        changes by `following` another one is no news to its owner, who is told of that.
        """
        changed = self.changed_fields(before, after)
        if not changed:
            return before
        self.check_reaches(work.scope)
        # Not typed: every entity has these, which `_check` has seen to.
        old: Any = before
        update_time = max(work.now, old.update_time)
        after = cast(
            "Entity", dataclasses.replace(cast("Any", after), version=old.version + 1, update_time=update_time)
        )
        if self.has_custom:
            # Before the row: whoever changes custom fields locks them first, too, and then the records.
            put_values(work, self.collection, old.id, custom_of(before), custom_of(after))
        work.save(self.table, self.row_of(after), version=old.version)
        self._call(work, after)
        history.record(work, self.noun, after, action=self.action_of(event), before=before, changed=changed)
        shown = tuple(name for name in changed if name.partition(".")[0] in self.contract)
        if "changed_fields" in event.DESCRIPTOR.fields_by_name:
            told["changed_fields"] = shown
        self._announce(work, after, event, told, shown)
        if self.assigned is not None and not following:
            tell_assigned(work, self, before, after)
        if self.is_discussed:
            given_on(work, self, before, after)
        return after

    def check_reaches(self, scope: Scope) -> None:
        """PermissionDenied when the records are shared by the whole tenant and the scope does not reach all of it."""
        if self.is_shared and scope is not Scope.ALL:
            raise denied("scope_all", "this concerns the whole tenant: the permission is needed with the scope ALL")

    def changed_fields(self, before: Entity, after: Entity) -> list[str]:
        """The stored fields in which two states of a record differ, custom fields one by one: `custom.contract_no`."""
        changed = [
            name for name in self.versioned if name not in BOOKKEEPING and getattr(before, name) != getattr(after, name)
        ]
        if not self.has_custom or CUSTOM not in changed:
            return changed
        old, new = custom_of(before), custom_of(after)
        keys = [f"{CUSTOM}.{key}" for key in sorted({**old, **new}) if old.get(key) != new.get(key)]
        return [name for each in changed for name in (keys if each == CUSTOM else [each])]

    def _call(self, work: UnitOfWork, entity: Any) -> None:
        if NAME in self.table.c:
            work.call(self.table, entity.id, entity.display_name)

    def action_of(self, event: type[Message]) -> str:
        """What the history calls an event: `AccountStatusChanged` of an account is STATUS_CHANGED."""
        return snake(event.DESCRIPTOR.name).removeprefix(f"{self.noun}_").upper()

    def _announce(
        self,
        work: UnitOfWork,
        entity: Entity,
        event: type[Message],
        told: Mapping[str, Any],
        changed_fields: Sequence[str] = (),
    ) -> None:
        record: Any = entity
        # Where some fields are masked, what was told may lack them.
        known = self._told(work, entity) if self.masked is None else None
        shown = self.whole_message(work, entity) if known is None else known
        work.told = (entity, shown)
        place = self.place_in(event)
        message = build(event, **{place: shown}, **told)
        for name in self.untold:
            getattr(message, place).ClearField(name)
        emit(
            work,
            message,
            aggregate_type=self.noun,
            id=record.id,
            version=record.version,
            changed_fields=changed_fields,
        )

    def message(self, reader: Reader, entity: Entity) -> Shown:
        """The message that shows a record at the reader's time; what was just told of it is not made again."""
        known = self._told(reader, entity) if isinstance(reader, UnitOfWork) else None
        return super().message(reader, entity) if known is None else self.as_seen(reader, known)

    async def answer(self, work: UnitOfWork, entity: Entity) -> Shown:
        """The message for who has changed the record. Where nothing has changed it is a read, and noted as one."""
        is_told = self._told(work, entity) is not None
        shown = self.message(work, entity)
        if not is_told:
            await self.note(work, [shown], How.RECORD)
        return shown

    def _told(self, work: UnitOfWork, entity: Entity) -> Shown | None:
        """The message that was made of just this record."""
        return cast("Shown", work.told[1]) if work.told is not None and work.told[0] is entity else None

    # --- verbs

    def trying(self, **verbs: Try) -> Self:
        """The same resource with other rules for some verbs: those that need to know how a service is set up."""
        other = copy.copy(self)
        other.tries = self.tries | verbs
        check_tries(self.noun, self.verbs, other.tries)
        return other

    # --- history

    async def list_changes(
        self, reader: Reader, request: Any, response: type[Response], tokens: PageTokens
    ) -> Response:
        """A page of the changes of the record that the request names, newest first, without what is not shown."""
        row = await self._row(reader, UUID(request.id))
        page = await history.page(reader, self.noun, row["id"], request, tokens)
        changes: list[change_pb2.Change] = [history.change_to_pb(each, self.contract) for each in page.rows]
        await self.note(reader, [self.message_from(row)], How.CHANGES)
        conceal_changes(self.collection, self.hidden_from(reader), changes)
        if self.is_masked(reader, self.message_from(row)):
            clear_changes(changes, self.masked_from(reader))
        return response(changes=changes, next_page_token=page.next_token, prev_page_token=page.prev_token)

    async def as_of(self, reader: Reader, id: str, time: datetime) -> Shown:
        """The record as it was at an instant: as it is now, with every later change undone, the newest first.

        What is to come is not known: of a later instant it is the record as it is.

        What is kept beside the record or unversioned has no history: it is known of now alone, and not set of a past
        instant. NotFound before its creation.
        """
        time = min(time, reader.now)
        unknown = self.without_history if time < reader.now else frozenset()
        row = await self._row(reader, UUID(id))
        now: Any = self.entity_from(row)
        await self.note(reader, [self.message_of(now)], How.PAST)
        later = await history.later_changes(reader, self.noun, now.id, time)
        if now.create_time > time:
            raise NotFound(f"the {self.noun} did not exist yet", reason=self.not_found)
        values = {name: self.default_of(name) for name in unknown if name in self.own_hints}
        values |= history.undone(now, later, self.from_json)
        if later:
            values |= await history.version_at(reader, self.noun, now.id, later[-1]["version"] - 1)
        then = dataclasses.replace(now, **values)
        shown = self.message_of(then if self.at is None else self.at(then, time))
        if self.is_masked(reader, self.message_of(now)):
            clear(shown, self.masked_from(reader))
        return shown
