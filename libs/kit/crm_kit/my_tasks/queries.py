"""What waits for the caller in all collections of a service: their open tasks at records that they may read."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, DateTime, Executable, Integer, Uuid, and_, bindparam, false, func, or_, select

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.filtering.words import midnight
from crm_kit.identity.access import Access, Scope
from crm_kit.listing import Listing
from crm_kit.plumbing import tasks
from crm_kit.tasks.place import Place
from crm_kit.tasks.resource import IS_OPEN, NOW, Tasks, tasks_seen

Reached = tuple[tuple[Place, Scope], ...]
MAX_COUNTED = 10_000
# Of one process: people have few different combinations of scopes.
MAX_COMBINATIONS = 64
_ID, _DEADLINE = bindparam("after_id", type_=Uuid), bindparam("after_deadline", type_=DateTime(timezone=True))
IS_MINE = and_(tasks.c.assignee_id == bindparam("me", type_=Uuid), IS_OPEN)
# Where the list goes on: from its beginning, behind one that falls due, and behind one that never does.
BEHIND: Mapping[bool | None, ColumnElement[bool] | None] = {
    None: None,
    True: or_(
        tasks.c.deadline_time > _DEADLINE,
        and_(tasks.c.deadline_time == _DEADLINE, tasks.c.id > _ID),
        tasks.c.deadline_time.is_(None),
    ),
    False: and_(tasks.c.deadline_time.is_(None), tasks.c.id > _ID),
}


def reached_by(access: Access, places: Mapping[str, Place]) -> Reached:
    """The collections that somebody may read, each with the scope."""
    may_read = (each for each in places.values() if access.may(each.records.permission))
    return tuple((each, access.scope(each.records.permission)) for each in may_read)


@lru_cache(maxsize=MAX_COMBINATIONS)
def tasks_reached(reached: Reached) -> Tasks:
    """The tasks of all these collections."""
    return tasks_seen(lambda _: is_reached(reached))


@lru_cache(maxsize=MAX_COMBINATIONS)
def list_behind(reached: Reached, behind: bool | None) -> Listing:
    """The caller's open tasks of these collections, from one of `BEHIND` on."""
    place = BEHIND[behind]
    return tasks_reached(reached).list_of("my_tasks", of=IS_MINE if place is None else and_(IS_MINE, place))


def is_reached(reached: Reached) -> ColumnElement[bool]:
    """Whether a task is at a record that somebody may read, by the scope for its collection."""
    ways = [and_(tasks.c.collection == place.collection, place.tasks.visible(scope)) for place, scope in reached]
    return or_(false(), *ways)


async def count_mine(reader: Reader, reached: Reached) -> tuple[int, int, int]:
    """How many wait for the caller, how many of them are overdue, and how many are due today; to 10,000 of all."""
    zone = ZoneInfo(reader.actor.access.time_zone)
    row = await reader.one(counts(reached), most=MAX_COUNTED, tomorrow=end_of_today(reader.now, zone))
    return (row["open_count"], row["overdue_count"], row["today_count"]) if row else (0, 0, 0)


def end_of_today(now: datetime, zone: ZoneInfo) -> datetime:
    """The first instant of tomorrow; at the end of time, that."""
    try:
        today: date = now.astimezone(zone).date()
        return midnight(today + timedelta(days=1), zone)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def place_behind(after_id: UUID | None, *, timed: bool) -> bool | None:
    """Which of `BEHIND` a list goes on from: that of a task, with or without a deadline, or of none."""
    return None if after_id is None else timed


@statement
def counts(reached: Reached) -> Executable:
    mine = (
        select(tasks.c.deadline_time)
        .where(tasks.c.tenant_id == bindparam("tenant_id"), IS_MINE, is_reached(reached))
        .order_by(tasks.c.deadline_time)
        .limit(bindparam("most", type_=Integer))
        .subquery("mine")
    )
    is_late = mine.c.deadline_time <= NOW
    # What falls due at the midnight that ends today has today as its due date.
    is_today = and_(
        mine.c.deadline_time > NOW, mine.c.deadline_time <= bindparam("tomorrow", type_=DateTime(timezone=True))
    )
    return select(
        func.count().label("open_count"),
        func.count().filter(is_late).label("overdue_count"),
        func.count().filter(is_today).label("today_count"),
    ).select_from(mine)
