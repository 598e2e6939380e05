"""The texts of problems in the languages they are told in, looked up by reason and rule and filled with values."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

from crm_kit.durations import duration_from_text, duration_parts
from crm_kit.labels import Label

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
NO_LABELS: Mapping[str, Label] = {}
# The value that names the codes of explanations, and the one that is as somebody has written it.
REASONS, GIVEN = "reasons", "value"
_DURATION = re.compile(r"[0-9]+(\.[0-9]+)?s")
# Between the reasons of one decision.
SEPARATORS: Mapping[Language, str] = {"en": "; ", "zh": "；"}
# Comes after a key whose values are not all known.
_PLAIN = ".plain"
# For who may not see the values.
_BARE = ".bare"


class Catalogue:
    """All texts of one language; whatever is not in it is None."""

    def __init__(self, language: Language, tables: Mapping[str, Mapping[str, str]]) -> None:
        self.language = language
        self.tables = tables

    def title(self, reason: str) -> str | None:
        """A reason as a short sentence without its full stop."""
        return self.tables["titles"].get(reason)

    def detail(self, key: str, values: Mapping[str, str], labels: Mapping[str, Label] = NO_LABELS) -> str | None:
        """What went wrong, in whole sentences. The key is a reason, or one of its variants such as `X.body`.

        Values are told by their labels, and by our own words; several stand in one, separated by commas.
        """
        told = {
            name: ", ".join(self._word(each, labels) for each in value.split(", ")) for name, value in values.items()
        }
        if REASONS in values:
            told[REASONS] = self.explanations(values[REASONS].split(", "), values)
        return self._filled("details", key, told)

    def _word(self, value: str, labels: Mapping[str, Label]) -> str:
        label = labels.get(value)
        return getattr(label, self.language) if label else self.tables["words"].get(value, value)

    def rule(self, key: str, values: Mapping[str, str]) -> str | None:
        """What a field should have been, to be read after its name. What is one of several stands behind a slash."""
        words = self.tables["words"]
        told = {
            name: " / ".join(words.get(each, each) for each in value.split(" / ")) for name, value in values.items()
        }
        return self._filled("rules", key, told)

    def row(self, key: str, values: Mapping[str, str]) -> str | None:
        """What is wrong with a row of a spreadsheet, in words. The key is a reason, or one with a rule: `X.reach`."""
        return self._filled("rows", key, values)

    def explanation(self, code: str, values: Mapping[str, str]) -> str | None:
        """Why something was decided, in words."""
        return self._filled("explanations", code, values)

    def explanations(self, codes: Iterable[str], values: Mapping[str, str]) -> str:
        """Why something was decided, all reasons in one; the values are those of all of them."""
        return SEPARATORS[self.language].join(self.explanation(code, values) or code for code in codes)

    def duration(self, text: str) -> str:
        """A length of time as contracts and services write it, `604800s`, in words: `7 days`."""
        units = self.tables["units"]
        return " ".join(f"{count} {units[unit]}" for count, unit in duration_parts(duration_from_text(text)))

    def _filled(self, table: str, key: str, values: Mapping[str, str]) -> str | None:
        values = {
            name: self.duration(value) if name != GIVEN and _DURATION.fullmatch(value) else value
            for name, value in values.items()
        }
        for each in (key, key + _PLAIN, key + _BARE):
            template = self.tables[table].get(each)
            if template is not None:
                try:
                    return template.format_map(values)
                except KeyError:
                    continue
        return None


@cache
def catalogue(language: Language) -> Catalogue:
    """The catalogue of a language."""
    text = files("crm_gateway.texts").joinpath(f"{language}.toml").read_text(encoding="utf-8")
    return Catalogue(language, tomllib.loads(text))


def preferred_language(accept_language: bytes | None) -> Language:
    """The language that `Accept-Language` asks for most among ours; English when it asks for none of them."""
    return asked_language(accept_language) or "en"


def asked_language(accept_language: bytes | None) -> Language | None:
    """The language that `Accept-Language` asks for most among ours; None when it asks for none of them."""
    best: Language | None = None
    best_weight = 0.0
    for part in (accept_language or b"").decode("latin-1").lower().split(","):
        tag, _, parameter = part.partition(";")
        language = tag.strip().partition("-")[0]
        weight = _weight(parameter)
        for ours in LANGUAGES:
            if language == ours and weight > best_weight:
                best, best_weight = ours, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
