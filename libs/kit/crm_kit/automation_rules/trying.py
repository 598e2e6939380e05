"""Tries a rule on what happened before, without any effect: for who is about to activate it.

The records are those of a list, and their events what the history has of them. What a filter asks of the record then is
told from the record now, with all later changes undone; what is kept beside it has no history and is as it is now.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.automation.book import compiled_rule
from crm_kit.automation.doing import Subject
from crm_kit.automation.matching import CompiledRule, is_triggered
from crm_kit.automation.rules.model import AutomationRule
from crm_kit.automation.running import Refused, Runner, require_permissions
from crm_kit.automation.values import RecordValues, values_before
from crm_kit.automation.watched import Watched
from crm_kit.automation_rules.commands import check_rule
from crm_kit.automation_rules.forecast import taken_by_time
from crm_kit.database.connections import Record
from crm_kit.database.work import Reader, ReadSession
from crm_kit.errors import invalid_field
from crm_kit.filtering.evaluation import Values
from crm_kit.listing import PageOf, context_of
from crm_kit.paging import PageTokens
from crm_kit.resource import history

DEFAULT_RECORDS = 20
# Of each record.
MAX_EVENTS = 20


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule takes: a version of a record, what happened and when; and why its actions could not be done now."""

    record_id: UUID
    version: int
    event: str
    time: datetime
    refused: Refused | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it: `record_count` and `event_count` were looked at."""

    matches: Sequence[Match]
    record_count: int
    event_count: int


async def try_rule(
    reader: Reader, watched: Watched, rule: AutomationRule, runner: Runner, tokens: PageTokens, page: PageOf
) -> Trial:
    """Try a rule as the reader, on the records of a page. InvalidArgument, PermissionDenied as if it was activated."""
    await check_rule(reader, runner.called, rule, before=rule)
    require_permissions(reader.actor, watched, rule, runner.called)
    if watched.task_events.keys() & {*rule.trigger.events}:
        raise invalid_field("id", "not_tried", "a rule that tasks set off cannot be tried")
    resource = watched.resource
    own = ReadSession(
        reader.database, reader.actor, scope=reader.actor.access.scope(resource.permission), now=reader.now
    )
    compiled = await compiled_rule(own, watched, rule)
    records = list(map(resource.entity_from, (await resource.listing.page(own, page, tokens)).rows))
    matches: list[Match] = []
    if rule.trigger.timed is not None:
        for record, event, time in await taken_by_time(own, watched, rule, records):
            refused = await runner.try_out(own, Subject(rule, watched, record.id, record.version, time))
            matches.append(Match(record.id, record.version, event, time, refused))
        return Trial(matches, len(records), len(matches))
    event_count = 0
    for record in records:
        changes = await history.latest_changes(own, resource.noun, record.id, MAX_EVENTS)
        event_count += len(changes)
        taken = list(taken_of(own, watched, compiled, record, changes))
        if taken:
            newest = taken[0]["change_time"]
            refused = await runner.try_out(own, Subject(rule, watched, record.id, record.version, newest))
            matches += [match_of(record.id, change, refused) for change in taken]
    return Trial(matches, len(records), event_count)


def match_of(record_id: UUID, change: Record, refused: Refused | None) -> Match:
    return Match(record_id, change["version"], change["action"], change["change_time"], refused)


def taken_of(
    reader: Reader, watched: Watched, compiled: CompiledRule, record: Any, changes: Sequence[Record]
) -> Iterator[Record]:
    """Those of a record's changes, the newest first, that the rule takes."""
    resource, rule, context = watched.resource, compiled.rule, context_of(reader)
    masked = resource.masked_from(reader)
    is_masked_now = resource.is_masked(reader, resource.whole_message(reader, record))
    for change, then in states(watched, record, changes):
        fields = [field["field"] for field in change["fields"]]
        if not is_triggered(rule.trigger, change["action"], fields):
            continue
        shown = resource.whole_message(reader, then)
        is_masked = is_masked_now or resource.is_masked(reader, shown)
        if is_masked and compiled.tells_of(masked, change["action"], fields):
            continue
        after = RecordValues(resource, shown)
        if not compiled.filter.takes(Values(after), context):
            continue
        if not rule.filter_before or compiled.filter_before.takes(
            Values(values_before(resource, after, change)), context
        ):
            yield change


def states(watched: Watched, record: Any, changes: Sequence[Record]) -> Iterator[tuple[Record, Any]]:
    """Each change, the newest first, with the record as it was after it."""
    then = record
    for change in changes:
        yield change, then
        before = history.undone(then, [change], watched.resource.from_json)
        then = dataclasses.replace(then, **before, version=change["version"] - 1)
