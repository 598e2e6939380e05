"""Which columns the file of a collection can have: the paths of what a person can read in a cell.

The gateway, which writes files, makes its columns of the same contract (`crm_gateway/exports/columns.py`).
"""

from collections.abc import Collection, Sequence

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from crm_kit.errors import invalid_field
from crm_kit.field_rights import CUSTOM
from crm_kit.resource.values import is_value_map

# So deep fields have columns of their own.
DEPTH = 3
# Of several keys there is one column.
KEYS = "external_ids"
WELL_KNOWN = "google.protobuf."


def check_columns(message: Descriptor, paths: Sequence[str], custom: Collection[str]) -> None:
    """InvalidArgument naming `fields` for a path that leads to no column; `custom` are the keys of custom fields."""
    for index, path in enumerate(paths):
        if not has_column(message, path, custom):
            told = {"path": path}
            raise invalid_field(f"fields[{index}]", "unknown_field", f"there is no column {path!r}", metadata=told)


def has_column(message: Descriptor, path: str, custom: Collection[str], depth: int = DEPTH) -> bool:
    """Whether there is a column at a path, or below it."""
    name, _, rest = path.partition(".")
    field = message.fields_by_name.get(name)
    if field is None:
        return False
    if name == CUSTOM and is_value_map(field):
        return rest in custom if "." in path else bool(custom)
    if "." not in path:
        return True
    inner = _within(field) if depth > 1 else None
    return inner is not None and has_column(inner, rest, (), depth - 1)


def _within(field: FieldDescriptor) -> Descriptor | None:
    """The message whose fields have columns of their own; None where the field is one column."""
    inner = field.message_type
    is_plain = inner is not None and not inner.GetOptions().map_entry and not inner.full_name.startswith(WELL_KNOWN)
    return inner if is_plain and not (field.is_repeated and field.name == KEYS) else None
