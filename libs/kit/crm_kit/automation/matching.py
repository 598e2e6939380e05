"""Which rules an event sets off. Pure: on values of the event and of the record."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_kit.automation.rules.model import AutomationRule, Trigger
from crm_kit.automation.watched import UPDATED
from crm_kit.errors import CrmError
from crm_kit.filtering.evaluation import Predicate, Values, predicate
from crm_kit.filtering.tree import EVERYTHING, Filter, fields_of
from crm_kit.filtering.words import FilterContext

ContextOf = Callable[[UUID], FilterContext]


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter: whether it takes a record's values, and the fields that it speaks of."""

    takes: Predicate
    fields: frozenset[str]

    @classmethod
    def of(cls, tree: Filter) -> "Condition":
        """A filter made ready."""
        return cls(predicate(tree), frozenset(path.partition(".")[0] for path in fields_of(tree)))


ALL = Condition.of(EVERYTHING)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A version of a rule with its filters read and made ready.

    `broken` is why they cannot be, as of a custom field that is gone.
    """

    rule: AutomationRule
    filter: Condition = ALL
    filter_before: Condition = ALL
    broken: CrmError | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The fields that its filters speak of."""
        return self.filter.fields | self.filter_before.fields

    def tells_of(self, masked: Collection[str], event: str, changed_fields: Collection[str]) -> bool:
        """Whether a run on the event would tell of masked fields: of their values, or that nothing else has changed."""
        if not self.fields.isdisjoint(masked):
            return True
        seen = [path for path in changed_fields if path.partition(".")[0] not in masked]
        nothing_else = event == UPDATED and bool(changed_fields) and not seen
        return nothing_else or not is_triggered(self.rule.trigger, event, seen)


RulesByEvent = Mapping[tuple[str, str], tuple[CompiledRule, ...]]


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to a record of a collection, and when; of an update which fields changed."""

    collection: str
    event: str
    time: datetime
    changed_fields: Collection[str] = ()


def by_event(rules: Iterable[CompiledRule]) -> RulesByEvent:
    """The rules by collection and event, those that were created first before others."""
    found: dict[tuple[str, str], list[CompiledRule]] = {}
    for each in sorted(rules, key=lambda each: each.rule.id):
        for event in each.rule.trigger.events:
            found.setdefault((each.rule.collection, event), []).append(each)
    return {key: tuple(several) for key, several in found.items()}


def matches(
    rules: Iterable[CompiledRule], happening: Happening, after: Values, context_of: ContextOf
) -> Iterator[CompiledRule]:
    """Those of the rules for the event whose trigger and filter take it; what the record was before is not looked at.

    `context_of` tells what words of a filter, such as `me`, stand for to who activated the rule.
    """
    for each in rules:
        rule = each.rule
        if rule.activator_id is None or rule.activate_time is None or happening.time < rule.activate_time:
            continue
        if not is_triggered(rule.trigger, happening.event, happening.changed_fields):
            continue
        if each.broken or each.filter.takes(after, context_of(rule.activator_id)):
            yield each


def is_triggered(trigger: Trigger, event: str, changed_fields: Collection[str]) -> bool:
    """Whether an event sets a rule off, whatever the record is."""
    if event not in trigger.events:
        return False
    wanted = trigger.changed_fields
    return event != UPDATED or not wanted or not set(wanted).isdisjoint(changed_fields)
