"""What a caller asks to change: from a resource's message and an update mask to values of its entity.

Nothing is ignored silently: what only a verb changes is accepted when it is what it was, and refused by name when not.
What the platform computes (output-only in the contract) is passed over, so that an answer can be sent back as it came;
of a create the pipeline refuses it (`rpc/output_only.py`).
"""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from google.protobuf.message import Message

from crm_kit.errors import FieldViolation, InvalidArgument, invalid_field
from crm_kit.masks import changes_of, mask_fields
from crm_kit.resource.codecs import Unset, read_all
from crm_kit.resource.contract import FieldContract
from crm_kit.resource.declaration import CUSTOM
from crm_kit.resource.shape import ResourceShape
from crm_kit.resource.validation import check_fields
from crm_kit.resource.violations import below, joined


def values_of(shape: ResourceShape[Any, Any], message: Message) -> dict[str, Any]:
    """The values of a create: of all fields that callers set, those not given left to the entity's defaults."""
    names = [name for name, each in shape.contract.items() if each.settable]
    values = _read(shape, message, names)
    for name, each in shape.contract.items():
        if each.given and not each.settable:
            _check_unset(shape, message, name, each)
    return values


def changes(shape: ResourceShape[Any, Any], before: Any, update: Any, hidden: Collection[str] = ()) -> dict[str, Any]:
    """The values that an update request changes. InvalidArgument names what an update does not change.

    A value that the record has already is no change and is not checked anew: what it refers to may be gone by now, or
    be hidden from the caller, and an answer can be sent back all the same. Fields that are `hidden` from the caller are
    none, also where all are meant.
    """
    message = getattr(update, shape.place)
    current = shape.message_of(before) if any("." in path for path in update.update_mask.paths) else None
    fields = mask_fields(message.DESCRIPTOR).without(hidden)
    asked = changes_of(message, update.update_mask, fields=fields, current=current)
    changeable = [name for name in asked if shape.contract[name].changeable]
    _check_unchanged(shape, before, message, [name for name in asked if name not in changeable])
    source = message
    if current is not None:
        source = _with(shape, asked)
        # What was sent has been checked, but not what becomes of it together with what was there.
        check_fields(source, asked, place=shape.place)
    values = _read(shape, source, changeable, cleared=True)
    if CUSTOM in values and not update.update_mask.paths:
        # What is sent without a mask changes what it has, and of custom fields those that it has.
        values[CUSTOM] = before.custom | values[CUSTOM]
    return _differing(before, values)


def _differing(before: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Those of an update's values that a record does not have already; custom fields are compared one by one later."""
    return {name: value for name, value in values.items() if name == CUSTOM or value != getattr(before, name)}


def _read(
    shape: ResourceShape[Any, Any], message: Message, names: Sequence[str], *, cleared: bool = False
) -> dict[str, Any]:
    """The values of the fields; `cleared`: what is not set and has a default is set to it."""
    try:
        values = read_all({name: shape.readings[name] for name in names}, message)
    except InvalidArgument as error:
        raise below(error, shape.place) from None
    unset = [name for name in names if name not in values] if cleared else []
    return values | {name: _default(shape, name) for name in unset}


def _default(shape: ResourceShape[Any, Any], name: str) -> Any:
    default = shape.default_of(name)
    if default is dataclasses.MISSING:
        raise invalid_field(joined(shape.place, name), "required", "cannot be cleared")
    return default


def _with(shape: ResourceShape[Any, Any], asked: dict[str, Any]) -> Message:
    """A message with these fields, of which some are the current ones changed in part."""
    message: Message = shape.message_type(**{name: value for name, value in asked.items() if value is not None})
    return message


def _check_unset(shape: ResourceShape[Any, Any], message: Message, name: str, field: FieldContract) -> None:
    """A create may give what a verb changes only when it is what a new record has."""
    value = shape.readings[name].read(message)
    if value is not Unset.UNSET and value is not None and value not in (shape.default_of(name), (), ""):
        raise _refusal(shape, [(name, field)])


def _check_unchanged(shape: ResourceShape[Any, Any], before: Any, message: Message, names: list[str]) -> None:
    given = _read(shape, message, [name for name in names if name in shape.readings], cleared=True)
    odd = [name for name, value in given.items() if value != getattr(before, name)]
    if odd:
        raise _refusal(shape, [(name, shape.contract[name]) for name in odd])


def _refusal(shape: ResourceShape[Any, Any], fields: list[tuple[str, FieldContract]]) -> InvalidArgument:
    violations = [FieldViolation(joined(shape.place, name), "changed_by", _remedy(field)) for name, field in fields]
    return InvalidArgument("; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations)


def _remedy(field: FieldContract) -> str:
    if not field.changed_by:
        return "is set when the record is created and cannot be changed"
    return f"cannot be set here; it is changed by {' and '.join(field.changed_by)}"
