"""Each rule of the contract bites: a well-made contract is changed in one place and must be refused for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from crm_kit.contract import contract_problems
from google.protobuf.descriptor_pb2 import FileDescriptorSet

CompileContract = Callable[..., FileDescriptorSet]

WELL_MADE = """syntax = "proto3";

package crm.sales.v1;

import "crm/options/v1/options.proto";
import "google/api/annotations.proto";
import "google/api/field_behavior.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";

// Widgets.
service WidgetService {
  // Reads a widget.
  // Reasons: NOT_FOUND.
  rpc GetWidget(GetWidgetRequest) returns (Widget) {
    option (google.api.http) = {get: "/v1/widgets/{id}"};
    option (crm.options.v1.permission) = "widgets.read";
    option (crm.options.v1.idempotency) = IDEMPOTENCY_READ;
  }

  // Lists widgets.
  // Reasons: INVALID_FILTER,
  // INVALID_PAGE_TOKEN.
  rpc ListWidgets(ListWidgetsRequest) returns (ListWidgetsResponse) {
    option (google.api.http) = {get: "/v1/widgets"};
    option (crm.options.v1.permission) = "widgets.read";
    option (crm.options.v1.idempotency) = IDEMPOTENCY_READ;
  }

  // Changes a widget.
  // Reasons: NOT_FOUND, ETAG_MISMATCH.
  rpc UpdateWidget(UpdateWidgetRequest) returns (Widget) {
    option (google.api.http) = {patch: "/v1/widgets/{widget.id}" body: "widget"};
    option (crm.options.v1.permission) = "widgets.write";
    option (crm.options.v1.idempotency) = IDEMPOTENCY_NATURAL;
  }

  // Turns a widget.
  // Reasons: NOT_FOUND, ETAG_MISMATCH.
  rpc TurnWidget(TurnWidgetRequest) returns (Widget) {
    option (google.api.http) = {post: "/v1/widgets/{id}:turn" body: "*"};
    option (crm.options.v1.permission) = "widgets.write";
    option (crm.options.v1.idempotency) = IDEMPOTENCY_KEYED;
    option (crm.options.v1.verb_label).zh = "转动";
    option (crm.options.v1.undone_by) = "TurnWidget";
  }

  // Counts widgets, for the other services.
  rpc CountWidgets(CountWidgetsRequest) returns (CountWidgetsResponse) {
    option (crm.options.v1.permission) = "internal";
    option (crm.options.v1.idempotency) = IDEMPOTENCY_READ;
  }
}

// A widget.
message Widget {
  option (crm.options.v1.resource) = {collection: "widgets"};
  option (crm.options.v1.noun).zh = "部件";

  // How it stands.
  enum State {
    // Not allowed.
    STATE_UNSPECIFIED = 0;
    // Turned.
    STATE_TURNED = 1 [(crm.options.v1.value_label).zh = "已转动"];
    // Turned back.
    STATE_TURNED_BACK = 2 [(crm.options.v1.value_label).zh = "已转回"];
  }
  // Made by the service.
  string id = 1;
  // How it stands.
  State state = 2 [(crm.options.v1.label).zh = "状态"];
  // When it was turned.
  google.protobuf.Timestamp turn_time = 3 [(crm.options.v1.label).zh = "转动时间"];
  // The day it is due.
  string due_date = 4 [(crm.options.v1.label).zh = "到期日"];
  // How often it was turned.
  int32 turn_count = 5 [(crm.options.v1.label).zh = "转动次数"];
  // Who turned it.
  string turner_id = 6 [
    (crm.options.v1.refers_to) = "users",
    (crm.options.v1.label).zh = "转动人"
  ];
  // Their name.
  string turner_name = 7 [(google.api.field_behavior) = OUTPUT_ONLY];
  // Its parts.
  repeated Part parts = 8 [(crm.options.v1.label).zh = "零件"];
}

// A part of a widget.
message Part {
  // What it is called.
  string title = 1 [(crm.options.v1.label).zh = "名称"];
}

// Who works with widgets.
message User {
  option (crm.options.v1.resource) = {collection: "users"};
  option (crm.options.v1.noun).zh = "用户";

  // Made by the service.
  string id = 1;
  // Their places.
  repeated Place places = 2 [(crm.options.v1.label).zh = "地点"];
}

// A place.
message Place {
  // Made by the service.
  string id = 1;
}

message GetWidgetRequest { string id = 1; }
message ListWidgetsRequest { int32 page_size = 1; string page_token = 2; string filter = 3; }
message ListWidgetsResponse { repeated Widget widgets = 1; string next_page_token = 2; string prev_page_token = 3; }
message UpdateWidgetRequest { Widget widget = 1; google.protobuf.FieldMask update_mask = 2; string etag = 3; }
message TurnWidgetRequest {
  string id = 1;
  string etag = 2;
  int32 angle = 3 [(crm.options.v1.label).zh = "角度"];
}
message CountWidgetsRequest {}
message CountWidgetsResponse { int32 count = 1; }
"""

# What is replaced, by what, and what the refusal must say.
BREAKS = {
    "rpc without comment": ("  // Turns a widget.\n", "", "TurnWidget: no comment says what it does"),
    "no permission": ('option (crm.options.v1.permission) = "widgets.write";', "", "no (crm.options.v1.permission)"),
    "odd permission": ('"widgets.write"', '"Widgets/write"', "permission 'Widgets/write' is not"),
    "no idempotency": ("option (crm.options.v1.idempotency) = IDEMPOTENCY_KEYED;", "", "say what a repeated call"),
    "get with effect": ("IDEMPOTENCY_READ", "IDEMPOTENCY_KEYED", "GetWidget: a GET has no effect"),
    "no route": ('option (google.api.http) = {get: "/v1/widgets"};', "", "ListWidgets: no (google.api.http) route"),
    "internal with route": ('"widgets.write"', '"internal"', "an internal rpc has no route"),
    "stream of requests": ("(TurnWidgetRequest)", "(stream TurnWidgetRequest)", "a stream of requests has no form"),
    "route without version": ('"/v1/widgets"', '"/widgets"', "does not start with /v1/"),
    "get with body": ('{get: "/v1/widgets"}', '{get: "/v1/widgets" body: "*"}', "a GET has no body"),
    "unknown variable": ("/{id}:turn", "/{widget_id}:turn", "{widget_id} in the route is not a field"),
    "unknown inner variable": ("{widget.id}", "{widget.key}", "{widget.key} in the route is not a field"),
    "unknown body": ('body: "widget"', 'body: "gadget"', "body 'gadget' is not a field of UpdateWidgetRequest"),
    "shared route": ('patch: "/v1/widgets/{widget.id}"', 'get: "/v1/widgets/{widget.id}"', "is already GetWidget's"),
    "no reasons": ("  // Reasons: NOT_FOUND.\n", "", "GetWidget: the comment names no error reasons"),
    "unknown reason": ("Reasons: NOT_FOUND.", "Reasons: WIDGET_LOST.", "reason WIDGET_LOST is not in"),
    "etag without reason": (", ETAG_MISMATCH", "", "has a etag, so the comment names ETAG_MISMATCH"),
    "filter without reason": ("INVALID_FILTER,", "INTERNAL,", "so the comment names INVALID_FILTER"),
    "token without reason": ("// INVALID_PAGE_TOKEN", "// INTERNAL", "so the comment names INVALID_PAGE_TOKEN"),
    "odd request": ("TurnWidget(TurnWidgetRequest)", "TurnWidget(GetWidgetRequest)", "request is TurnWidgetRequest"),
    "foreign response": (
        "TurnWidget(TurnWidgetRequest) returns (Widget)",
        "TurnWidget(TurnWidgetRequest) returns (ListWidgetsResponse)",
        "response is TurnWidgetResponse or a resource",
    ),
    "get answers with a response": (
        "message GetWidgetRequest",
        "message GetWidgetResponse {}\nmessage GetWidgetRequest",
        "answers with the resource itself",
    ),
    "list answers with a resource": ("returns (ListWidgetsResponse)", "returns (Widget)", "with ListWidgetsResponse"),
    "update without mask": ("google.protobuf.FieldMask update_mask = 2;", "", "FieldMask update_mask"),
    "list without page size": ("int32 page_size = 1;", "", "ListWidgetsRequest has int32 page_size"),
    "list with odd page token": ("string page_token", "int32 page_token", "has string page_token"),
    "list without next token": ("string next_page_token = 2;", "", "has string next_page_token"),
    "list without previous token": ("string prev_page_token = 3;", "", "has string prev_page_token"),
    "instant of another name": ("Timestamp turn_time", "Timestamp turned_at", "Widget.turned_at: a google.protobuf"),
    "time that is no instant": ("google.protobuf.Timestamp turn_time", "string turn_time", "ends in _time"),
    "date that is no string": ("string due_date", "int32 due_date", "Widget.due_date: a civil date is"),
    "wide integer": ("int32 turn_count", "uint64 turn_count", "Widget.turn_count: no 64-bit integers"),
    "name that can be set": (
        " [(google.api.field_behavior) = OUTPUT_ONLY]",
        "",
        "Widget.turner_name: beside turner_id, which refers to a record, it is its name: an OUTPUT_ONLY string",
    ),
    "name that is no text": ("string turner_name", "int32 turner_name", "Widget.turner_name: beside turner_id"),
    "enum without zero": ("STATE_UNSPECIFIED", "STATE_NEW", "State starts with STATE_UNSPECIFIED = 0"),
    "enum on top": ("// A widget.\n", "enum Hue { HUE_UNSPECIFIED = 0; }\n", "Hue: an enum is nested"),
    "record without noun": ('option (crm.options.v1.noun).zh = "部件";', "", "Widget: no label in Chinese"),
    "field without label": (' [(crm.options.v1.label).zh = "到期日"]', "", "Widget.due_date: no label in Chinese"),
    "inner field without label": (' [(crm.options.v1.label).zh = "名称"]', "", "Part.title: no label in Chinese"),
    "value without label": (' [(crm.options.v1.value_label).zh = "已转动"]', "", "State.TURNED: no label in Chinese"),
    "verb without label": ('option (crm.options.v1.verb_label).zh = "转动";', "", "TurnWidget: no label in Chinese"),
    "request of a verb": (' [(crm.options.v1.label).zh = "角度"]', "", "TurnWidgetRequest.angle: no label in Chinese"),
    "label in English alone": ('label).zh = "到期日"', 'label).en = "Due"', "Widget.due_date: no label in Chinese"),
    "blank beside Han": ('"转动次数"', '"转动 N 次"', "Widget.turn_count: '转动 N 次' has a blank beside Han"),
    "label that says the name": ('label).zh = "到期日"', 'label) = {en: "Due date" zh: "到期日"}', "leave out `en`"),
    "fields of one label": ('"转动次数"', '"转动时间"', "turn_time and turn_count are both called '转动时间'"),
    "values of one label": ('"已转回"', '"已转动"', "TURNED and TURNED_BACK are both called '已转动'"),
    "undone by nobody": ('undone_by) = "TurnWidget"', 'undone_by) = "BendWidget"', "BendWidget is no rpc of"),
    "reference to nothing": ('"users",', '"people",', "Widget.turner_id: refers_to 'people' is neither a collection"),
    "reference to no list": ('"users",', '"users.id",', "Widget.turner_id: refers_to 'users.id' is neither"),
    "reference by no field": ('"users",', '"{people}",', "refers_to '{people}' is neither a collection"),
    "id without a name": (
        "string turner_name = 7",
        "string turner_title = 7",
        "Widget.turner_id: an answer tells an id without a name; say what it refers_to and put turner_name beside it",
    ),
    "nameless for nothing": (
        '(crm.options.v1.refers_to) = "users",',
        '(crm.options.v1.refers_to) = "users", (crm.options.v1.nameless) = "why",',
        "Widget.turner_id: turner_name stands beside it: no (crm.options.v1.nameless)",
    ),
    "two services": ("// A widget.\n", "service OtherService {}\n", "one service a file"),
}  # fmt: skip


def broken(what: str) -> tuple[str, str]:
    before, after, refusal = BREAKS[what]
    assert before in WELL_MADE
    text = WELL_MADE.replace(before, after)
    if what == "get answers with a response":
        text = text.replace("(GetWidgetRequest) returns (Widget)", "(GetWidgetRequest) returns (GetWidgetResponse)")
    return text, refusal


def test_a_well_made_contract_has_no_problems(compile_contract: CompileContract) -> None:
    assert contract_problems(compile_contract(WELL_MADE)) == []


def test_an_id_may_refer_to_what_stands_within_a_record(compile_contract: CompileContract) -> None:
    assert contract_problems(compile_contract(WELL_MADE.replace('"users",', '"users.places",'))) == []


def test_an_id_may_say_why_it_has_no_name(compile_contract: CompileContract) -> None:
    nameless = WELL_MADE.replace('"users",', '"users", (crm.options.v1.nameless) = "shown by nobody",')
    text = nameless.replace("string turner_name = 7", 'string title = 7 [(crm.options.v1.label).zh = "标题"];//')
    assert contract_problems(compile_contract(text)) == []


@pytest.mark.parametrize("what", BREAKS)
def test_a_contract_that_breaks_a_rule_is_refused_for_it(compile_contract: CompileContract, what: str) -> None:
    text, refusal = broken(what)
    problems = contract_problems(compile_contract(text))
    assert any(refusal in problem for problem in problems), problems


def test_a_problem_is_reported_with_file_and_line(compile_contract: CompileContract) -> None:
    text = WELL_MADE.replace("Timestamp turn_time", "Timestamp turned_at")
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "turned_at" in row)
    (problem,) = contract_problems(compile_contract(text))
    assert problem.startswith(f"crm/sales/v1/widgets.proto:{line}: ")


def test_a_service_in_a_file_of_another_name_is_refused(compile_contract: CompileContract) -> None:
    problems = contract_problems(compile_contract(WELL_MADE, name="gadgets.proto"))
    assert problems == ["crm/sales/v1/gadgets.proto:1: WidgetService belongs in widgets.proto"]


EVENTS = 'syntax = "proto3";\npackage crm.sales.v1;\nmessage WidgetTurned {}\n'


def test_events_stand_in_a_file_without_a_service(compile_contract: CompileContract) -> None:
    assert contract_problems(compile_contract(EVENTS, name="events.proto")) == []


def test_any_other_file_without_a_service_is_refused(compile_contract: CompileContract) -> None:
    (problem,) = contract_problems(compile_contract(EVENTS, name="shapes.proto"))
    assert problem.startswith("crm/sales/v1/shapes.proto:1: a file without a service is `events.proto`")


def test_the_contracts_of_the_platform_have_no_problems() -> None:
    image = Path(__file__).resolve().parents[2] / "libs/protos/generated/crm_protos/image.binpb"
    assert contract_problems(FileDescriptorSet.FromString(image.read_bytes())) == []
