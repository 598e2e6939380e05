"""The columns of an exported list, from the resource's message: one for each value that a person can read in a cell."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

import orjson
from crm_kit.labels import Label, field_label, value_label
from crm_kit.resource.contract import named_ids
from crm_kit.spreadsheets.kinds import Kind
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_gateway.exports.kinds import CUSTOM_KINDS, kind_of
from crm_gateway.protojson.fields import enum_names, is_custom, is_map, is_plain_message, is_well_known, message_of
from crm_gateway.texts.catalogue import Language

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
    kind: Kind = Kind.TEXT


def columns_of(message: Descriptor, language: Language | None = None, depth: int = DEPTH) -> Iterator[Column]:
    """All columns of a message, under their paths. A nested object has a column for each of its fields.

    So has a list of objects, `addresses.city`, with the values of all of them in their order. Values of enums are
    written by their labels in the language, for programs, which ask for none, by their names.
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
            inner_columns = columns_of(message_of(field), language, depth - 1)
            yield from (_below(name, label, each, _of_all(name, each)) for each in inner_columns)
        elif is_plain_message(field) and not is_map(field) and depth > 1:
            inner_columns = columns_of(message_of(field), language, depth - 1)
            yield from (_below(name, label, each, _of(name, each), each.kind) for each in inner_columns)
        else:
            suffix = ID if name in ids else NAME if name in names else NO_LABEL
            words = _words(field, language)
            yield Column(
                *(name, name, _reader((name,), words), Label(label.en + suffix.en, label.zh + suffix.zh)),
                kind_of(field),
            )


def _label(field: FieldDescriptor) -> Label:
    return field_label(field.name, field.GetOptions())


def _words(field: FieldDescriptor, language: Language | None) -> Mapping[str, str]:
    """The names of an enum's values to their labels in a language, as far as those are one value's only."""
    if language is None or field.enum_type is None:
        return {}
    names = enum_names(field.enum_type)
    labels = {value.number: value_label(names[value.number], value.GetOptions()) for value in field.enum_type.values}
    return unmistakable({names[number]: getattr(label, language) for number, label in labels.items()})


def unmistakable(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels, by name, that mean no other value: none is another's label or name, or would be taken for several."""
    meant = Counter([*map(str.casefold, labels.values()), *(name.casefold() for name in labels)])
    return {
        name: label
        for name, label in labels.items()
        if label and not _APART.search(label) and meant[label.casefold()] == 1 + (label.casefold() == name.casefold())
    }


def _below(
    name: str, label: Label, column: Column, read: Callable[[dict[str, Any]], str], kind: Kind = Kind.TEXT
) -> Column:
    path = f"{name}.{column.path}"
    return Column(path, path, read, Label(f"{label.en}: {column.label.en}", f"{label.zh}：{column.label.zh}"), kind)


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


def custom_columns(
    custom_fields: Collection[Any], language: Language, others: Collection[Column], *, by_label: bool = True
) -> Iterator[Column]:
    """A column for each custom field, under its label in the language or, without one, in the other.

    Where the label could mean another column, or another field's key, the heading is `custom.` with the key: no two
    columns are called alike, and an import takes each for what it is. `by_label`: so are options, by their labels.
    """
    labels = {field.key: _label_of(field.label, language) for field in custom_fields}
    keys = [key for key, label in labels.items() if key != label.casefold()]
    # An import knows the contract's columns by path and by label, whatever language the others are in.
    own = {name.casefold() for each in others for name in (each.path, each.label.en, each.label.zh)}
    meant = Counter([*own, *map(str.casefold, labels.values()), *keys])
    for field, (key, label) in zip(custom_fields, labels.items(), strict=True):
        heading = label if meant[label.casefold()] == 1 else f"custom.{key}"
        options = {each.key: _label_of(each.label, language) for each in field.options}
        words = unmistakable(options) if by_label else {}
        kind = CUSTOM_KINDS.get(field.type, Kind.TEXT)
        yield Column(heading, f"custom.{key}", _reader(("custom", key), words), kind=kind)


def _label_of(label: Any, language: Language) -> str:
    text: str = (label.zh or label.en) if language == "zh" else (label.en or label.zh)
    return text


def _reader(path: tuple[str, ...], words: Mapping[str, str]) -> Callable[[dict[str, Any]], str]:
    *parents, name = path

    def read(record: dict[str, Any]) -> str:
        owner: Any = record
        for parent in parents:
            owner = owner.get(parent)
            if owner is None:
                return ""
        value = owner.get(name)
        return text_of(_in_words(value, words) if words else value)

    return read


def _in_words(value: Any, words: Mapping[str, str]) -> Any:
    return [words.get(each, each) for each in value] if isinstance(value, list) else words.get(value, value)


def _told_apart(text: str) -> str:
    """A text among others in a cell: in double quotes where a separator or a blank in it would be lost."""
    return f'"{text.replace(QUOTE, QUOTE * 2)}"' if _APART.search(text) or text != text.strip() else text


def in_zone(value: Any, zone: tzinfo) -> Any:
    """A record, or a value of one, with its instants in a zone: they are written with the offset that it has then."""
    match value:
        case datetime():
            return value.astimezone(zone)
        case list():
            return [in_zone(each, zone) for each in value]
        case dict():
            return {name: in_zone(each, zone) for name, each in value.items()}
    return value


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
