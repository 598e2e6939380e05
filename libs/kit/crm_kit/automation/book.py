"""The active rules of tenants as a process knows them: remembered for a second.

Whoever runs a rule finds whether it is still what was remembered, so one that was stopped does nothing any more.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Select, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from crm_kit.automation.matching import CompiledRule, Condition, RulesByEvent, by_event
from crm_kit.automation.rules.model import AutomationRule, State
from crm_kit.automation.rules.resource import RULES
from crm_kit.automation.watched import Watched
from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.identity.access import Scope
from crm_kit.plumbing import automation_rules
from crm_kit.resource.shape import CUSTOM

REMEMBER_SECONDS = 1.0
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """The active rules of a tenant when they were asked for (monotonic seconds), and all their versions."""

    asked: float
    versions: str | None
    rules: RulesByEvent

    @property
    def speaks_of_custom(self) -> bool:
        """Whether what filters mean may change without a rule: the tenant's own fields can."""
        return any(CUSTOM in each.fields or each.broken for several in self.rules.values() for each in several)


class RuleBook:
    """What one process knows of the active rules in its database."""

    def __init__(self) -> None:
        self._known: dict[UUID, Known] = {}
        # How often something was forgotten: what was read before that and came after it is not kept.
        self._changes = 0

    def find(self, tenant_id: UUID) -> RulesByEvent | None:
        """The rules of a tenant; None when they have to be read."""
        known = self._known.get(tenant_id)
        return known.rules if known is not None and time.monotonic() - known.asked <= REMEMBER_SECONDS else None

    async def read(self, reader: Reader, watched: Mapping[str, Watched]) -> RulesByEvent:
        """Those of the reader's tenant as they are now: those that are known, where none is another version by now."""
        asked, changes, known = time.monotonic(), self._changes, self._known.get(reader.tenant_id)
        row = await reader.one(versions_of_active())
        versions: str | None = row[0] if row is not None else None
        if known is not None and known.versions == versions and not known.speaks_of_custom:
            rules = known.rules
        else:
            rules = await self._read(reader, watched)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        if changes == self._changes:
            self._known[reader.tenant_id] = Known(asked, versions, rules)
        return rules

    async def _read(self, reader: Reader, watched: Mapping[str, Watched]) -> RulesByEvent:
        rules = map(RULES.entity_from, await reader.all(active_rules()))
        # A version that rolls out may know of more collections and calls than this one.
        known = [each for each in rules if each.collection in watched]
        return by_event([await compiled_rule(reader, watched[each.collection], each) for each in known])

    def forget(self, tenant_id: UUID) -> None:
        """They have changed: read them again at the next look."""
        self._changes += 1
        self._known.pop(tenant_id, None)


_BOOKS: WeakKeyDictionary[Database, RuleBook] = WeakKeyDictionary()


def book_of(database: Database) -> RuleBook:
    """The one of this process for a database."""
    return _BOOKS.setdefault(database, RuleBook())


async def compiled_rule(reader: Reader, watched: Watched, rule: AutomationRule) -> CompiledRule:
    """The rule with its filters read by the custom fields as they are now. Unavailable when those cannot be had now."""
    listing = watched.resource.listing
    for action in rule.actions:
        if action.verb not in watched.calls:
            return CompiledRule(rule, broken=FailedPrecondition(f"rules cannot call {action.verb} here"))
    try:
        after, _ = await listing.read(reader, rule.filter)
        before, _ = await listing.read(reader, rule.filter_before)
    except InvalidArgument as error:
        return CompiledRule(rule, broken=error)
    return CompiledRule(rule, Condition.of(after), Condition.of(before))


@statement
def active_rules() -> Select[Any]:
    return RULES.rows(Scope.ALL).where(automation_rules.c.state == State.ACTIVE)


@statement
def versions_of_active() -> Select[Any]:
    """Another text whenever the active rules are others, or one is of another version."""
    rules = automation_rules.c
    each = func.concat(rules.id, " ", rules.version)
    return select(func.md5(func.string_agg(each, aggregate_order_by(literal_column("','"), rules.id)))).where(
        rules.tenant_id == bindparam("tenant_id"), rules.state == State.ACTIVE
    )


@statement
def count_active() -> Select[Any]:
    rules = automation_rules.c
    return select(func.count()).where(
        rules.tenant_id == bindparam("tenant_id"),
        rules.collection == bindparam("collection"),
        rules.state == State.ACTIVE,
    )
