"""Which cases a service level takes: its condition, a filter on what is known of a case."""

from collections.abc import Iterable, Mapping

from crm_kit.filtering.evaluation import evaluate
from crm_kit.filtering.parsing import parse_filter
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field
from crm_kit.filtering.tree import FieldType

from crm_service_desk.accounts.model import ValueTier
from crm_service_desk.classification import CaseKind, Channel, Level, Priority
from crm_service_desk.service_levels.model import ServiceLevel

CONDITION = FilterSchema(
    {
        "kind": enum_field(None, list(CaseKind), prefix="KIND_"),
        "priority": enum_field(None, list(Priority), prefix="PRIORITY_"),
        "impact": enum_field(None, list(Level), prefix="LEVEL_"),
        "urgency": enum_field(None, list(Level), prefix="LEVEL_"),
        "channel": enum_field(None, list(Channel), prefix="CHANNEL_"),
        "category": FilterField(FieldType.TEXT, collated=True),
        "value_tier": enum_field(None, list(ValueTier), prefix="VALUE_TIER_"),
    }
)
"""What a condition can test: fields of the case, and the tier of its account."""


def check_condition(condition: str | None) -> None:
    """Raise InvalidArgument INVALID_FILTER for a condition that cannot be read."""
    parse_filter(condition or "", CONDITION, field="service_level.condition")


def choose(levels: Iterable[ServiceLevel], facts: Mapping[str, object]) -> ServiceLevel | None:
    """The first whose condition is true of a case with these values, by position; of equal ones the oldest."""
    in_order = sorted(levels, key=lambda level: (level.position, level.create_time, level.id))
    return next((level for level in in_order if takes(level, facts)), None)


def takes(level: ServiceLevel, facts: Mapping[str, object]) -> bool:
    """Whether its condition is true of a case with these values."""
    return evaluate(parse_filter(level.condition or "", CONDITION), facts)
