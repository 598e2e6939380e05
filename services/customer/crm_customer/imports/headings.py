"""What the contract calls fields, as exports head their columns, and what an import of accounts takes them for."""

from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from crm_kit.labels import field_label
from crm_kit.resource.contract import named_ids
from google.protobuf.descriptor import FieldDescriptor

from crm_customer.imports.spreadsheets.mapping import Field, as_heading
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.contacts.resource import CONTACTS

# An account may be named by its id.
REFERENCES: Mapping[str, Field] = {"parent_id": Field.PARENT}
# And so may a user. An export that becomes new accounts may be another tenant's, which has other users.
OWNERS: Mapping[str, Field] = {"owner_id": Field.OWNER, "owner_name": Field.OWNER}
# What an export of contacts has beside the accounts of each, and no list of accounts.
OF_CONTACTS = ("reports_to_id", "reports_to_name")


@cache
def contract_headings(*, owners: bool) -> Mapping[str, str]:
    """Heading, as `as_heading` gives it, to the target of its column; empty where a spreadsheet does not change it.

    `owners`: the columns that tell whose the accounts are are taken, too.
    """
    references = {**REFERENCES, **OWNERS} if owners else REFERENCES
    return MappingProxyType({as_heading(heading): target for heading, target in _headings(references) if heading})


@cache
def contact_headings() -> frozenset[str]:
    """Headings, as `as_heading` gives them, by which an export of contacts is known."""
    own = CONTACTS.message_type.DESCRIPTOR
    above = [name for field, names in headed(own) if field in OF_CONTACTS for name in names]
    return frozenset(map(as_heading, [*above, *_within(own.fields_by_name["accounts"])]))


def _within(part: FieldDescriptor) -> Iterator[str]:
    """How an export heads the columns of a list of objects."""
    outer = field_label(part.name, part.GetOptions())
    for path, (_, en, zh) in headed(part.message_type):
        yield from (f"{part.name}.{path}", f"{outer.en}: {en}", f"{outer.zh}：{zh}")


def _headings(references: Mapping[str, Field]) -> Iterator[tuple[str, str]]:
    own = ACCOUNTS.message_type.DESCRIPTOR
    for field, names in headed(own):
        # Other people's lists call their own numbers ID; an export heads its ids with the field's name.
        if field != "id":
            yield from ((name, references.get(field, field if field in set(Field) else "")) for name in names)
    for part in own.fields:
        if part.message_type is not None and part.name != Field.EXTERNAL_IDS:
            yield from ((name, "") for name in _within(part))


def headed(message: Any) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Each field of a message's descriptor with what an export heads its column: path, English and Chinese label."""
    ids = {each.name: each.id for each in named_ids(message)}
    for field in message.fields:
        of_id = message.fields_by_name[ids.get(field.name, field.name)]
        label = field_label(of_id.name, of_id.GetOptions())
        en, zh = (" name", "名称") if field.name in ids else (" ID", "ID") if field.name in ids.values() else ("", "")
        yield field.name, (field.name, label.en + en, label.zh + zh)
