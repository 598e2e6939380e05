"""From path, query and body to the request message, for the operations of the contracts."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.expansion import load_contract
from crm_gateway.json_schema.rules import keywords
from crm_gateway.problems import ProblemError
from crm_gateway.transcode.operations import Operation, operations
from crm_gateway.transcode.requests import parse_json
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.steps import quickest

OPERATIONS: dict[str, Operation] = {each.rpc.name: each for each in operations(load_contract())}


def read(rpc: str, *values: str, query: bytes = b"", body: Any = None) -> Any:
    raw = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
    return OPERATIONS[rpc].reader.read(values, query, raw)


def refused(rpc: str, *values: str, query: bytes = b"", body: Any = None) -> list[tuple[str, str]]:
    with pytest.raises(ProblemError) as caught:
        read(rpc, *values, query=query, body=body)
    assert caught.value.problem.status == 400
    assert caught.value.problem.reason == "INVALID_ARGUMENT"
    return [(each.field, each.rule) for each in caught.value.problem.errors]


def test_a_query_fills_the_request() -> None:
    request = read(
        "ListAccounts", query=b"page_size=20&filter=status+%3D+ACTIVE%20AND%20tags:%22%E5%BC%A0%22&order_by="
    )
    assert request == pb.ListAccountsRequest(page_size=20, filter='status = ACTIVE AND tags:"张"')


@pytest.mark.parametrize(
    ("query", "where"),
    [
        (b"no_such=1", ("no_such", "unknown_field")),
        (b"pageSize=1", ("pageSize", "unknown_field")),
        (b"page_size=ten", ("page_size", "type")),
        (b"page_size=1.5", ("page_size", "type")),
        (b"page_size=", ("page_size", "type")),
        (b"page_size=99999999999", ("page_size", "range")),
        (b"page_size=1&page_size=2", ("page_size", "duplicate_key")),
        (b"filter=%ff", ("", "encoding")),
        (b"filter=\xff", ("", "encoding")),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(query: bytes, where: tuple[str, str]) -> None:
    assert refused("ListAccounts", query=query) == [where]


def test_a_path_fills_the_resource_of_the_body() -> None:
    request = read("UpdateAccount", "the-id", body={"display_name": "New"})
    assert request.account == pb.Account(id="the-id", display_name="New")
    assert list(request.update_mask.paths) == ["display_name"]


def test_the_id_of_the_path_may_be_in_the_body_too_and_is_no_change() -> None:
    for told in ("the-id", None):
        request = read("UpdateAccount", "the-id", body={"id": told, "display_name": "New"})
        assert request.account.id == "the-id"
        assert list(request.update_mask.paths) == ["display_name"]


def with_id_in_both() -> Iterator[tuple[str, int, str]]:
    """Every operation whose path names what the body has: its name, how many values its path has, and the key."""
    for name, each in OPERATIONS.items():
        for variable in each.template.variables:
            body, dot, key = variable.partition(".")
            if dot and body == each.binding.body:
                yield name, len(each.template.variables), key


@pytest.mark.parametrize("another", ["another", "", 7, ["the-id"], {"x": 1}])
@pytest.mark.parametrize(("rpc", "values", "key"), with_id_in_both())
def test_a_body_about_another_resource_than_the_path_is_refused(
    rpc: str, values: int, key: str, another: object
) -> None:
    found = refused(rpc, *["the-id"] * values, body={key: another})
    assert (key, "conflict") in found


def test_who_sends_another_id_is_told_both() -> None:
    with pytest.raises(ProblemError) as caught:
        read("UpdateAccount", "the-id", body={"id": "another"})
    (error,) = caught.value.problem.errors
    assert error.told("en").startswith("is another, but the path names the-id")
    assert error.told("zh").startswith("是 another，但路径中为 the-id")


def test_every_path_that_changes_a_record_was_looked_at() -> None:
    patched = {name for name, each in OPERATIONS.items() if each.binding.verb == "PATCH" and each.template.variables}
    looked_at = {name for name, _, _ in with_id_in_both()}
    assert patched == {name for name in looked_at if OPERATIONS[name].binding.verb == "PATCH"}


def test_the_mask_names_what_changes_and_null_clears() -> None:
    body: Any = {
        "legal_name": None,
        "competitor_profile": {"strengths": "x", "weaknesses": None},
        "tags": [],
        "etag": "3",
    }
    request = read("UpdateAccount", "i", body=body)
    assert list(request.update_mask.paths) == [
        "legal_name",
        "competitor_profile.strengths",
        "competitor_profile.weaknesses",
        "tags",
    ]
    assert request.account.etag == "3"
    assert request.account.competitor_profile == pb.CompetitorProfile(strengths="x")


def test_a_nested_object_is_cleared_or_emptied_as_a_whole() -> None:
    assert list(read("UpdateAccount", "i", body={"competitor_profile": None}).update_mask.paths) == [
        "competitor_profile"
    ]
    emptied = read("UpdateAccount", "i", body={"competitor_profile": {}})
    assert list(emptied.update_mask.paths) == ["competitor_profile"]
    assert emptied.account.HasField("competitor_profile")


def test_read_only_keys_are_no_change() -> None:
    body = {"id": "i", "owner_team_id": "t", "create_time": "2026-01-01T00:00:00Z", "source": "fair"}
    assert list(read("UpdateAccount", "i", body=body).update_mask.paths) == ["source"]


def test_an_empty_patch_has_an_empty_mask_and_not_none() -> None:
    request = read("UpdateAccount", "i", body={})
    assert request.HasField("update_mask")
    assert not request.update_mask.paths


def test_an_explicit_mask_wins_over_the_keys() -> None:
    request = read("UpdateAccount", "i", query=b"update_mask=legal_name,source", body={"display_name": "x"})
    assert list(request.update_mask.paths) == ["legal_name", "source"]


def test_a_field_given_by_the_path_is_none_of_the_body() -> None:
    assert refused("ArchiveAccount", "i", body={"id": "i"}) == [("id", "unknown_field")]


def test_a_request_whose_body_is_everything_takes_no_query() -> None:
    assert refused("ArchiveAccount", "i", query=b"etag=3", body={}) == [("etag", "unknown_field")]


def test_mistakes_in_body_and_query_are_told_together() -> None:
    assert refused("UpdateAccount", "i", query=b"x=1", body={"y": 1}) == [
        ("y", "unknown_field"),
        ("x", "unknown_field"),
    ]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", ("", "json")),
        (b"{", ("", "json")),
        (b"[]", ("", "type")),
        (b'"x"', ("", "type")),
        (b'{"employee_count": NaN}', ("", "json")),
        (b'{"employee_count": 1e999}', ("", "json")),
        (b'{"display_name": "\xff"}', ("", "json")),
        (b'{"display_name": "\\ud800"}', ("", "json")),
        (b"\xef\xbb\xbf{}", ("", "json")),
        (b'{"display_name": "a", "display_name": "b"}', ("display_name", "duplicate_key")),
        (b'{"addresses":[{"city":"a","city":"b"}]}', ("city", "duplicate_key")),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, ("", "json")),
        (b'{"a":' * 500 + b"1" + b"}" * 500, ("", "depth")),
        (b'{"a":' * 25 + b"1" + b"}" * 25, ("", "depth")),
    ],
)
def test_a_body_that_is_no_proper_json_object_is_refused(body: bytes, where: tuple[str, str]) -> None:
    assert refused("CreateAccount", body=body) == [where]


def test_malformed_json_is_told_with_line_and_column() -> None:
    with pytest.raises(ProblemError) as caught:
        parse_json(b'{"a": 1,\n "b": }')
    assert "line 2, column 7" in caught.value.problem.told("en")


def test_a_very_long_number_is_read_like_any_other() -> None:
    assert refused("CreateAccount", body=b'{"employee_count": ' + b"9" * 300 + b"}") == [("employee_count", "range")]
    assert refused("CreateAccount", body=b'{"employee_count": ' + b"9" * 5000 + b"}") == [("", "json")]


@settings(max_examples=200)
@given(pairs=st.lists(st.tuples(st.sampled_from("abc"), st.integers() | st.text(max_size=3)), max_size=4))
def test_a_doubled_key_is_found_however_the_json_is_written(pairs: list[tuple[str, Any]]) -> None:
    text = b"{" + b",".join(orjson.dumps(k) + b":" + orjson.dumps(str(v)) for k, v in pairs) + b"}"
    keys = [key for key, _ in pairs]
    if len(set(keys)) == len(keys):
        assert list(parse_json(text)) == keys
    else:
        with pytest.raises(ProblemError):
            parse_json(text)


def test_a_doubled_key_among_very_many_is_found_at_once() -> None:
    keys = [f'"{number}":1' for number in range(19_000)]
    body = f"{{{','.join([*keys, keys[-1]])}}}".encode()
    assert refused("CreateAccount", body=body) == [("18999", "duplicate_key")]
    assert quickest(lambda: refused("CreateAccount", body=body), 1.0) < 1.0


def test_an_etag_goes_where_the_rpc_looks_for_it() -> None:
    for rpc, where in {"ArchiveAccount": "", "UpdateAccount": "account"}.items():
        reader = OPERATIONS[rpc].reader
        request = reader.read(("i",), b"", b"{}")
        reader.put_etag(request, "9")
        assert (getattr(request, where) if where else request).etag == "9"


def test_every_update_checks_the_id_that_it_is_sent() -> None:
    for name, operation in OPERATIONS.items():
        body = operation.rpc.request.fields_by_name.get(operation.binding.body)
        resource = body.message_type if body is not None else None
        if name.startswith("Update") and resource is not None and "id" in resource.fields_by_name:
            assert keywords(resource.fields_by_name["id"]).get("format") == "uuid", name
