"""Where a new resource goes, and what is refused before anything is written."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from crm_local.__main__ import main
from crm_local.failure import LocalFailure
from crm_local.scaffold.insertion import (
    AnchorMissing,
    with_element,
    with_enum_value,
    with_import,
    with_proto_import,
    with_toml_entry,
)
from crm_local.scaffold.names import names_of
from crm_local.scaffold.resource import plan_resource
from crm_local.settings import SERVICES

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("voucher", "vouchers"),
        ("service_contract", "service_contracts"),
        ("category", "categories"),
        ("survey", "surveys"),
        ("tax", "taxes"),
        ("branch", "branches"),
    ],
)
def test_a_plural_is_the_regular_one_unless_another_is_given(noun: str, plural: str) -> None:
    assert names_of("sales", noun, chinese="报价").plural == plural
    assert names_of("sales", noun, plural="people", chinese="报价").plural == "people"


@pytest.mark.parametrize(
    ("noun", "plural", "told"),
    [
        ("", "", "NAME is missing"),
        ("Quote", "", "NAME=Quote is not a noun in snake_case"),
        ("service-contract", "", "NAME=service-contract is not a noun"),
        ("service__contract", "", "is not a noun in snake_case"),
        ("2nd_voucher", "", "is not a noun in snake_case"),
        ("../voucher", "", "is not a noun in snake_case"),
        ("class", "", "NAME=class is a word that the code"),
        ("resource", "", "NAME=resource is a word that the code"),
        ("person", "People", "PLURAL=People is not a noun in snake_case"),
        ("sheep", "sheep", "NAME=sheep and its plural are the same"),
        ("q" * 41, "", "has 41 characters: at most 40"),
    ],
)
def test_a_name_that_code_could_not_use_is_refused_with_the_setting(noun: str, plural: str, told: str) -> None:
    with pytest.raises(LocalFailure, match=told):
        names_of("sales", noun, plural=plural, chinese="报价")


@pytest.mark.parametrize("service", ["", "Sales", "gateway"])
def test_a_service_that_is_not_there_is_refused_with_those_that_are(service: str) -> None:
    with pytest.raises(LocalFailure, match=f"SERVICE={service} is no service: one of customer, sales, "):
        names_of(service, "voucher", chinese="报价")


@pytest.mark.parametrize("chinese", ['报"价', "报{价}", "报\\价", "报价 "])
def test_a_chinese_name_that_no_text_could_hold_is_refused(chinese: str) -> None:
    with pytest.raises(LocalFailure, match="CHINESE="):
        names_of("sales", "voucher", chinese=chinese)


@pytest.mark.parametrize(
    ("chinese", "told"), [("", "CHINESE is missing"), ("voucher", "CHINESE=voucher has no Chinese in it")]
)
def test_without_a_chinese_name_nothing_is_written_and_an_example_is_shown(
    chinese: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resource", "sales", "voucher", "--chinese", chinese]) == 1
    said = capsys.readouterr().err
    assert told in said
    assert "for example `make resource SERVICE=sales NAME=service_contract CHINESE=服务合同`" in said
    assert not (ROOT / "proto/crm/sales/v1/vouchers.proto").exists()


@pytest.mark.parametrize(
    ("noun", "found"),
    [
        ("order", "there is proto/crm/sales/v1/orders.proto"),  # a resource of the service
        ("order_line", "orders.proto has message OrderLine already"),  # a message of another one
        ("calendar", 'calendars.proto has "/v1/calendars already'),  # another service's collection
        ("setting", "there is services/sales/crm_sales/settings.py"),  # a module
    ],
)
def test_a_name_that_is_taken_is_refused_with_where_it_is(noun: str, found: str) -> None:
    with pytest.raises(LocalFailure, match=found):
        plan_resource(ROOT, names_of("sales", noun, chinese="报价"))


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_place_for_a_new_resource(service: str) -> None:
    plan = plan_resource(ROOT, names_of(service, "hospital_visit", chinese="医院拜访"))
    assert not any((ROOT / path).exists() for path in plan.created)
    assert all((ROOT / path).exists() for path in plan.edited)
    for path, text in (plan.created | plan.edited).items():
        assert "$" not in text.replace('?$"', "").replace('*$"', ""), path
        if path.suffix == ".py":
            ast.parse(text)


def test_nothing_is_written_when_a_file_lacks_what_an_edit_goes_by(tmp_path: Path) -> None:
    names = names_of("sales", "voucher", chinese="报价")
    for path in plan_resource(ROOT, names).edited:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text())
    app = tmp_path / "services/sales/crm_sales/app.py"
    app.write_text(app.read_text().replace("service.resources = ", "service.records = "))
    with pytest.raises(LocalFailure, match=r"crm_sales/app.py has no list `service.resources = \[...\]`: put it back"):
        plan_resource(tmp_path, names)
    assert not (tmp_path / "proto/crm/sales/v1/vouchers.proto").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('names = ["a"]\nother = []\n', 'names = ["a", "b"]\nother = []\n'),
        ("names = []\n", 'names = ["b"]\n'),
        ("names = ()\n", 'names = ("b",)\n'),
        ('names = ("客户",)\n', 'names = ("客户", "b")\n'),
        ("names = [\n    f([1]),\n]\n", 'names = [\n    f([1]), "b"]\n'),
    ],
)
def test_an_element_is_added_at_the_end_of_its_list(before: str, after: str) -> None:
    assert with_element(before, "names", '"b"') == after


def test_lines_go_behind_those_of_their_kind() -> None:
    assert (
        with_import('"""Doc."""\n\nimport os\n\nx = 1\n', "import re")
        == '"""Doc."""\n\nimport os\nimport re\n\nx = 1\n'
    )
    assert with_proto_import("package a;\n", "b.proto") == 'package a;\nimport "b.proto";\n'
    assert with_toml_entry('[a]\nx = "1"\n\n[b]\n', "a", "y", "2") == '[a]\nx = "1"\ny = "2"\n\n[b]\n'
    assert with_toml_entry('[a]\nx = "1"\n', "a", "y", "2") == '[a]\nx = "1"\ny = "2"\n'
    reasons = "enum E {\n  A = 0;\n  // Skips some.\n  B = 7;\n}\n"
    assert with_enum_value(reasons, "C", "New.").endswith("  B = 7;\n  // New.\n  C = 8;\n}\n")


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda: with_element("names = list()\n", "names", "b"), "names"),
        (lambda: with_import("x = 1\n", "import re"), "imports"),
        (lambda: with_proto_import("", "b.proto"), "package"),
        (lambda: with_toml_entry("[b]\n", "a", "y", "2"), "a"),
        (lambda: with_enum_value("message M {}\n", "C", "New."), "enum"),
    ],
)
def test_a_place_that_is_not_there_is_named(edit: Callable[[], str], named: str) -> None:
    with pytest.raises(AnchorMissing, match=named):
        edit()
