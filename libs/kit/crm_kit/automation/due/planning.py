"""What a rule that the calendar sets off takes now: as whom, and which records."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from crm_kit.automation.book import broken_action
from crm_kit.automation.matching import CompiledRule
from crm_kit.automation.occasions import DATE_REACHED, SCHEDULED, Came, key_of
from crm_kit.automation.rules.model import AutomationRule, State, StopReason
from crm_kit.automation.rules.resource import RULES
from crm_kit.automation.running import Runner
from crm_kit.automation.timing.dates import dates_of, value_in
from crm_kit.automation.timing.model import Due, Timer, Timing, condition, due_now, due_time_of
from crm_kit.automation.watched import Watched
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.database.connections import Database, Record
from crm_kit.database.work import Reader, ReadSession
from crm_kit.errors import InvalidArgument, PermissionDenied, Unauthenticated
from crm_kit.filtering.tree import EVERYTHING, And, Field, Filter
from crm_kit.identity.access import Scope


class GoneError(Exception):
    """A rule is not to be looked at any more; `reason` is why it stops now, where it has not stopped yet."""

    def __init__(self, reason: StopReason | None = None) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rule takes: `due` is None where that is nothing yet, `date` the field that it goes by, if any.

    `reader` is who activated it, at the tenant's time.
    """

    rule: AutomationRule
    timing: Timing
    watched: Watched
    reader: Reader
    due: Due | None = None
    tree: Filter = EVERYTHING
    date: Field | None = None

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.reader.actor.access.time_zone)

    @property
    def compiled(self) -> CompiledRule:
        """The rule, whose filter is part of `tree`."""
        return CompiledRule(self.rule)

    async def rows(self, timer: Timer, count: int) -> list[Record]:
        """The next records, by their ids."""
        return await self.watched.resource.listing.after(self.reader, self.tree, timer.after_id, count)

    def occasion_of(self, row: Record) -> Came:
        """That the time has come for a record."""
        assert self.due is not None
        record, due_time = self.watched.resource.entity_from(row), self.due.time
        timing = self.rule.trigger.date_reached
        if self.due.day is None and timing is not None and self.date is not None:
            value = value_in(record, self.date)
            assert value is not None
            due_time = due_time_of(timing, value, self.zone)
        due = due_time if self.due.day is None else self.due.day
        return Came(
            self.watched,
            self.reader.tenant_id,
            record.id,
            record.version,
            SCHEDULED if timing is None else DATE_REACHED,
            key_of(self.rule.id, record.id, due.isoformat()),
            due_time,
            due_time=due_time,
            tree=self.tree,
        )


async def timed_rule(reader: Reader, timer: Timer) -> tuple[AutomationRule, Timing]:
    """The rule of a timer. GoneError where it is not active any more."""
    rule = await RULES.find(reader, timer.rule_id, scope=Scope.ALL)
    if rule is None or rule.state is not State.ACTIVE or rule.trigger.timed is None:
        raise GoneError
    return rule, rule.trigger.timed


async def plan_of(
    database: Database, runner: Runner, service: Reader, watched: Watched, rule: AutomationRule, timer: Timer
) -> Plan:
    """What a rule takes at the time of `service`. GoneError where it cannot run any more."""
    try:
        actor = await runner.activator(service.tenant_id, rule, watched)
    except (Unauthenticated, PermissionDenied):
        raise GoneError(StopReason.LOST_RIGHTS) from None
    scope = actor.access.scope(watched.resource.permission)
    reader = ReadSession(database, actor, scope=scope, now=service.now)
    timing = rule.trigger.timed
    assert timing is not None
    plan = Plan(rule, timing, watched, reader)
    due = due_now(timing, timer, now=service.now, zone=plan.zone)
    if due is None:
        return plan
    tree, date = await tree_of(reader, watched, rule, due)
    return Plan(rule, timing, watched, reader, due, tree, date)


async def tree_of(reader: Reader, watched: Watched, rule: AutomationRule, due: Due) -> tuple[Filter, Field | None]:
    """The filter of the records that a rule takes, and the date that it goes by. GoneError where either is gone."""
    if broken_action(watched, rule):
        raise GoneError(StopReason.BROKEN)
    try:
        tree, _ = await watched.resource.listing.read(reader, rule.filter)
    except InvalidArgument:
        raise GoneError(StopReason.BROKEN) from None
    timing = rule.trigger.date_reached
    if timing is None:
        return tree, None
    date = (await dates_now(reader, watched)).get(timing.field)
    if date is None:
        raise GoneError(StopReason.BROKEN)
    return And((tree, condition(timing, date, due, ZoneInfo(reader.actor.access.time_zone)))), date


async def dates_now(reader: Reader, watched: Watched) -> dict[str, Field]:
    """The dates that rules of the reader's tenant can go by, as they are now."""
    if not watched.resource.has_custom:
        return dates_of(watched, {})
    return dates_of(watched, (await definitions_of(reader, watched.collection, fresh=True)).fields)
