"""The columns of an exported list, from the resource's message: one for each value that a person can read in a cell."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from crm_kit.labels import Label, field_label
from crm_kit.resource.contract import named_ids
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.texts.catalogue import Language
from crm_gateway.transcode.fields import is_custom, is_map, is_plain_message, is_well_known, message_of

SEPARATOR = "; "
DEPTH = 3
# The keys of other systems stand in one cell, each behind its system: an import reads them so.
KEYS = "external_ids"
# What the label of an id is followed by, and that of the name beside it.
NO_LABEL = Label("", "")
ID, NAME = Label(" ID", "ID"), Label(" name", "名称")
QUOTE = '"'
# What separates the values of a cell, here or where people wrote it, and what quotes one.
_APART = re.compile(r'[,;，；、|/\n"]')


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, which is the field's path or what people call it, and how a record's text is taken.

    `path` is that of its value in the record, as in `fields=`: `amount.currency_code`, `custom.contract_no`.
    """

    heading: str
    path: str
    read: Callable[[dict[str, Any]], str]
    label: Label = NO_LABEL


def columns_of(message: Descriptor, depth: int = DEPTH) -> Iterator[Column]:
    """All columns of a message, under their paths. A nested object has a column for each of its fields.

    So has a list of objects, `addresses.city`, with the values of all of them in their order.
    """
    names = {each.name: each.id for each in named_ids(message)}
    ids = set(names.values())
    for field in message.fields:
        name, inner = field.name, field.message_type
        label = _label(message.fields_by_name[names.get(name, name)])
        if is_custom(field):
            # They have a column each, of which the contract knows nothing.
            continue
        is_list = inner is not None and field.is_repeated and not is_map(field) and not is_well_known(inner)
        if is_list and name == KEYS:
            yield Column(name, name, keys_of, label)
        elif is_list and depth > 1:
            inner_columns = columns_of(message_of(field), depth - 1)
            yield from (_below(name, label, each, _of_all(name, each)) for each in inner_columns)
        elif is_plain_message(field) and not is_map(field) and depth > 1:
            yield from (_below(name, label, each, _of(name, each)) for each in columns_of(message_of(field), depth - 1))
        else:
            suffix = ID if name in ids else NAME if name in names else NO_LABEL
            yield Column(name, name, _reader((name,)), Label(label.en + suffix.en, label.zh + suffix.zh))


def _label(field: FieldDescriptor) -> Label:
    return field_label(field.name, field.GetOptions())


def _below(name: str, label: Label, column: Column, read: Callable[[dict[str, Any]], str]) -> Column:
    path = f"{name}.{column.path}"
    return Column(path, path, read, Label(f"{label.en}: {column.label.en}", f"{label.zh}：{column.label.zh}"))


def _of(name: str, column: Column) -> Callable[[dict[str, Any]], str]:
    return lambda record: column.read(record[name]) if record.get(name) else ""


def _of_all(name: str, column: Column) -> Callable[[dict[str, Any]], str]:
    def read(record: dict[str, Any]) -> str:
        texts = [column.read(each) for each in record.get(name) or ()]
        return SEPARATOR.join(map(_told_apart, texts)) if any(texts) else ""

    return read


def keys_of(record: dict[str, Any]) -> str:
    """A record's keys in other systems: `sap: C-1; crm: 4711`."""
    return SEPARATOR.join(_told_apart(f"{key['source']}: {key['value']}") for key in record.get(KEYS) or ())


def called(columns: Iterable[Column], language: Language, custom_fields: Iterable[Any] = ()) -> Iterator[Column]:
    """The columns under their labels in a language; those that would be called alike keep their paths.

    So does one that is called as a custom field is: an import would take it for that. And so does the record's own id,
    which an import would take for the key of another system.
    """
    named = [(column, getattr(column.label, language)) for column in columns]
    counts = Counter(label.casefold() for _, label in named)
    counts.update({text.casefold() for field in custom_fields for text in (field.label.en, field.label.zh)})
    for column, label in named:
        keeps_path = column.path == "id" or not label or counts[label.casefold()] > 1
        yield column if keeps_path else replace(column, heading=label)


def chosen(columns: Sequence[Column], paths: Iterable[str]) -> Iterator[Column]:
    """The columns at the paths and below them, in the order of the paths. KeyError names one where there is none."""
    for path in paths:
        found = [column for column in columns if column.path == path or column.path.startswith(f"{path}.")]
        if not found:
            raise KeyError(path)
        yield from found


def custom_columns(custom_fields: Iterable[Any], language: Language, others: Collection[Column]) -> Iterator[Column]:
    """A column for each custom field, under its label in the language or, without one, in the other.

    Where the label could mean another column, or another field's key, the heading is `custom.` with the key: no two
    columns are called alike, and an import takes each for what it is.
    """
    labels = {field.key: _label_of(field.label, language) for field in custom_fields}
    keys = [key for key, label in labels.items() if key != label.casefold()]
    # An import knows the contract's columns by path and by label, whatever language the others are in.
    own = {name.casefold() for each in others for name in (each.path, each.label.en, each.label.zh)}
    meant = Counter([*own, *map(str.casefold, labels.values()), *keys])
    for key, label in labels.items():
        heading = label if meant[label.casefold()] == 1 else f"custom.{key}"
        yield Column(heading, f"custom.{key}", _reader(("custom", key)))


def _label_of(label: Any, language: Language) -> str:
    text: str = (label.zh or label.en) if language == "zh" else (label.en or label.zh)
    return text


def _reader(path: tuple[str, ...]) -> Callable[[dict[str, Any]], str]:
    *parents, name = path

    def read(record: dict[str, Any]) -> str:
        owner: Any = record
        for parent in parents:
            owner = owner.get(parent)
            if owner is None:
                return ""
        return text_of(owner.get(name))

    return read


def _told_apart(text: str) -> str:
    """A text among others in a cell: in double quotes where a separator or a blank in it would be lost."""
    return f'"{text.replace(QUOTE, QUOTE * 2)}"' if _APART.search(text) or text != text.strip() else text


def text_of(value: Any) -> str:
    """A JSON value in a cell: lists of plain values apart by semicolons, anything deeper as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case datetime():
            return orjson.dumps(value, option=orjson.OPT_UTC_Z).decode().strip('"')
        case list() if not any(isinstance(each, list | dict) for each in value):
            return SEPARATOR.join(_told_apart(text_of(each)) for each in value)
        case list() | dict():
            return orjson.dumps(value).decode() if value else ""
    return str(value)
