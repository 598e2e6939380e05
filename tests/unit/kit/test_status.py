"""Errors as gRPC carries them."""

import base64
import string
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.errors import CrmError, EtagMismatch, FieldViolation, InvalidArgument, NotFound, UnseenChange
from crm_kit.resource.validation import check_message
from crm_kit.rpc.pipeline import refusal
from crm_kit.rpc.status import DETAILS_KEY, shortened, status_of
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.steps import quickest

# What gRPC lets through as trailing metadata without a doubt, as it is on the wire.
METADATA_BYTES = 8192


def wire_bytes(error: CrmError) -> int:
    """The trailing metadata of a refusal: percent-encoded message, status in base64, and what frames them."""
    reply = refusal(error, "01890000-0000-7000-8000-000000000000")
    frames = 32 * 4 + len("grpc-message") + len("grpc-status3") + len(DETAILS_KEY)
    (_, status), *rest = reply.metadata
    assert rest == []
    assert isinstance(status, bytes)
    return frames + len(quote(reply.detail, safe="")) + len(base64.b64encode(status))


def told(error: InvalidArgument) -> list[error_details_pb2.BadRequest.FieldViolation]:
    found = error_details_pb2.BadRequest()
    assert any(detail.Unpack(found) for detail in status_of(error, "r").details)
    return list(found.field_violations)


def test_of_very_many_violations_the_first_are_told_and_how_many_more_there_are() -> None:
    violations = [FieldViolation(f"order.lines[{at}].quantity", "decimal", "错" * 100) for at in range(500)]
    error = InvalidArgument("; ".join(each.detail for each in violations), violations=violations)
    status = status_of(error, "request")
    assert wire_bytes(error) < METADATA_BYTES
    first = told(error)
    assert [each.field for each in first] == [each.field for each in violations[: len(first)]]
    assert status.message.endswith(f"(and {500 - len(first)} more)")


def test_few_violations_are_told_in_full() -> None:
    violations = [FieldViolation(f"lines[{at}]", "rule", "must be something else") for at in range(20)]
    error = InvalidArgument("wrong", violations=violations)
    assert [each.field for each in told(error)] == [each.field for each in violations]
    assert status_of(error, "r").message == "wrong"


def test_an_error_that_repeats_a_long_text_of_the_caller_can_be_told() -> None:
    assert wire_bytes(NotFound(f"there is no collection {'错' * 100_000!r}")) < METADATA_BYTES


def change_of(fields: list[str]) -> UnseenChange:
    return UnseenChange("e" * 40, "UPDATED", "u" * 36, "名" * 200, datetime(2026, 1, 1, tzinfo=UTC), tuple(fields))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=3000) | st.sampled_from(["错" * 5000, "%" * 9000])


@given(
    detail=TEXTS,
    fields=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4),
    times=st.integers(1, 3000),
    metadata=st.dictionaries(st.sampled_from(["number", "stage", "limit"]), TEXTS),
    changed=st.lists(st.lists(st.sampled_from(["display_name", "phone_numbers"]), max_size=40), max_size=100),
)
def test_no_error_is_larger_than_what_grpc_carries(
    detail: str,
    fields: list[tuple[str, str, str]],
    times: int,
    metadata: dict[str, str],
    changed: list[list[str]],
) -> None:
    violations = [FieldViolation(*each) for each in fields] * times
    assert wire_bytes(InvalidArgument(detail, violations=violations, metadata=metadata)) < METADATA_BYTES
    mismatch = EtagMismatch(detail, current_etag="e" * 40, changes=[change_of(each) for each in changed])
    assert wire_bytes(mismatch) < METADATA_BYTES


@given(TEXTS, st.integers(3, 2000))
def test_a_text_is_cut_at_a_character_and_only_when_it_has_to_be(text: str, limit: int) -> None:
    told = shortened(text, limit)
    assert len(quote(told, safe=string.printable[:95].replace("%", ""))) <= limit
    assert told == text or (told.endswith("...") and text.startswith(told[:-3]))
    if 9 * len(text) <= limit:
        assert told == text


@pytest.mark.parametrize("paths", [["addresses", "phone_numbers"] + ["tags"] * 998, []])
def test_thousands_of_violations_of_an_update_are_found_at_once(paths: list[str]) -> None:
    wrong = pb.Address(region_code="???")
    account = pb.Account(id="01890000-0000-7000-8000-000000000000", addresses=[wrong] * 3000, tags=["x"])
    request = pb.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=paths))

    def check() -> None:
        with pytest.raises(InvalidArgument, match=r"account\.addresses"):
            check_message(request)

    assert quickest(check, 2.0) < 2.0
