"""What a rule that the calendar sets off would take: for who is about to activate it."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_kit.automation.due.planning import dates_now
from crm_kit.automation.occasions import DATE_REACHED, SCHEDULED
from crm_kit.automation.rules.model import AutomationRule, DateReached
from crm_kit.automation.timing.dates import value_in
from crm_kit.automation.timing.model import FIRST_YEAR, first_day_after, instant_of, next_due_time
from crm_kit.automation.watched import Watched
from crm_kit.database.work import Reader
from crm_kit.filtering.tree import Field

Taken = tuple[Any, str, datetime]
"""A record, what it would be run on, and when that is or was due."""


async def taken_by_time(reader: Reader, watched: Watched, rule: AutomationRule, records: Sequence[Any]) -> list[Taken]:
    """Those of the records that the rule's filter takes: of a schedule next time, of a date when it is or was due."""
    listing, zone = watched.resource.listing, ZoneInfo(reader.actor.access.time_zone)
    tree, _ = await listing.read(reader, rule.filter)
    ids = await listing.ids_among(reader, tree, [each.id for each in records])
    found = [each for each in records if each.id in ids]
    timing, schedule = rule.trigger.date_reached, rule.trigger.schedule
    if timing is not None:
        date = (await dates_now(reader, watched))[timing.field]
        return list(due(found, timing, date, now=reader.now, zone=zone))
    assert schedule is not None
    time = instant_of(schedule, first_day_after(schedule, reader.now, zone), zone)
    return [(each, SCHEDULED, time) for each in found]


def due(records: Sequence[Any], timing: DateReached, date: Field, *, now: datetime, zone: ZoneInfo) -> Iterator[Taken]:
    """The records that have the date."""
    for each in records:
        value = value_in(each, date)
        if value is not None and not (timing.every_year and value.year < FIRST_YEAR):
            yield each, DATE_REACHED, next_due_time(timing, value, now=now, zone=zone)
