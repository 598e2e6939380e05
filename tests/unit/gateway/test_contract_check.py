"""The start-up check, on the real contracts with one thing taken away or added at a time."""

import re
from importlib.resources import files
from typing import Any

import pytest
from crm.options.v1 import options_pb2
from crm_gateway.contract import Contract
from crm_gateway.contract_check import contract_problems
from crm_gateway.expansion import load_contract
from google.api import annotations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ACCOUNTS = "crm/customer/v1/accounts.proto"
HTTP: Any = annotations_pb2.http


def image() -> FileDescriptorSet:
    load_contract()
    return FileDescriptorSet.FromString(files("crm_protos").joinpath("image.binpb").read_bytes())


def problems(changed: FileDescriptorSet) -> list[str]:
    pool = descriptor_pool.DescriptorPool()
    for file in changed.file:
        pool.AddSerializedFile(file.SerializeToString())
    return contract_problems(Contract((file for file in changed.file if file.package.startswith("crm.")), pool))


def accounts(whole: FileDescriptorSet) -> Any:
    return next(file for file in whole.file if file.name == ACCOUNTS)


def options_of(whole: FileDescriptorSet, rpc: str) -> Any:
    return next(m for m in accounts(whole).service[0].method if m.name == rpc).options


def test_the_contracts_of_this_build_are_whole() -> None:
    assert contract_problems(load_contract()) == []


def test_an_rpc_without_comment_is_refused() -> None:
    changed = image()
    accounts(changed).ClearField("source_code_info")
    assert "crm.customer.v1.AccountService.GetAccount: has no comment" in problems(changed)


@pytest.mark.parametrize(
    ("extension", "problem"),
    [
        (options_pb2.permission, "has no (crm.options.v1.permission)"),
        (options_pb2.idempotency, "has no (crm.options.v1.idempotency)"),
        (HTTP, "has no (google.api.http) route"),
    ],
)
def test_an_rpc_without_one_of_its_options_is_refused(extension: Any, problem: str) -> None:
    changed = image()
    options_of(changed, "ArchiveAccount").ClearExtension(extension)
    assert problems(changed) == [f"crm.customer.v1.AccountService.ArchiveAccount: {problem}"]


def test_an_internal_rpc_needs_no_route() -> None:
    changed = image()
    options = options_of(changed, "ArchiveAccount")
    options.ClearExtension(HTTP)
    options.Extensions[options_pb2.permission] = "internal"
    assert problems(changed) == []


@pytest.mark.parametrize(
    ("rpc", "rule", "problem"),
    [
        ("GetAccount", {"get": "/v1/accounts"}, "GET /v1/accounts: is the route of .*ListAccounts|GetAccount"),
        ("ArchiveAccount", {"post": "/v1/accounts/{no_such}:x", "body": "*"}, "path variable {no_such}"),
        ("UpdateAccount", {"patch": "/v1/accounts/{account.tags}", "body": "account"}, "path variable {account.tags}"),
        ("ArchiveAccount", {"post": "/v1/accounts/{id}:x", "body": "no_such"}, "its body names 'no_such'"),
        ("ArchiveAccount", {"post": "/v1/accounts/{id}:x", "body": "etag"}, "its body 'etag' is no single message"),
        ("ArchiveAccount", {"get": "/v1/accounts/{id}:x"}, "must be IDEMPOTENCY_READ"),
        ("GetAccount", {"get": "/v1/accounts/{id}:x", "body": "*"}, "takes no body"),
        ("GetAccount", {"get": "/v1/{name=accounts/*}"}, "unusable segment"),
    ],
)
def test_a_route_that_cannot_be_served_is_refused(rpc: str, rule: dict[str, str], problem: str) -> None:
    changed = image()
    http = options_of(changed, rpc).Extensions[HTTP]
    http.Clear()
    for name, value in rule.items():
        setattr(http, name, value)
    found = problems(changed)
    assert len(found) == 1
    assert re.search(problem.replace("{", r"\{"), found[0])
