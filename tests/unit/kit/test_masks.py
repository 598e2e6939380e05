from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm_kit.errors import InvalidArgument
from crm_kit.masks import MaskFields, changes_of, check_mask, mask_fields
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

ALLOWED = ("display_name", "address", "tags")
OUTPUT_ONLY = ("id", "create_time")

Descriptor = descriptor_pb2.FieldDescriptorProto


def thing_type() -> Any:
    """A message with a field of every sort; the contract has no maps and no Struct."""
    file = descriptor_pb2.FileDescriptorProto(
        name="masks_test.proto", package="masks_test", syntax="proto3", dependency=["google/protobuf/struct.proto"]
    )
    address = file.message_type.add(name="Address")
    address.field.add(name="city", number=1, type=Descriptor.TYPE_STRING, label=Descriptor.LABEL_OPTIONAL)
    address.field.add(name="line", number=2, type=Descriptor.TYPE_STRING, label=Descriptor.LABEL_OPTIONAL)
    thing = file.message_type.add(name="Thing")
    entry = thing.nested_type.add(name="LabelsEntry")
    entry.options.map_entry = True
    for number, name in enumerate(("key", "value"), 1):
        entry.field.add(name=name, number=number, type=Descriptor.TYPE_STRING, label=Descriptor.LABEL_OPTIONAL)
    once, many = Descriptor.LABEL_OPTIONAL, Descriptor.LABEL_REPEATED
    thing.field.add(name="name", number=1, type=Descriptor.TYPE_STRING, label=once)
    thing.field.add(name="address", number=2, type=Descriptor.TYPE_MESSAGE, type_name="Address", label=once)
    thing.field.add(name="places", number=3, type=Descriptor.TYPE_MESSAGE, type_name="Address", label=many)
    thing.field.add(name="phones", number=4, type=Descriptor.TYPE_STRING, label=many)
    thing.field.add(name="labels", number=5, type=Descriptor.TYPE_MESSAGE, type_name="LabelsEntry", label=many)
    struct = ".google.protobuf.Struct"
    thing.field.add(name="custom", number=6, type=Descriptor.TYPE_MESSAGE, type_name=struct, label=once)
    thing.oneof_decl.add(name="_size")
    thing.field.add(name="size", number=7, type=Descriptor.TYPE_INT32, label=once, oneof_index=0, proto3_optional=True)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("masks_test.Thing"))


Thing = thing_type()


def changes(sent: Any, *paths: str, current: Any = None) -> dict[str, Any]:
    return changes_of(sent, FieldMask(paths=paths), current=current)


@pytest.mark.parametrize(
    ("paths", "checked"),
    [
        ([], []),
        (["tags", "display_name"], ["tags", "display_name"]),
        (["*"], ["display_name", "address", "tags"]),
        (["tags", "*"], ["tags", "display_name", "address"]),
        (["tags", "tags"], ["tags"]),
        (["id", "tags", "create_time"], ["tags"]),
        (["id.anything"], []),
        (["address.city"], ["address.city"]),
        (["address.city", "address.line"], ["address.city", "address.line"]),
        (["address.city", "address"], ["address"]),
        (["address", "address.city.name"], ["address"]),
        (["address.city", "*"], ["display_name", "address", "tags"]),
    ],
)
def test_a_mask_names_each_field_to_change_once(paths: list[str], checked: list[str]) -> None:
    assert check_mask(paths, ALLOWED, OUTPUT_ONLY) == checked


@pytest.mark.parametrize("path", ["colour", "displayName", "display_name ", "", ".", "addres.city", "*.city"])
def test_an_unknown_path_is_refused_with_what_is_known(path: str) -> None:
    with pytest.raises(InvalidArgument, match="known: display_name, address, tags") as raised:
        check_mask(["tags", path, "fax"], ALLOWED, OUTPUT_ONLY)
    violations = raised.value.violations
    assert [violation.field for violation in violations] == ["update_mask", "update_mask"]
    assert [violation.detail for violation in violations] == [f"{path} cannot be changed", "fax cannot be changed"]


@given(st.lists(st.sampled_from(["*", "id", "display_name", "tags", "address", "address.city", "address.line"])))
def test_checking_a_checked_mask_changes_nothing(paths: list[str]) -> None:
    checked = check_mask(paths, ALLOWED, OUTPUT_ONLY)
    assert check_mask(checked, ALLOWED, OUTPUT_ONLY) == checked
    assert len(set(checked)) == len(checked)


def test_the_contract_says_what_an_account_update_may_change() -> None:
    fields = mask_fields(accounts_pb2.Account.DESCRIPTOR)
    assert {"id", "etag", "create_time", "update_time", "owner_team_id"} <= fields.output_only
    assert {"display_name", "owner_id", "tags", "competitor_profile"} <= set(fields.allowed)
    assert fields.output_only.isdisjoint(fields.allowed)


def test_only_the_named_fields_change_whatever_else_is_sent() -> None:
    sent = accounts_pb2.Account(id="1", etag="v1", display_name="Huaxin", industry="power", tags=["vip"])
    assert changes(sent, "display_name", "tags") == {"display_name": "Huaxin", "tags": ["vip"]}


def test_a_named_field_that_is_not_sent_is_cleared() -> None:
    cleared = changes(Thing(), "name", "address", "phones", "labels", "custom", "size")
    assert cleared == {"name": "", "address": None, "phones": [], "labels": {}, "custom": None, "size": None}


def test_zero_that_is_sent_is_zero_and_not_null() -> None:
    assert changes(Thing(size=0), "size") == {"size": 0}


def test_without_a_mask_what_is_populated_changes() -> None:
    sent = accounts_pb2.Account(id="1", display_name="Huaxin", owner_team_id="2")
    assert changes(sent) == {"display_name": "Huaxin"}


def test_a_star_replaces_every_field_that_can_change() -> None:
    changed = changes(accounts_pb2.Account(display_name="Huaxin"), "*")
    assert tuple(changed) == mask_fields(accounts_pb2.Account.DESCRIPTOR).allowed
    assert changed["display_name"] == "Huaxin"
    assert changed["industry"] == ""


def test_output_only_fields_are_passed_over_in_silence() -> None:
    sent = accounts_pb2.Account(id="1", etag="v2", owner_team_id="2", short_name="HX")
    assert changes(sent, "id", "etag", "owner_team_id", "short_name") == {"short_name": "HX"}


def test_a_path_into_a_message_changes_this_part_and_keeps_the_rest() -> None:
    current = Thing(name="a", address={"city": "Shenzhen", "line": "1 Main Street"})
    changed = changes(Thing(address={"city": "Foshan", "line": "ignored"}), "address.city", current=current)
    assert changed == {"address": type(current.address)(city="Foshan", line="1 Main Street")}
    assert current.address.city == "Shenzhen"


def test_a_part_that_is_not_sent_is_cleared_and_one_of_nothing_begins_it() -> None:
    current = Thing(address={"city": "Shenzhen", "line": "1 Main Street"})
    assert changes(Thing(), "address.city", current=current)["address"].line == "1 Main Street"
    assert changes(Thing(), "address.city", current=current)["address"].city == ""
    assert changes(Thing(address={"city": "Foshan"}), "address.city", current=Thing())["address"].city == "Foshan"


def test_a_path_to_a_key_changes_this_key_of_a_map_or_a_struct() -> None:
    current = Thing(labels={"a": "1", "b": "2"}, custom={"fleet": 3, "region": "north"})
    sent = Thing(labels={"a": "9", "c": "9"}, custom={"fleet": 4})
    changed = changes(sent, "labels.a", "labels.b", "custom.fleet", "custom.region", current=current)
    assert changed["labels"] == {"a": "9"}
    assert dict(changed["custom"]) == {"fleet": 4}
    assert dict(current.custom) == {"fleet": 3, "region": "north"}


def test_whole_fields_and_parts_go_together() -> None:
    current = Thing(name="a", address={"city": "Shenzhen"}, phones=["1"])
    changed = changes(Thing(name="b", address={"line": "x"}), "name", "address.line", current=current)
    assert changed == {"name": "b", "address": type(current.address)(city="Shenzhen", line="x")}


@pytest.mark.parametrize("path", ["places.city", "phones.0", "name.first", "address.zip", "address.city.x", "address."])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        changes(Thing(), path, current=Thing())
    assert [violation.detail for violation in raised.value.violations] == [f"{path} cannot be changed"]


def test_a_part_cannot_be_changed_without_the_current_resource() -> None:
    with pytest.raises(ValueError, match=r"address\.city"):
        changes(Thing(), "address.city")


def test_the_fields_may_be_narrowed_from_those_of_the_contract() -> None:
    narrowed = MaskFields(allowed=("name",), output_only=frozenset({"size"}))
    sent = Thing(name="b", size=3)
    assert changes_of(sent, FieldMask(paths=["*"]), fields=narrowed) == {"name": "b"}
    assert changes_of(sent, FieldMask(paths=["size"]), fields=narrowed) == {}
    with pytest.raises(InvalidArgument, match="known: name"):
        changes_of(sent, FieldMask(paths=["phones"]), fields=narrowed)


@pytest.mark.parametrize("paths", [["address" + ".a" * 100], ["tags"] * 1001])
def test_a_mask_that_is_too_long_is_refused_before_anything_is_looked_for(paths: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="at most 1000 paths of at most 200 characters") as refusal:
        check_mask(paths, ALLOWED)
    assert [each.field for each in refusal.value.violations] == ["update_mask"]
