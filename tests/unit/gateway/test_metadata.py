"""Metadata: what the contract says of all records, in both languages, and what the caller may do with them."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson
import pytest
from buf.validate import validate_pb2
from crm.customer.v1 import roles_pb2
from crm.options.v1 import options_pb2
from crm_gateway.__main__ import openapi_text
from crm_gateway.expansion import collections, load_contract
from crm_gateway.metadata.collections import collections_of
from crm_gateway.metadata.fields import limits_of, type_of
from crm_gateway.protojson.encoder import Encoders
from crm_kit.automation.timing.dates import own_dates
from crm_kit.automation.watched import watched_among
from crm_kit.resource.facets import offered
from crm_kit.resource.writing import Resource
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import given
from hypothesis import strategies as st

SERVICES = Path(__file__).parents[3] / "services"
CONTRACT = load_contract()
OWN, TEAM, ALL = roles_pb2.Grant.SCOPE_OWN, roles_pb2.Grant.SCOPE_TEAM, roles_pb2.Grant.SCOPE_ALL
_ENCODE = Encoders().of(collections_of(CONTRACT)[0].DESCRIPTOR)
COLLECTIONS: dict[str, Any] = {each.name: _ENCODE(each) for each in collections_of(CONTRACT)}
COMMENTED = ["comment.created", "comment.updated", "comment.deleted"]
WITH_FILES = ["attachment.added", "attachment.moved", "attachment.deleted"]
OF_TASKS = [f"task.{what}" for what in ("created", "updated", "completed", "cancelled", "reopened", "overdue")]
PROPOSED = [
    f"change_proposal.{what}" for what in ("created", "accepted", "declined", "withdrawn", "superseded", "escalated")
]
OF_JOBS = [f"job.{what}" for what in ("created", "started", "advanced", "ended", "file_deleted")]
OF_FIELDS = [f"custom_field.{what}" for what in ("created", "updated", "archived", "restored", "retyped")]
APPROVED = [
    f"approval.{what}"
    for what in (
        *("submitted", "opinion_given", "overdue", "due_time_changed", "reassigned"),
        *("approved", "rejected", "withdrawn", "outdated"),
    )
]
MODULES = (path.relative_to(each) for each in SERVICES.iterdir() for path in each.glob("crm_*/**/resource.py"))
DECLARED = (vars(import_module(".".join(path.with_suffix("").parts))).values() for path in MODULES)
RESOURCES = [each for values in DECLARED for each in values if isinstance(each, Resource)]


def test_a_collection_says_what_it_offers_to_automation_rules() -> None:
    services = {each.message_type.DESCRIPTOR.file.package for each in RESOURCES}
    for package in services:
        own = [each for each in RESOURCES if each.message_type.DESCRIPTOR.file.package == package]
        for name, watched in watched_among(own).items():
            said = COLLECTIONS[name]["automation"]
            assert sorted(said["events"]) == sorted([*watched.events, *watched.task_events])
            assert sorted(said["calls"]) == sorted(watched.calls)
            assert sorted(said["dates"]) == sorted(own_dates(watched))
            assert sorted(said["targets"]) == sorted(watched.targets)
            assert sorted(said["creations"]) == sorted(watched.creatable)
    assert COLLECTIONS["orders"]["automation"]["submissions"] == ["release"]
    assert COLLECTIONS["pipelines"]["automation"] is None


def field(path: str) -> Any:
    """The field of a path such as `orders.lines.tax_percent`."""
    name, *steps = path.split(".")
    found, fields = None, COLLECTIONS[name]["fields"]
    for step in steps:
        found = next(each for each in fields if each["name"] == step)
        fields = found["fields"]
    return found


def fields_within(fields: Sequence[Any], path: str) -> Iterator[tuple[str, Any]]:
    for each in fields:
        yield f"{path}.{each['name']}", each
        yield from fields_within(each["fields"], f"{path}.{each['name']}")


VERBS = {verb["rpc"]: verb for each in COLLECTIONS.values() for verb in each["verbs"]}
FORMS = {name: each["fields"] for name, each in COLLECTIONS.items()} | {
    rpc: verb["fields"] for rpc, verb in VERBS.items()
}


EVERY_FIELD = [found for name, fields in FORMS.items() for found in fields_within(fields, name)]


def ruled(
    rules: validate_pb2.FieldRules, type: FieldDescriptorProto.Type.ValueType = FieldDescriptorProto.TYPE_STRING
) -> FieldDescriptor:
    """A field with these rules."""
    declared = FieldDescriptorProto(name="field", number=1, type=type, label=FieldDescriptorProto.LABEL_OPTIONAL)
    declared.options.Extensions[validate_pb2.field].CopyFrom(rules)
    message = DescriptorProto(name="Ruled", field=[declared])
    file = FileDescriptorProto(name="form.proto", package="form", syntax="proto3", message_type=[message])
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    found: FieldDescriptor = pool.FindMessageTypeByName("form.Ruled").fields_by_name["field"]
    return found


# --- what it says


def test_every_resource_is_described() -> None:
    offered = {each.name for each in collections(CONTRACT)}
    assert offered == {name for name, each in COLLECTIONS.items() if each["resource"]}
    # Custom fields, approvals, automation, reports, comments, tasks, files, proposals are of each that has them.
    views = {"account_groups", "account_reads", "account_restriction"}
    views |= {"timeline", "case_events", "custom_fields", "approval_policies", "approvals", "user_settings"}
    views |= {"automation_rules", "automation_runs", "comments", "attachments", "jobs", "record_quality", "reports"}
    views |= {"call_screens", "change_proposals", "source_values", "tasks"}
    assert views == COLLECTIONS.keys() - offered


def test_verbs_that_can_be_approved_say_where_they_are_submitted() -> None:
    submitted = {
        (name, verb["name"]): verb["submit_path"] for name, each in COLLECTIONS.items() for verb in each["verbs"]
    }
    assert {verb: path for verb, path in submitted.items() if path} == {
        ("orders", "release"): "/v1/approvals/orders:release",
        ("quotes", "submit"): "/v1/approvals/quotes:submit",
        ("credit_limits", "setLimit"): "/v1/approvals/credit-limits:setLimit",
    }
    approvable = {rpc.name for rpc in CONTRACT.rpcs if rpc.options.Extensions[options_pb2.approvable]}
    assert approvable == {verb["rpc"] for each in COLLECTIONS.values() for verb in each["verbs"] if verb["submit_path"]}


def test_every_resource_has_a_history_and_what_has_none_says_so() -> None:
    without = {name for name, each in COLLECTIONS.items() if not each["history"]}
    assert without == {
        "account_groups",
        "account_reads",
        "account_restriction",
        "timeline",
        "call_screens",
        "case_events",
        "automation_runs",
        "comments",
        "attachments",
        "change_proposals",
        "jobs",
        "record_quality",
        "source_values",
        "user_settings",
    }
    routes = {f"/v1/{each.path}/{{id}}/changes" for each in collections(CONTRACT)}
    assert routes <= {binding.template for rpc in CONTRACT.rpcs for binding in rpc.bindings}


def test_all_that_people_see_has_a_label_in_both_languages() -> None:
    labels = {path: each["label"] for path, each in EVERY_FIELD}
    labels |= {f"{path}={value['value']}": value["label"] for path, each in EVERY_FIELD for value in each["values"]}
    for name, each in COLLECTIONS.items():
        labels |= {name: each["label"], f"{name}s": each["plural"]}
    labels |= {rpc: verb["label"] for rpc, verb in VERBS.items()}
    assert len(labels) > 600
    assert {path for path, label in labels.items() if not (label["en"] and label["zh"])} == set()


@pytest.mark.parametrize(
    ("path", "type", "is_list"),
    [
        ("accounts.id", "ID", False),
        ("accounts.kind", "ENUM", False),
        ("accounts.roles", "ENUM", True),
        ("accounts.display_name", "TEXT", False),
        ("accounts.preferences", "LONG_TEXT", False),
        ("accounts.employee_count", "NUMBER", False),
        ("accounts.phone_numbers", "TEXT", True),
        ("accounts.addresses", "OBJECT", True),
        ("accounts.competitor_profile", "OBJECT", False),
        ("accounts.create_time", "TIME", False),
        ("contacts.birth_date", "DATE", False),
        ("interactions.user_ids", "ID", True),
        ("users.active", "BOOLEAN", False),
        ("opportunities.amount", "MONEY", False),
        ("opportunities.fields", "MAP", False),
        ("orders.lines.quantity", "DECIMAL", False),
        ("orders.lines.tax_percent", "DECIMAL", False),
        ("pools.rules.reclaim_after", "DURATION", False),
        ("calendars.weekly.hours.opens", "TEXT", False),
    ],
)
def test_a_field_has_the_type_that_a_form_needs(path: str, type: str, is_list: bool) -> None:
    assert (field(path)["type"], field(path)["list"]) == (type, is_list)


def test_a_field_says_who_sets_it_and_what_lists_do_with_it() -> None:
    name, status, owner = field("accounts.display_name"), field("accounts.status"), field("accounts.owner_id")
    assert (name["required"], name["settable"], name["changeable"], name["sortable"]) == (True, True, True, True)
    assert (name["label"], name["limits"]["max_length"]) == ({"en": "Display name", "zh": "客户名称"}, 200)
    assert (status["settable"], status["changeable"]) == (False, False)
    assert status["changed_by"] == ["ChangeAccountStatus", "ArchiveAccount", "RestoreAccount"]
    assert (owner["refers_to"], owner["groupable"], owner["facetable"]) == ("users", True, True)
    phones = field("accounts.phone_numbers")
    assert (phones["sensitive"], phones["filterable"], phones["facetable"]) == (True, True, False)
    assert (phones["limits"]["max_items"], phones["limits"]["unique_items"]) == (20, True)
    assert field("accounts.employee_count")["limits"]["minimum"] == 0
    assert field("accounts.merged_into_id")["limits"] is None
    # An order's fields are set once: there is no update.
    assert (field("orders.lines")["settable"], field("orders.lines")["changeable"]) == (True, False)
    assert field("pools.rules")["settable"] is False


def test_an_enum_tells_the_values_that_its_field_can_have() -> None:
    assert field("accounts.kind")["values"] == [
        {"value": "ORGANIZATION", "label": {"en": "Organization", "zh": "企业"}},
        {"value": "PERSON", "label": {"en": "Person", "zh": "个人"}},
    ]
    assert [each["value"] for each in field("accounts.roles")["values"]][:2] == ["PROSPECT", "CUSTOMER"]


def test_a_number_says_what_it_counts() -> None:
    assert field("orders.payment_days")["unit"] == {"en": "Days", "zh": "天"}
    assert field("orders.lines.tax_percent")["unit"] == {"en": "%", "zh": "%"}
    assert field("accounts.employee_count")["unit"] is None


def test_verbs_say_what_they_are_called_what_they_need_and_what_undoes_them() -> None:
    verbs = {each["rpc"]: each for each in COLLECTIONS["accounts"]["verbs"]}
    assert verbs["ArchiveAccount"] == {
        "rpc": "ArchiveAccount",
        "name": "archive",
        "label": {"en": "Archive", "zh": "归档"},
        "method": "POST",
        "path": "/v1/accounts/{id}:archive",
        "permission": "accounts.write",
        "on_record": True,
        "undone_by": "RestoreAccount",
        "fields": [],
        "submit_path": None,
    }
    update = verbs["UpdateAccount"]
    assert (update["name"], update["method"], update["path"]) == ("update", "PATCH", "/v1/accounts/{id}")
    assert (verbs["CreateAccount"]["name"], verbs["CreateAccount"]["on_record"]) == ("create", False)
    assert [each["rpc"] for each in COLLECTIONS["credit_limits"]["verbs"]] == ["SetCreditLimit", "PreviewCredit"]


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "min_length": st.integers(0, 9),
            "max_length": st.integers(10, 999),
            "pattern": st.just("^[a-z]+$"),
            "choices": st.lists(st.sampled_from(["a", "b"]), min_size=1, unique=True),
        },
    )
)
def test_every_rule_of_a_text_is_a_limit(limits: dict[str, Any]) -> None:
    rules = validate_pb2.FieldRules()
    for name, value in limits.items():
        if name == "choices":
            getattr(rules.string, "in").extend(value)
        else:
            setattr(rules.string, name.replace("length", "len"), value)
    assert limits_of(ruled(rules)) == limits


def test_a_number_may_be_bounded_from_outside() -> None:
    rules = validate_pb2.FieldRules(int32=validate_pb2.Int32Rules(gt=0, lt=10))
    limits = limits_of(ruled(rules, FieldDescriptorProto.TYPE_INT32))
    assert limits == {"exclusive_minimum": 0, "exclusive_maximum": 10}


def test_a_type_that_no_form_could_ask_for_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"form\.Ruled\.field: metadata has no type for it"):
        type_of(ruled(validate_pb2.FieldRules(), FieldDescriptorProto.TYPE_BYTES))


def test_a_verb_says_what_it_asks_for() -> None:
    (reason,) = VERBS["LoseOpportunity"]["fields"]
    assert (reason["name"], reason["label"]["zh"], reason["required"]) == ("reason", "输单原因", True)
    assert reason["settable"] is True
    # Which account it is, is in the path.
    assert [each["name"] for each in VERBS["SetCreditLimit"]["fields"]] == ["amount", "reason"]
    (owner,) = VERBS["AssignLead"]["fields"]
    assert (owner["type"], owner["refers_to"], owner["label"]["en"]) == ("ID", "users", "New owner")
    (follow_up,) = VERBS["RecordFollowUp"]["fields"]
    assert [each["name"] for each in follow_up["fields"]] == ["kind", "happen_time", "note"]


def test_paths_schemas_and_verbs_are_those_of_the_openapi_document() -> None:
    document = orjson.loads(openapi_text())
    for each in COLLECTIONS.values():
        schema = document["components"]["schemas"][each["schema"]]
        assert schema["x-collection"] == each["name"]
        assert schema["x-label"] == each["label"]
        assert schema.get("x-events", []) == each["events"]
        names = [found["name_field"] for found in each["fields"] if found["name_field"]]
        assert [found["name"] for found in each["fields"]] == [it for it in schema["properties"] if it not in names]
        for path in filter(None, (each["list_path"], each["record_path"])):
            assert document["paths"][path]["get"]["x-permission"] == each["read_permission"]
        for verb in each["verbs"]:
            operation = document["paths"][verb["path"]][verb["method"].lower()]
            assert (operation["operationId"], operation["x-permission"]) == (verb["rpc"], verb["permission"])


def test_what_refers_and_what_is_undone_leads_somewhere() -> None:
    for target in {each["refers_to"] for _, each in EVERY_FIELD} - {None}:
        collection, _, within = target.partition(".")
        # Policies are of each collection, and are read below it.
        assert COLLECTIONS[collection]["resource"] or collection == "approval_policies"
        # Stages are read with their pipeline.
        assert not within or field(target)["list"]
    assert {verb["undone_by"] for verb in VERBS.values()} - {None} <= VERBS.keys()
    # Their verbs are there once for each collection, under names of their own.
    of_each = ("CustomField", "ApprovalPolicy", "AutomationRule", "Report", "Task")
    changing = {rpc for _, each in EVERY_FIELD for rpc in each["changed_by"] if not rpc.endswith(of_each)}
    assert changing <= VERBS.keys()


def test_an_id_says_which_field_has_the_name_of_its_record() -> None:
    assert (field("accounts.owner_id")["refers_to"], field("accounts.owner_id")["name_field"]) == (
        "users",
        "owner_name",
    )
    assert field("accounts.display_name")["name_field"] is None
    assert "accounts.owner_name" not in {path for path, _ in EVERY_FIELD}


def test_events_are_those_that_carry_the_record() -> None:
    own = [f"payment.{what}" for what in ("received", "allocated", "reversed")]
    assert COLLECTIONS["payments"]["events"] == [*own, *COMMENTED, *WITH_FILES, *OF_TASKS]
    assert "order.placed" in COLLECTIONS["orders"]["events"]
    # What is called after something else that it carries.
    assert {"case.created", "case.milestone_warned"} <= {*COLLECTIONS["cases"]["events"]}
    # What is no resource is read otherwise, and no stream tells of it.
    assert COLLECTIONS["approvals"]["events"] == []


def test_what_is_discussed_has_the_events_of_comments_and_tasks() -> None:
    discussed = {each.name for each in collections(CONTRACT) if each.is_discussed}
    for told in (COMMENTED, OF_TASKS):
        assert {name for name, each in COLLECTIONS.items() if set(told) <= set(each["events"])} == discussed
    assert {"accounts", "cases", "scores"} <= discussed
    assert discussed.isdisjoint({"users", "roles", "saved_views"})


def test_what_takes_files_has_the_events_of_attachments() -> None:
    with_files = {each.name for each in collections(CONTRACT) if each.takes_files}
    assert {name for name, each in COLLECTIONS.items() if set(WITH_FILES) <= set(each["events"])} == with_files
    assert "accounts" in with_files
    # Nobody changes scores.
    assert with_files.isdisjoint({"scores", "users", "saved_views"})


def test_what_takes_proposals_has_the_events_of_proposals() -> None:
    proposed = {each.name for each in collections(CONTRACT) if each.takes_proposals}
    assert {name for name, each in COLLECTIONS.items() if set(PROPOSED) <= set(each["events"])} == proposed
    assert proposed == {"accounts", "contacts"}


def test_what_may_take_approval_has_the_events_of_approvals() -> None:
    assert {name for name, each in COLLECTIONS.items() if set(APPROVED) <= set(each["events"])} == {
        "orders",
        "credit_limits",
        "quotes",
    }


def test_what_has_jobs_and_custom_fields_has_their_events() -> None:
    for events, has in (
        (OF_JOBS, lambda each: each.bulk),
        (OF_FIELDS, lambda each: "custom" in each.message.fields_by_name),
    ):
        expected = {each.name for each in collections(CONTRACT) if has(each)}
        assert expected
        assert {name for name, each in COLLECTIONS.items() if set(events) <= set(each["events"])} == expected
        assert {name for name, each in COLLECTIONS.items() if not set(events).isdisjoint(each["events"])} == expected


def test_no_two_events_have_the_same_type_but_those_beside_records_and_of_collections() -> None:
    beside = {*COMMENTED, *WITH_FILES, *PROPOSED, *OF_TASKS, *APPROVED, *OF_JOBS, *OF_FIELDS}
    names = [name for each in COLLECTIONS.values() for name in each["events"] if name not in beside]
    assert len(names) == len({*names})


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: str(resource.collection))
def test_a_field_is_facetable_where_its_values_are_counted(resource: Resource[Any, Any]) -> None:
    fields = COLLECTIONS[resource.collection]["fields"]
    told = {each["name"] for each in fields if each["facetable"]}
    told |= {f"{each['name']}.{inner['name']}" for each in fields for inner in each["fields"] if inner["facetable"]}
    assert told == set(offered(resource))


def test_every_resource_that_is_listed_can_be_ordered_by_id_and_none_else_has_facets() -> None:
    for each in COLLECTIONS.values():
        id = next((field for field in each["fields"] if field["name"] == "id"), None)
        if each["resource"] and each["list_path"]:
            assert id is not None and id["sortable"], each["name"]
        assert each["resource"] or not any(field["facetable"] for field in each["fields"])
