"""What is wrong with a spreadsheet or with its rows, in the language of who asks: the service says it in English."""

from typing import Any

from crm_gateway.problems import LabelsOf, Problem
from crm_gateway.texts.catalogue import Language, catalogue

REFUSED = 422
# The only language that the service speaks.
SPOKEN = "en"


def translate_row_errors(answer: Any, language: Language, labels_of: LabelsOf) -> None:
    """Put the details of a `ListImportErrorsResponse`, or of a row of a report, into a language.

    By reason, rule and values.
    """
    if language != SPOKEN:
        for each in answer.errors:
            each.detail = told(each, language, labels_of)


def translate_failure(job: Any, language: Language, labels_of: LabelsOf) -> None:
    """Put into a language why an `Import` has failed, by reason, rule and values as those of problems."""
    if language != SPOKEN and job.failure_reason:
        values = dict(job.failure_metadata)
        labels = labels_of(values.get("noun", ""))
        job.failure = Problem(REFUSED, job.failure_reason, values=values, labels=labels).told(language)


def told(error: Any, language: Language, labels_of: LabelsOf) -> str:
    """One error in a language: as rows have it, as the rule has it, or as problems of its reason are told."""
    values = {**error.metadata, "value": error.value, "column": error.column}
    texts, rule = catalogue(language), values.get("rule", "")
    of_row = texts.row(f"{error.reason}.{rule}", values) or texts.row(error.reason, values)
    if of_row or (rule and (of_row := texts.rule(rule, values))):
        return of_row
    labels = labels_of(values.get("noun", ""))
    return Problem(REFUSED, error.reason, values=dict(error.metadata), labels=labels).told(language)
