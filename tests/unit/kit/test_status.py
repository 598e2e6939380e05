"""Errors as gRPC carries them."""

import time

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.errors import FieldViolation, InvalidArgument, NotFound
from crm_kit.rpc.status import status_of
from crm_kit.rpc.validation import check_message
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2

# What gRPC lets through as trailing metadata without a doubt.
METADATA_BYTES = 8192


def told(error: InvalidArgument) -> list[error_details_pb2.BadRequest.FieldViolation]:
    found = error_details_pb2.BadRequest()
    assert any(detail.Unpack(found) for detail in status_of(error, "r").details)
    return list(found.field_violations)


def test_of_very_many_violations_the_first_are_told_and_how_many_more_there_are() -> None:
    violations = [FieldViolation(f"order.lines[{at}].quantity", "decimal", "错" * 100) for at in range(500)]
    error = InvalidArgument("; ".join(each.detail for each in violations), violations=violations)
    status = status_of(error, "request")
    assert status.ByteSize() < METADATA_BYTES
    first = told(error)
    assert [each.field for each in first] == [each.field for each in violations[: len(first)]]
    assert status.message.endswith(f"(and {500 - len(first)} more)")


def test_few_violations_are_told_in_full() -> None:
    violations = [FieldViolation(f"lines[{at}]", "rule", "must be something else") for at in range(20)]
    error = InvalidArgument("wrong", violations=violations)
    assert [each.field for each in told(error)] == [each.field for each in violations]
    assert status_of(error, "r").message == "wrong"


def test_an_error_that_repeats_a_long_text_of_the_caller_can_be_told() -> None:
    assert status_of(NotFound(f"there is no collection {'x' * 100_000!r}"), "r").ByteSize() < METADATA_BYTES


@pytest.mark.parametrize("paths", [["addresses", "phone_numbers"] + ["tags"] * 998, []])
def test_thousands_of_violations_of_an_update_are_found_at_once(paths: list[str]) -> None:
    wrong = pb.Address(region_code="???")
    account = pb.Account(id="01890000-0000-7000-8000-000000000000", addresses=[wrong] * 3000, tags=["x"])
    request = pb.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=paths))
    began = time.thread_time()
    with pytest.raises(InvalidArgument, match=r"account\.addresses"):
        check_message(request)
    assert time.thread_time() - began < 2.0
