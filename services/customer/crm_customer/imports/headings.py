"""What the contract calls an account's fields, as exports head their columns, and what an import takes them for."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from crm_kit.labels import field_label
from crm_kit.resource.contract import named_ids

from crm_customer.imports.spreadsheets.mapping import Field, as_heading
from crm_customer.records.accounts.resource import ACCOUNTS

# An account may be named by its id. A user is named as people call them: another tenant's export has other users.
REFERENCES: Mapping[str, Field] = {"parent_id": Field.PARENT}


@cache
def contract_headings() -> Mapping[str, str]:
    """Heading, as `as_heading` gives it, to the target of its column; empty where a spreadsheet does not change it."""
    return MappingProxyType({as_heading(heading): target for heading, target in _headings() if heading})


def _headings() -> Iterator[tuple[str, str]]:
    own = ACCOUNTS.message_type.DESCRIPTOR
    for field, names in headed(own):
        # Other people's lists call their own numbers ID; an export heads its ids with the field's name.
        if field != "id":
            yield from ((name, REFERENCES.get(field, field if field in set(Field) else "")) for name in names)
    for part in own.fields:
        if part.message_type is not None and part.name != Field.EXTERNAL_IDS:
            outer = field_label(part.name, part.GetOptions())
            for path, (_, en, zh) in headed(part.message_type):
                yield from ((name, "") for name in (f"{part.name}.{path}", f"{outer.en}: {en}", f"{outer.zh}：{zh}"))


def headed(message: Any) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Each field of a message's descriptor with what an export heads its column: path, English and Chinese label."""
    ids = {each.name: each.id for each in named_ids(message)}
    for field in message.fields:
        of_id = message.fields_by_name[ids.get(field.name, field.name)]
        label = field_label(of_id.name, of_id.GetOptions())
        en, zh = (" name", "名称") if field.name in ids else (" ID", "ID") if field.name in ids.values() else ("", "")
        yield field.name, (field.name, label.en + en, label.zh + zh)
