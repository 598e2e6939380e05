"""What services raise has texts in every language: each rule, state and reason in their code is looked up."""

import ast
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from crm_gateway.expansion import load_contract
from crm_gateway.openapi.document import error_reasons
from crm_gateway.problems import from_crm_error
from crm_gateway.texts.catalogue import LANGUAGES, Language, catalogue
from crm_gateway.texts.labels import RecordLabels
from crm_kit.errors import wrong_move, wrong_state

ROOT = Path(__file__).parents[3]
CONTRACT = load_contract()
# Function -> the place of the argument that is a rule, or a word of a text.
RULES = {"invalid_field": 1, "FieldViolation": 1}
STATES = {"illegal_state": 0}
DENIALS = {"denied": 0}
WORDS = {"wrong_state": 2}


@dataclass(frozen=True)
class Said:
    """A text's key as it stands in the code, with the names of its values; `open`: there may be more of these."""

    place: str
    key: str
    values: frozenset[str]
    open: bool


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("libs/kit/crm_kit", "services"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def said(places: dict[str, int]) -> Iterator[Said]:
    """The literal keys that are handed to these functions, also by way of a function of the same module."""
    for path, module in modules():
        known = {name: ("", at) for name, at in places.items()} | dict(passing_on(module, places))
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
            name = called(call)
            prefix, at = known.get(name, ("", -1))
            if at < 0 or len(call.args) <= at:
                continue
            key = call.args[at]
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                values = frozenset(each.arg for each in call.keywords if each.arg)
                is_open = any(each.arg is None for each in call.keywords)
                yield Said(f"{path.relative_to(ROOT)}:{call.lineno}", prefix + key.value, values, is_open)


def called(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def passing_on(module: ast.Module, places: dict[str, int]) -> Iterator[tuple[str, tuple[str, int]]]:
    """The functions of a module that hand a parameter of theirs on as the key, and what they put before it."""
    for function in (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)):
        parameters = [each.arg for each in function.args.args if each.arg != "self"]
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call) and called(node) in places):
            key = call.args[places[called(call)]] if len(call.args) > places[called(call)] else None
            prefix = ""
            if isinstance(key, ast.JoinedStr) and len(key.values) == 2 and isinstance(key.values[0], ast.Constant):
                prefix, inner = str(key.values[0].value), key.values[1]
                key = inner.value if isinstance(inner, ast.FormattedValue) else None
            if isinstance(key, ast.Name) and key.id in parameters:
                yield function.name, (prefix, parameters.index(key.id))


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_that_a_service_refuses_by_has_a_text(language: Language) -> None:
    rules = catalogue(language).tables["rules"]
    found = list(said(RULES))
    assert {each.key for each in found} >= {"cycle", "credit_code.alphabet", "half_open"}
    assert [each for each in found if each.key not in rules and f"{each.key}.plain" not in rules] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_that_a_service_refuses_for_has_a_text_with_its_values(language: Language) -> None:
    details = catalogue(language).tables["details"]
    found = [each for each in said(STATES) if not each.place.endswith("errors.py")]
    assert len(found) > 15
    for each in found:
        template = details[f"ILLEGAL_STATE.{each.key}"]
        assert each.open or placeholders(template) <= each.values, each


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_right_that_is_missing_has_a_text_with_its_values(language: Language) -> None:
    details = catalogue(language).tables["details"]
    found = [each for each in said(DENIALS) if not each.place.endswith("errors.py")]
    assert len(found) > 8
    for each in found:
        assert placeholders(details[f"PERMISSION_DENIED.{each.key}"]) <= each.values, each


def test_every_word_of_what_cannot_be_done_is_translated() -> None:
    words = catalogue("zh").tables["words"]
    found = {each.key for each in said(WORDS)} | {"followed up", "returned"}
    assert found >= {"archived", "claimed", "placed"}
    assert found - words.keys() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_a_text_of_its_own(language: Language) -> None:
    details = catalogue(language).tables["details"]
    assert error_reasons(CONTRACT).keys() - details.keys() == set()


def test_states_are_told_by_their_labels() -> None:
    labels = RecordLabels(CONTRACT).of("order")
    refused = from_crm_error(wrong_state("order", "DRAFT", "paid", legal=["RELEASED", "PARTLY_PAID"]), labels=labels)
    assert refused.told("zh") == "当前状态为“草稿”，不能回款；须为：已放行, 部分回款。"
    assert refused.told("en") == "an order that is DRAFT cannot be paid; it must be RELEASED or PARTLY_PAID"
    last = from_crm_error(wrong_move("case", "CANCELLED", "OPEN", legal=[]), labels=RecordLabels(CONTRACT).of("case"))
    assert last.told("zh") == "当前状态为“已取消”，不能变为“处理中”。"
