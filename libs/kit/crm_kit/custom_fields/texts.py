"""Values as people write them in spreadsheets. What cannot be read stays text, and is refused as what it is. Pure."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import chain

from crm_kit.custom_fields.model import CustomField, FieldType, Label, Option

_SEPARATORS = re.compile(r"[;,、\n|]")
_BOOLS = {
    **dict.fromkeys(("true", "yes", "y", "1", "是", "对", "有"), True),
    **dict.fromkeys(("false", "no", "n", "0", "否", "不", "无"), False),
}


def value_from_text(field: CustomField, text: str) -> object:
    """The value that a cell tells, to be checked like any other.

    Numbers and dates are as the contract writes them: how a file does is found from more than one cell.
    """
    return _READERS[field.type](field, text)


def headings_of(fields: Mapping[str, CustomField]) -> dict[str, str]:
    """What a column of each field in use may be called -> the key: its labels, its key, and `custom.` with its key.

    A label that several fields have is none of theirs, and one that is another's key is the key.
    """
    active = [field for field in fields.values() if field.is_active]
    called: dict[str, set[str]] = defaultdict(set)
    for field in active:
        for text in _texts(field.label):
            called[_plain(text)].add(field.key)
    own = {text: field.key for field in active for text in _texts(field.label) if len(called[_plain(text)]) == 1}
    # The last of one name counts.
    return own | {field.key: field.key for field in active} | {f"custom.{field.key}": field.key for field in active}


def _as_it_is(_field: CustomField, text: str) -> object:
    return text


def _bool(_field: CustomField, text: str) -> object:
    return _BOOLS.get(_plain(text), text)


def _option(field: CustomField, text: str) -> object:
    wanted = _plain(text)
    # A label may be what another option's key is.
    keys = (each.key for each in field.options if wanted == _plain(each.key))
    labels = (each.key for each in field.options if wanted in map(_plain, _texts(each.label)))
    return next(chain(keys, labels), text)


def _options(field: CustomField, text: str) -> object:
    """Labels may have separators in them: at each place the longest one that fits is meant."""
    plain = unicodedata.normalize("NFKC", text)
    ends = [each.start() for each in _SEPARATORS.finditer(plain)] + [len(plain)]
    called = [each for option in field.options for each in _called(option)]
    longest = max((len(_SEPARATORS.findall(_plain(each))) for each in called), default=0)
    keys, start = [], 0
    while ends:
        for end in reversed(ends[: longest + 1]):
            part = plain[start:end].strip()
            if end == ends[0] or (part and _option(field, part) != part):
                break
        if part:
            keys.append(str(_option(field, part)))
        start, ends = end + 1, [each for each in ends if each > end]
    return list(dict.fromkeys(keys))


def _called(option: Option) -> list[str]:
    return [option.key, *_texts(option.label)]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _texts(label: Label) -> list[str]:
    return [text for text in (label.zh, label.en) if text]


_READERS: dict[FieldType, Callable[[CustomField, str], object]] = {
    FieldType.TEXT: _as_it_is,
    FieldType.NUMBER: _as_it_is,
    FieldType.DATE: _as_it_is,
    FieldType.BOOL: _bool,
    FieldType.SINGLE_SELECT: _option,
    FieldType.MULTI_SELECT: _options,
    FieldType.REFERENCE: _as_it_is,
}
