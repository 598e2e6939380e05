"""Values of custom fields: what a caller sent, in the one form that is kept. Pure.

| type | kept and shown as | also taken |
|---|---|---|
| TEXT, SINGLE_SELECT | text | |
| NUMBER | decimal text without needless zeros: "120.5" | a JSON number of at most 15 digits |
| DATE | ISO 8601 text | |
| BOOL | true or false | |
| MULTI_SELECT | a list of option keys, in the order of the options | in any order |
| REFERENCE | the id, in lower case | |
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from uuid import UUID

from crm_kit.blanks import is_visible
from crm_kit.collation.keys import collation_key
from crm_kit.custom_fields.model import SELECTIONS, CustomField, FieldType
from crm_kit.errors import FieldViolation, InvalidArgument
from crm_kit.filtering.tokens import token_of

CustomValue = str | bool | list[str]
CustomValues = Mapping[str, CustomValue]
"""The values of a record by the keys of their fields; a field without a value is not in it."""

# An index entry has room for 2,700 bytes, a character takes up to four.
MAX_CHARACTERS = 500
# A float tells that many digits and means what it tells.
_FLOAT_DIGITS = 15
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,10})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHOWN = 60


class Misfit(ValueError):
    """The value is none of the field's: which rule it breaks, and how."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


def checked_values(
    fields: Mapping[str, CustomField],
    sent: Mapping[str, object],
    before: CustomValues,
    *,
    path: str,
    is_new: bool = False,
) -> dict[str, CustomValue]:
    """The values of a record once `sent` is written over those `before`; null, "" and [] clear.

    What is sent as it was is taken whatever it is. InvalidArgument names every value that is not possible and, of a
    new record, every one that is missing.
    """
    after, refused = dict(before), {}
    for key, value in sorted(sent.items()):
        try:
            changed = _changed(fields.get(key), key, value, before.get(key))
        except Misfit as misfit:
            refused[key] = misfit
            continue
        if changed is None:
            after.pop(key, None)
        else:
            after[key] = changed
    if is_new:
        missing = (field.key for field in fields.values() if field.required and field.is_active)
        refused |= {key: Misfit("required", "is required") for key in missing if key not in {**after, **refused}}
    if refused:
        found = [FieldViolation(f"{path}.{key}", each.rule, each.detail) for key, each in refused.items()]
        raise InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in found), violations=found)
    return after


def canonical(field: CustomField, value: object, *, before: object = None) -> CustomValue:
    """A value in the form that is kept; Misfit when it is none. Retired options are taken of who has them `before`."""
    return _CANONICAL[field.type](field, value, before)


def _changed(field: CustomField | None, key: str, value: object, before: CustomValue | None) -> CustomValue | None:
    if value == before and type(value) is type(before) and before is not None:
        return before
    if field is None:
        raise Misfit("unknown_field", f"there is no custom field {shown(key)}")
    if not field.is_active:
        raise Misfit("archived", "the custom field is archived; its values stay as they are")
    if value is None or value == "" or value == []:
        if field.required and before is not None:
            raise Misfit("required", "is required and cannot be cleared")
        return None
    return canonical(field, value, before=before)


def shown(value: object) -> str:
    """A value for an error's text, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


# --- by type


def _text(_field: CustomField, value: object, _before: object) -> str:
    text = _of_text(value)
    if text and not any(map(is_visible, text)):
        raise Misfit("blank", "text must be more than blanks")
    if len(text) > MAX_CHARACTERS:
        raise Misfit("max_len", f"has {len(text)} characters, at most {MAX_CHARACTERS} are possible")
    return text


def _number(_field: CustomField, value: object, _before: object) -> str:
    text = _float_text(value) if isinstance(value, float) else value
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise Misfit(
            "number",
            f"{shown(value)} is not a decimal of at most 20 digits before the point and 10 after it, such as 120.5",
        )
    return plain_number(Decimal(text))


def _float_text(value: float) -> str:
    """A JSON number as the text it was written as, as long as floats tell."""
    text = format(Decimal(repr(value)), "f").removesuffix(".0") if math.isfinite(value) else repr(value)
    if len(text.replace(".", "").lstrip("-0")) > _FLOAT_DIGITS:
        raise Misfit("number", f"{shown(value)} has more digits than a JSON number can tell; write it as text")
    return text


def plain_number(number: Decimal) -> str:
    """Decimal text without exponent and needless zeros; no minus for zero."""
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    digits = digits.lstrip("0") or "0"
    digits = f"0{digits}" if digits.startswith(".") else digits
    return digits if digits == "0" else sign + digits


def _date(_field: CustomField, value: object, _before: object) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise Misfit("date", f"{shown(value)} is not a date; dates are written 2026-01-31")


def _bool(_field: CustomField, value: object, _before: object) -> bool:
    if isinstance(value, bool):
        return value
    raise Misfit("bool", f"{shown(value)} is not true or false")


def _option(field: CustomField, value: object, before: object) -> str:
    text = _of_text(value)
    if text != before:
        _require_option(field, text)
    return text


def _options(field: CustomField, value: object, before: object) -> list[str]:
    if not isinstance(value, list):
        raise Misfit("list", f"{shown(value)} is not a list of options")
    kept = before if isinstance(before, list) else []
    for index, each in enumerate(value):
        text = _of_text(each)
        if text not in kept:
            _require_option(field, text)
        if text in value[:index]:
            raise Misfit("unique", f"{shown(text)} is there twice")
    order = {option.key: index for index, option in enumerate(field.options)}
    return sorted(value, key=lambda key: order.get(key, len(order)))


def _require_option(field: CustomField, key: str) -> None:
    offered = [option.key for option in field.options if not option.retired]
    if key not in offered:
        named = ", ".join(offered[:20]) + (", ..." if len(offered) > 20 else "")
        raise Misfit("option", f"{shown(key)} is not one of {named}")


def _reference(_field: CustomField, value: object, _before: object) -> str:
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value.lower()
    raise Misfit("uuid", f"{shown(value)} is not an id")


def _of_text(value: object) -> str:
    if not isinstance(value, str):
        raise Misfit("text", f"{shown(value)} is not text")
    if "\0" in value:
        raise Misfit("text", "text must not contain the character U+0000")
    return value


_CANONICAL: dict[FieldType, Callable[[CustomField, object, object], CustomValue]] = {
    FieldType.TEXT: _text,
    FieldType.NUMBER: _number,
    FieldType.DATE: _date,
    FieldType.BOOL: _bool,
    FieldType.SINGLE_SELECT: _option,
    FieldType.MULTI_SELECT: _options,
    FieldType.REFERENCE: _reference,
}


# --- as tokens


def tokens_of(field: CustomField, value: CustomValue) -> list[str]:
    """What filters, orders and uniqueness go by: a token, or one for each option of several."""
    if isinstance(value, list):
        return [token_of(field.key, option) for option in value]
    if field.collated:
        return [token_of(field.key, collation_key(str(value)))]
    return [token_of(field.key, Decimal(value) if field.type is FieldType.NUMBER else value)]


def unique_token(field: CustomField, value: CustomValue) -> str | None:
    """What no other record may have; None of a field that is not unique."""
    return tokens_of(field, value)[0] if field.unique else None


def reference_id(value: CustomValue) -> UUID:
    """The id that a reference is."""
    return UUID(str(value))


# --- from one record, or type, to another


def carried(
    values: CustomValues, own: Mapping[str, CustomField], others: Mapping[str, CustomField]
) -> dict[str, CustomValue]:
    """The values that a record of another collection can have, too: of fields with the same key and meaning there."""
    return {key: value for key, value in values.items() if key in own and _is_taken(value, own[key], others.get(key))}


def _is_taken(value: CustomValue, own: CustomField, other: CustomField | None) -> bool:
    if other is None or not other.is_active or not own.is_active or other.type is not own.type:
        return False
    offered = {option.key for option in other.options if not option.retired}
    is_offered = other.type not in SELECTIONS or offered.issuperset(value if isinstance(value, list) else [str(value)])
    return is_offered and other.reference_collection == own.reference_collection


def converted(target: CustomField, value: CustomValue) -> CustomValue:
    """The value as one of the target's type; Misfit when it is none. Nothing is rounded, cut or guessed."""
    if target.type is FieldType.MULTI_SELECT:
        return canonical(target, value if isinstance(value, list) else [_plain(value)], before=[])
    if isinstance(value, list):
        if len(value) != 1:
            raise Misfit("list", f"{shown(value)} is several values")
        value = value[0]
    if target.type is FieldType.BOOL and value in ("true", "false"):
        return value == "true"
    return canonical(target, value if target.type is FieldType.BOOL else _plain(value))


def _plain(value: CustomValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
