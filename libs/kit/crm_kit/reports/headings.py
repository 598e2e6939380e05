"""What people call the groups, measures and values of an answer, in English and in Chinese."""

from collections.abc import Mapping

from crm_kit.custom_fields.model import Label as CustomLabel
from crm_kit.filtering.schema import CUSTOM
from crm_kit.filtering.tree import FieldType, Unit
from crm_kit.labels import Label, field_label, value_label
from crm_kit.resource.questions import Askable, Function, Grouping, Measure
from crm_kit.resource.values import enum_prefix

UNITS = {
    Unit.DAY: Label("day", "日"),
    Unit.WEEK: Label("week", "周"),
    Unit.MONTH: Label("month", "月"),
    Unit.QUARTER: Label("quarter", "季度"),
    Unit.YEAR: Label("year", "年"),
}
MEASURES = {
    Function.SUM: Label("{}: sum", "{}合计"),
    Function.AVG: Label("{}: average", "{}平均值"),
    Function.MIN: Label("{}: smallest", "{}最小值"),
    Function.MAX: Label("{}: largest", "{}最大值"),
    Function.DISTINCT: Label("{}: how many different ones", "{}去重数"),
}
COUNT = Label("Number", "数量")
TRUTH = {"true": Label("Yes", "是"), "false": Label("No", "否")}


def label_of(asked: Askable, path: str) -> Label:
    """What people call a field."""
    if path.startswith(CUSTOM):
        return _said(asked.custom[path.removeprefix(CUSTOM)].label)
    field = asked.resource.paths[path].descriptor
    return field_label(field.name, field.GetOptions())


def group_heading(asked: Askable, by: Grouping) -> Label:
    label = label_of(asked, by.field)
    if by.unit is None:
        return label
    unit = UNITS[by.unit]
    return Label(f"{label.en} ({unit.en})", f"{label.zh}（{unit.zh}）")


def measure_heading(asked: Askable, measure: Measure) -> Label:
    if not measure.field:
        return COUNT
    words, label = MEASURES[measure.function], label_of(asked, measure.field)
    return Label(words.en.format(label.en), words.zh.format(label.zh))


def value_labels(asked: Askable, by: Grouping) -> Mapping[str, Label]:
    """What people call the values of a grouping, by the value; of values without labels nothing."""
    if by.type is FieldType.BOOL:
        return TRUTH
    if by.type is not FieldType.ENUM:
        return {}
    if by.field.startswith(CUSTOM):
        options = asked.custom[by.field.removeprefix(CUSTOM)].options
        return {each.key: _said(each.label) for each in options}
    enum = asked.resource.paths[by.field].descriptor.enum_type
    prefix = enum_prefix(enum.name)
    names = {each.name.removeprefix(prefix): each for each in enum.values}
    return {name: value_label(name, each.GetOptions()) for name, each in names.items()}


def _said(label: CustomLabel) -> Label:
    """A label of a tenant, which has one language at least."""
    return Label(label.en or label.zh or "", label.zh or label.en or "")
