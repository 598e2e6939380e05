"""Why something was decided, in the language of who asks: the services say it in English, with a code and values."""

from typing import Any

from crm.sales.v1 import leads_pb2
from crm_kit.labels import Label, value_label

from crm_gateway.problems import LabelsOf
from crm_gateway.protojson.fields import enum_names
from crm_gateway.texts.catalogue import SEPARATORS, Language, catalogue


def _labels() -> dict[str, Label]:
    kinds = leads_pb2.FollowUp.Kind.DESCRIPTOR
    names = enum_names(kinds)
    return {names[each.number]: value_label(names[each.number], each.GetOptions()) for each in kinds.values}


# What people call values of explanations.
_LABELS = _labels()


def translate_explanation(reason: Any, language: Language, _labels_of: LabelsOf) -> None:
    """Put one explanation into a language, by its code and values; one without a text stays as it is."""
    values = {name: _told(value, language) for name, value in reason.metadata.items()}
    if told := catalogue(language).explanation(reason.code, values):
        reason.explanation = told


def translate_credit(answer: Any, language: Language, labels_of: LabelsOf) -> None:
    """Put the reasons of a `PreviewCreditResponse` into a language, each and all together."""
    for each in answer.reason_details:
        translate_explanation(each, language, labels_of)
    if answer.reason_details:
        answer.explanation = SEPARATORS[language].join(each.explanation for each in answer.reason_details)


def _told(value: str, language: Language) -> str:
    """A value by what people call it."""
    label = _LABELS.get(value)
    return str(getattr(label, language)) if label else value
