"""Why something cannot be done with a record, in the language of who asks: the services say it in English."""

from typing import Any

from crm_gateway.problems import LabelsOf, Problem
from crm_gateway.texts.catalogue import Language

CONFLICT = 409


def translate_actions(answer: Any, language: Language, labels_of: LabelsOf) -> None:
    """Put the details of a `RecordActions` into a language, by reason and values as those of problems."""
    for each in answer.actions:
        if each.reason:
            values = dict(each.metadata)
            labels = labels_of(values.get("noun", ""))
            each.detail = Problem(CONFLICT, each.reason, each.detail, values=values, labels=labels).told(language)
