"""Why something cannot be done with a record, in the language of who asks: the services say it in English."""

from typing import Any

from crm_gateway.problems import LabelsOf, Problem
from crm_gateway.texts.catalogue import Language

CONFLICT = 409


def translate_actions(answer: Any, language: Language, labels_of: LabelsOf) -> None:
    """Put the details of a `RecordActions` into a language."""
    for each in answer.actions:
        translate_refusal(each, language, labels_of)


def translate_refusal(tried: Any, language: Language, labels_of: LabelsOf) -> None:
    """Put the detail of what was tried into a language, by reason and values as those of problems."""
    if tried.reason:
        values = dict(tried.metadata)
        labels = labels_of(values.get("noun", ""))
        tried.detail = Problem(CONFLICT, tried.reason, tried.detail, values=values, labels=labels).told(language)
