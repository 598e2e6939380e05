"""Which rules an event sets off. Pure: on values of the event and of the record."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_kit.automation.rules.model import AutomationRule, Trigger
from crm_kit.automation.watched import UPDATED
from crm_kit.errors import CrmError
from crm_kit.filtering.evaluation import Asked, Predicate, Required, Values, predicate, required
from crm_kit.filtering.tree import EVERYTHING, Filter, fields_of
from crm_kit.filtering.words import FilterContext

ContextOf = Callable[[UUID], FilterContext]


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter: whether it takes a record's values, the paths that it speaks of, and what it takes none without."""

    takes: Predicate
    paths: frozenset[str]
    required: Required | None = None

    @classmethod
    def of(cls, tree: Filter) -> "Condition":
        """A filter made ready."""
        return cls(predicate(tree), fields_of(tree), required(tree))

    @property
    def fields(self) -> frozenset[str]:
        """Those of the record itself, in which the paths begin."""
        return frozenset(path.partition(".")[0] for path in self.paths)


ALL = Condition.of(EVERYTHING)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A version of a rule with its filters read and made ready.

    `broken` is why they cannot be, as of a custom field that is gone. `task_filter` takes values of a task.
    """

    rule: AutomationRule
    filter: Condition = ALL
    filter_before: Condition = ALL
    task_filter: Condition = ALL
    broken: CrmError | None = None

    def takes(self, time: datetime, after: Values, context: FilterContext) -> bool:
        """Whether it was active at the time, and its filter takes the record; one that is broken takes any."""
        since = self.rule.activate_time
        return since is not None and time >= since and (self.broken is not None or self.filter.takes(after, context))

    @property
    def fields(self) -> frozenset[str]:
        """The fields that its filters speak of."""
        return self.filter.fields | self.filter_before.fields

    @property
    def paths(self) -> frozenset[str]:
        """The paths that its filters speak of."""
        return self.filter.paths | self.filter_before.paths

    def tells_of(self, masked: Collection[str], event: str, changed_fields: Collection[str]) -> bool:
        """Whether a run on the event would tell of masked fields: of their values, or that nothing else has changed."""
        if not self.fields.isdisjoint(masked):
            return True
        seen = [path for path in changed_fields if path.partition(".")[0] not in masked]
        nothing_else = event == UPDATED and bool(changed_fields) and not seen
        return nothing_else or not is_triggered(self.rule.trigger, event, seen)


@dataclass(frozen=True, slots=True)
class Group:
    """The rules of one activator with one trigger: what is the same for all of them is asked once.

    Those that take no record without a certain value of a field are looked up by what the record has there: of many
    rules for one source or state each, all others cost nothing.
    """

    activator_id: UUID
    trigger: Trigger
    rules: tuple[CompiledRule, ...]
    _by_value: tuple[tuple[Asked, Mapping[Hashable, Sequence[CompiledRule]]], ...]
    _others: tuple[CompiledRule, ...]

    @classmethod
    def of(cls, activator_id: UUID, trigger: Trigger, rules: Iterable[CompiledRule]) -> "Group":
        """The rules made ready to be asked for."""
        rules = tuple(rules)
        by_value: dict[Asked, dict[Hashable, list[CompiledRule]]] = {}
        others = []
        for each in rules:
            if (wanted := each.filter.required) is None:
                others.append(each)
            else:
                by_value.setdefault(wanted.asked, {}).setdefault(wanted.value, []).append(each)
        return cls(activator_id, trigger, rules, tuple(by_value.items()), tuple(others))

    def candidates(self, after: Values) -> Iterator[CompiledRule]:
        """Those whose filter may take the record."""
        yield from self._others
        for asked, rules in self._by_value:
            yield from rules.get(after.of(asked), ())


RulesByEvent = Mapping[tuple[str, str], tuple[Group, ...]]


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to a record of a collection, and when; of an update which fields changed."""

    collection: str
    event: str
    time: datetime
    changed_fields: Collection[str] = ()


def by_event(rules: Iterable[CompiledRule]) -> RulesByEvent:
    """The rules by collection and event; those that nobody has activated are left out."""
    found: dict[tuple[str, str], dict[tuple[UUID, Trigger], list[CompiledRule]]] = {}
    for each in rules:
        rule = each.rule
        if rule.activator_id is None or rule.activate_time is None:
            continue
        for event in rule.trigger.events:
            groups = found.setdefault((rule.collection, event), {})
            groups.setdefault((rule.activator_id, rule.trigger), []).append(each)
    return {key: tuple(Group.of(*alike, several) for alike, several in groups.items()) for key, groups in found.items()}


def matches(groups: Iterable[Group], happening: Happening, after: Values, context_of: ContextOf) -> list[CompiledRule]:
    """Those of the rules for the event whose trigger and filter take it; what the record was before is not looked at.

    Those that were created first come first. `context_of` tells what words of a filter, such as `me`, stand for to who
    activated the rule.
    """
    found: list[CompiledRule] = []
    for group in groups:
        if is_triggered(group.trigger, happening.event, happening.changed_fields):
            context = context_of(group.activator_id)
            found += [each for each in group.candidates(after) if each.takes(happening.time, after, context)]
    return sorted(found, key=lambda each: each.rule.id)


def is_triggered(trigger: Trigger, event: str, changed_fields: Collection[str]) -> bool:
    """Whether an event sets a rule off, whatever the record is."""
    if event not in trigger.events:
        return False
    wanted = trigger.changed_fields
    return event != UPDATED or not wanted or not set(wanted).isdisjoint(changed_fields)
