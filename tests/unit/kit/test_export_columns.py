"""The columns that an export may be asked for are those that the gateway writes files with."""

from crm_gateway.contract import read_contract
from crm_gateway.expansion import collections
from crm_gateway.exports.columns import columns_of
from crm_kit.exports.columns import has_column
from google.protobuf.descriptor import Descriptor

KEYS = ("contract_no",)


def exported() -> list[Descriptor]:
    """The records of the collections that jobs export."""
    return [each.message for each in collections(read_contract()) if each.bulk]


def all_paths(message: Descriptor, depth: int = 4) -> set[str]:
    """Every path of fields, into whatever is in a field, and one level deeper than files go."""
    found = set()
    for field in message.fields:
        found.add(field.name)
        if field.message_type is not None and depth > 1:
            found |= {f"{field.name}.{path}" for path in all_paths(field.message_type, depth - 1)}
    return found


def test_a_path_leads_to_a_column_where_a_file_has_one() -> None:
    assert len(exported()) > 5
    for message in exported():
        columns = {column.path for column in columns_of(message)}
        expected = {path for path in all_paths(message) if any(f"{each}.".startswith(f"{path}.") for each in columns)}
        custom = {path for path in all_paths(message) if path.partition(".")[0] == "custom"}
        found = {path for path in all_paths(message) if has_column(message, path, KEYS)}
        assert found - custom == expected - custom, message.full_name


def test_custom_fields_have_a_column_each_where_there_are_any() -> None:
    for message in exported():
        if "custom" in message.fields_by_name:
            told = [has_column(message, path, KEYS) for path in ("custom", "custom.contract_no", "custom.other")]
            assert told == [True, True, False]
            assert not has_column(message, "custom", ())
