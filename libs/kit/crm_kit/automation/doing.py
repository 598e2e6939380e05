"""Does the actions of a rule, one at a time, in the unit of work of its run, as who activated it.

A call is one of the API, and so is what creates a record. A submission asks for the approval of one. People are told by
a notice, and programs by a webhook, of what the activator may see; who may not read the record is told nothing.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm.resource.v1 import events_pb2 as events
from crm.type.v1 import notice_kind_pb2
from google.protobuf.message import Message

from crm_kit.approvals.commands import submit
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.queries import leaders_above
from crm_kit.approvals.resource import approvals_by_collection
from crm_kit.automation import templates
from crm_kit.automation.requests import creation_of, reader_of, request_of, submission_of
from crm_kit.automation.rules.model import (
    Action,
    AutomationRule,
    Creation,
    Notification,
    Recipient,
    Submission,
    WebhookCall,
)
from crm_kit.automation.runs.model import Effect
from crm_kit.automation.watched import CREATE, Call, Watched
from crm_kit.database.work import UnitOfWork, counting
from crm_kit.directory.access import access_from, access_of_user
from crm_kit.errors import FailedPrecondition
from crm_kit.etags import etag_of
from crm_kit.events.outbox import emit
from crm_kit.field_rights import is_hidden
from crm_kit.identity.access import Actor
from crm_kit.identity.membership import READING
from crm_kit.ids import new_id
from crm_kit.notices import raise_notice
from crm_kit.resource import history
from crm_kit.resource.concealing import conceal
from crm_kit.rpc.hidden_fields import check_hidden_fields
from crm_kit.rpc.output_only import check_output_only

Run = Callable[[Any, Any], Awaitable[Message]]
SUBMIT, NOTIFY, WEBHOOK = "submit", "notify", "webhook"
# Whose a record is, as collections call it.
OWNERS = ("owner_id", "assignee_id")


@dataclass(frozen=True, slots=True)
class Subject:
    """The record that a rule runs on, its version in which that began, and the time of what set the rule off."""

    rule: AutomationRule
    watched: Watched
    id: UUID
    version: int
    time: datetime

    def cause(self, work: UnitOfWork) -> templates.Cause:
        """What times are reckoned from."""
        return templates.Cause(self.time, ZoneInfo(work.actor.access.time_zone))


class Doing:
    """Does actions in one process. `runs` are the methods of rpcs by path, as callers reach them."""

    def __init__(self, watched: Mapping[str, Watched], runs: Mapping[str, Run], gate: Gate) -> None:
        self.watched = watched
        self._runs = runs
        self._gate = gate
        self._approvals = approvals_by_collection(gate.approvables)

    async def do(self, work: UnitOfWork, action: Action, subject: Subject) -> Effect:
        """Do one action, and send what it gathered, so that the next one finds it."""
        resource = subject.watched.resource
        with work.acting_as(work.actor, work.actor.access.scope(resource.permission)):
            record = await resource.get(work, subject.id)
            shown = resource.message(work, record)
        conceal(work.actor.access, [shown])
        if action.submission is not None:
            effect = await self._submit(work, action.submission, subject, record, shown)
        elif action.notification is not None:
            effect = await self._notify(work, action.notification, subject, record, shown)
        elif action.webhook_call is not None:
            effect = tell_webhook(work, action.webhook_call, subject, record, shown)
        elif action.creation is not None:
            effect = await self._create(work, action.creation, subject, record, shown)
        else:
            return await self._change(work, action, subject, record, shown)
        await work.flush()
        return effect

    async def _change(self, work: UnitOfWork, action: Action, subject: Subject, record: Any, shown: Any) -> Effect:
        """Make a call on the record, or on the one that it names."""
        watched, target = subject.watched, record
        if action.target:
            id = getattr(record, action.target)
            if id is None:
                return Effect(action.verb, "", target=action.target)
            watched = self.watched[subject.watched.targets[action.target]]
            resource = watched.resource
            with work.acting_as(work.actor, work.actor.access.scope(resource.permission)):
                target = await resource.get(work, id)
        call = watched.calls.get(action.verb)
        if call is None:
            raise FailedPrecondition(f"rules cannot call {action.verb} of {watched.collection}")
        cause, record_id = subject.cause(work), str(target.id)
        await self._call(work, call, request_of(subject.watched, watched, action, shown, cause, record_id=record_id))
        await work.flush()
        later = await history.changes_since(work, watched.resource.noun, target.id, target.version)
        names = dict.fromkeys(field["field"] for change in later for field in change["fields"])
        changed = tuple(name for name in names if name.partition(".")[0] in watched.resource.contract)
        return Effect(action.verb, etag_of(later[0]["version"] if later else target.version), changed, action.target)

    async def _create(self, work: UnitOfWork, creation: Creation, subject: Subject, record: Any, shown: Any) -> Effect:
        """Create a record with what the rule says of the one that it runs on."""
        created = subject.watched.creatable.get(creation.collection)
        if created is None:
            raise FailedPrecondition(f"rules cannot create {creation.collection}")
        cause, record_id = subject.cause(work), str(subject.id)
        request = creation_of(subject.watched, creation, shown, cause, record_id=record_id)
        answer = await self._call(work, created.call, request)
        await work.flush()
        later = await history.changes_since(work, subject.watched.resource.noun, record.id, record.version)
        left = etag_of(later[0]["version"]) if later else ""
        place = {"created_collection": creation.collection, "created_id": answer.id}
        return Effect(CREATE, answer.etag, **place, left_etag=left)

    async def _call(self, work: UnitOfWork, call: Call, request: Message) -> Any:
        check_hidden_fields(request, work.actor.access)
        with work.acting_as(work.actor, work.actor.access.scope(call.permission)):
            answer = await self._runs[call.path](request, work)
        check_output_only(request, answer)
        return answer

    async def _submit(
        self, work: UnitOfWork, submission: Submission, subject: Subject, record: Any, shown: Any
    ) -> Effect:
        """Ask for the approval of a call on the record."""
        watched = subject.watched
        approvable = watched.submissions[submission.verb]
        request = submission_of(watched, submission, shown, subject.cause(work), record_id=str(record.id))
        comment = templates.text_of(submission.comment, for_people(work, subject, shown)).strip() or None
        with work.acting_as(work.actor, work.actor.access.scope(approvable.verb.permission)):
            await submit(work, self._gate, self._approvals[watched.collection], approvable, request, comment)
        return Effect(SUBMIT, etag_of(record.version))

    async def _notify(
        self, work: UnitOfWork, notification: Notification, subject: Subject, record: Any, shown: Any
    ) -> Effect:
        """Tell those who may read the record now."""
        watched, rule = subject.watched, subject.rule
        ids = dict.fromkeys([*notification.user_ids, *await self._told_by(work, notification, watched, record)])
        said = set(templates.paths_in(notification.text))
        told = [id async for id in readers_among(work, watched, record.id, ids, said)]
        raise_notice(
            work,
            notice_kind_pb2.NOTICE_KIND_AUTOMATION,
            told,
            record=(watched.collection, record.id),
            name=str(getattr(shown, "display_name", "")),
            text=templates.text_of(notification.text, for_people(work, subject, shown)),
            values={"rule": rule.display_name, "rule_id": str(rule.id)},
            also_actor=True,
        )
        return Effect(NOTIFY, etag_of(record.version), told_count=len(told))

    async def _told_by(self, work: UnitOfWork, notification: Notification, watched: Watched, record: Any) -> list[UUID]:
        """Whom the record tells."""
        owner_id: UUID | None = next((getattr(record, name) for name in OWNERS if hasattr(record, name)), None)
        found: list[UUID] = []
        for recipient in notification.recipients:
            match recipient:
                case Recipient.OWNER:
                    found += [owner_id] if owner_id else []
                case Recipient.TEAM_LEADER:
                    leaders = await leaders_above(work, owner_id, permission=watched.resource.permission)
                    found += [id for id in leaders if id != owner_id][:1]
                case Recipient.ACTIVATOR:
                    found.append(work.actor.user_id)
        return found


def for_people(work: UnitOfWork, subject: Subject, shown: Message) -> Callable[[templates.Named], Any]:
    """Reads what texts name, for one that people of the tenant read."""
    return reader_of(subject.watched, shown, subject.cause(work), for_people=True)


def tell_webhook(work: UnitOfWork, call: WebhookCall, subject: Subject, record: Any, shown: Any) -> Effect:
    """Gather that an endpoint is told of the record what the rule says of it."""
    rule, read = subject.rule, reader_of(subject.watched, shown, subject.cause(work))
    told = events.WebhookCallRequested(
        endpoint_id=str(call.endpoint_id),
        rule_id=str(rule.id),
        rule_name=rule.display_name,
        collection=subject.watched.collection,
        record_id=str(subject.id),
        version=subject.version,
        values={name: templates.text_of(text, read) for name, text in call.values.items()},
    )
    # Of no record's versions: each is its own, and none waits for another.
    emit(work, told, aggregate_type="webhook_call", id=new_id(), version=1)
    return Effect(WEBHOOK, etag_of(record.version))


async def readers_among(
    work: UnitOfWork, watched: Watched, record_id: UUID, user_ids: Iterable[UUID], fields: Collection[str]
) -> AsyncIterator[UUID]:
    """Those of the users who are active and may read the record with these fields, by the directory as it is now."""
    resource = watched.resource
    heads = {path.partition(".")[0] for path in fields}
    for id in user_ids:
        row = await work.one(access_of_user(), user_id=id)
        if row is None or not row["active"]:
            continue
        reader = Actor(work.tenant_id, id, access_from(row))
        hidden = reader.access.unlisted_of(resource.collection)
        if not reader.access.may(resource.permission) or any(is_hidden(path, hidden) for path in fields):
            continue
        with work.acting_as(reader, reader.access.scope(resource.permission)), counting(work, READING):
            record = await resource.find(work, record_id)
            shown = None if record is None else resource.whole_message(work, record)
            tells_masked = not resource.masked_from(work).isdisjoint(heads)
            may_read = shown is not None and not (tells_masked and resource.is_masked(work, shown))
        if may_read:
            yield id
