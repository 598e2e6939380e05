"""The active rules of tenants as a process knows them: remembered for a second.

Whoever runs a rule finds whether it is still what was remembered, so one that was stopped does nothing any more. What
nobody asks for any more is forgotten, and so is what was read first when all together takes too much memory.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary, WeakValueDictionary

import orjson
from sqlalchemy import Select, Text, bindparam, cast, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from crm_kit.automation.matching import CompiledRule, Condition, RulesByEvent, by_event
from crm_kit.automation.rules.model import Action, AutomationRule, State
from crm_kit.automation.rules.resource import RULES
from crm_kit.automation.watched import Watched
from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.identity.access import Scope
from crm_kit.plumbing import automation_rules
from crm_kit.resource.declaration import CUSTOM

REMEMBER_SECONDS = 1.0
IDLE_SECONDS = 60.0
# Of memory, as it is estimated: a tenant or a rule takes so much, and a rule so many times the bytes of what it says.
# Those measured took 2 to 20 times as much, mostly 10.
MAX_BYTES = 64 * 1024 * 1024
OBJECT_BYTES = 2_000
BYTES_PER_BYTE = 10


@dataclass(frozen=True, slots=True)
class Known:
    """The active rules of a tenant when they were asked for (monotonic seconds), and all their versions.

    `bytes` is what they take of memory, as it is estimated.
    """

    asked: float
    versions: str | None
    rules: RulesByEvent
    bytes: int

    @property
    def speaks_of_custom(self) -> bool:
        """Whether what filters mean may change without a rule: the tenant's own fields can."""
        rules = chain.from_iterable(group.rules for groups in self.rules.values() for group in groups)
        return any(CUSTOM in each.fields or each.broken for each in rules)


class RuleBook:
    """What one process knows of the active rules in its database."""

    def __init__(self) -> None:
        # Those that were read last come last. Of tenants at work they are read every second.
        self._known: dict[UUID, Known] = {}
        self._bytes = 0
        # How often something was forgotten: what was read before that and came after it is not kept.
        self._changes = 0
        self._reading: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    def find(self, tenant_id: UUID) -> RulesByEvent | None:
        """The rules of a tenant; None when they have to be read."""
        known = self._known.get(tenant_id)
        return known.rules if known is not None and time.monotonic() - known.asked <= REMEMBER_SECONDS else None

    async def read(self, reader: Reader, watched: Mapping[str, Watched]) -> RulesByEvent:
        """Those of the reader's tenant as they are now, read by one for all that ask for them at once."""
        async with self._reading.setdefault(reader.tenant_id, asyncio.Lock()):
            known = self.find(reader.tenant_id)
            return await self._read(reader, watched) if known is None else known

    async def _read(self, reader: Reader, watched: Mapping[str, Watched]) -> RulesByEvent:
        """Those that are known, where none is another version by now."""
        asked, changes, known = time.monotonic(), self._changes, self._known.get(reader.tenant_id)
        row = await reader.one(versions_of_active())
        versions: str | None = row[0] if row is not None else None
        if known is not None and known.versions == versions and not known.speaks_of_custom:
            read = replace(known, asked=asked)
        else:
            compiled = await self._compiled(reader, watched)
            read = Known(asked, versions, by_event(compiled), bytes_of(each.rule for each in compiled))
        if changes == self._changes:
            self._keep(reader.tenant_id, read)
        return read.rules

    async def _compiled(self, reader: Reader, watched: Mapping[str, Watched]) -> list[CompiledRule]:
        rules = map(RULES.entity_from, await reader.all(active_rules()))
        # A version that rolls out may know of more collections and calls than this one.
        known = [each for each in rules if each.collection in watched]
        return [await compiled_rule(reader, watched[each.collection], each) for each in known]

    def _keep(self, tenant_id: UUID, read: Known) -> None:
        self._drop(tenant_id)
        self._known[tenant_id] = read
        self._bytes += read.bytes
        idle = time.monotonic() - IDLE_SECONDS
        while self._known:
            oldest = next(iter(self._known))
            if self._bytes <= MAX_BYTES and self._known[oldest].asked >= idle:
                return
            self._drop(oldest)

    def _drop(self, tenant_id: UUID) -> None:
        known = self._known.pop(tenant_id, None)
        self._bytes -= known.bytes if known is not None else 0

    def forget(self, tenant_id: UUID) -> None:
        """They have changed: read them again at the next look."""
        self._changes += 1
        self._drop(tenant_id)


_BOOKS: WeakKeyDictionary[Database, RuleBook] = WeakKeyDictionary()


def book_of(database: Database) -> RuleBook:
    """The one of this process for a database."""
    return _BOOKS.setdefault(database, RuleBook())


def bytes_of(rules: Iterable[AutomationRule]) -> int:
    """What a tenant's rules take of memory, estimated by what they say."""
    said = [
        len(orjson.dumps([each.actions, each.filter, each.filter_before, each.trigger.task_filter])) for each in rules
    ]
    return OBJECT_BYTES * (1 + len(said)) + BYTES_PER_BYTE * sum(said)


async def compiled_rule(reader: Reader, watched: Watched, rule: AutomationRule) -> CompiledRule:
    """The rule with its filters read by the custom fields as they are now. Unavailable when those cannot be had now."""
    listing = watched.resource.listing
    if broken := broken_action(watched, rule):
        return CompiledRule(rule, broken=broken)
    try:
        after, _ = await listing.read(reader, rule.filter)
        before, _ = await listing.read(reader, rule.filter_before)
        # What has no tasks has no filter of them.
        tasks = watched.tasks.listing if watched.tasks is not None else listing
        of_task, _ = await tasks.read(reader, rule.trigger.task_filter)
    except InvalidArgument as error:
        return CompiledRule(rule, broken=error)
    return CompiledRule(rule, Condition.of(after), Condition.of(before), Condition.of(of_task))


def broken_action(watched: Watched, rule: AutomationRule) -> FailedPrecondition | None:
    """Why an action can never be done, as one whose verb is gone."""
    for action in rule.actions:
        if not is_possible(watched, action):
            gone = f"create {action.creation.collection}" if action.creation else f"call {action.verb}"
            return FailedPrecondition(f"rules cannot {gone} here")
    return None


def is_possible(watched: Watched, action: Action) -> bool:
    """Whether the collection has what an action calls; what a target has is found when it is called."""
    if action.submission is not None:
        return action.submission.verb in watched.submissions
    if action.creation is not None:
        return action.creation.collection in watched.creatable
    if action.target:
        return action.target in watched.targets
    return not action.verb or action.verb in watched.calls


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
def measure_active() -> Select[Any]:
    """How many rules of a collection are `active`, and the `bytes` of what they and the one with this `id` say."""
    rules = automation_rules.c
    is_active = rules.state == State.ACTIVE
    of_task = func.coalesce(rules.trigger["task_filter"].astext, "")
    said = [func.octet_length(each) for each in (cast(rules.actions, Text), rules.filter, rules.filter_before, of_task)]
    return select(
        func.count().filter(is_active).label("active"),
        func.coalesce(func.sum(said[0] + said[1] + said[2] + said[3]), 0).label("bytes"),
    ).where(
        rules.tenant_id == bindparam("tenant_id"),
        rules.collection == bindparam("collection"),
        or_(is_active, rules.id == bindparam("id")),
    )
