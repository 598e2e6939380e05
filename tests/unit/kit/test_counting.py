"""The fields of a message, counted in its bytes: as many as there are, whatever it is."""

import contextlib
from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.rpc.counting import TooMuchError, count_fields
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(max_size=5)
ACCOUNTS = st.builds(
    pb.Account,
    id=TEXTS,
    tags=st.lists(TEXTS, max_size=4),
    roles=st.lists(st.sampled_from([1, 2, 3]), max_size=4),
    addresses=st.lists(st.builds(pb.Account().addresses.add().__class__, city=TEXTS), max_size=3),
    external_ids=st.lists(st.builds(pb.ExternalId, source=TEXTS, value=TEXTS), max_size=3),
)


def fields_of(message: Message) -> int:
    """How many fields a message has, its numbers in lists twice at most: packed, each counts and so does the list."""
    count = 0
    for field, value in message.ListFields():
        values: Any = value if field.is_repeated else [value]
        if field.message_type is not None:
            count += sum(1 + fields_of(each) for each in values)
        else:
            count += len(values) + (field.is_repeated and field.enum_type is not None)
    return count


@given(ACCOUNTS)
def test_a_message_may_have_as_many_fields_as_it_has_and_no_fewer(account: pb.Account) -> None:
    request = pb.CreateAccountRequest(account=account)
    data, count = request.SerializeToString(), fields_of(request)
    count_fields(data, pb.CreateAccountRequest, count)
    with pytest.raises(TooMuchError):
        count_fields(data, pb.CreateAccountRequest, count - 1)


@given(st.binary(max_size=200))
def test_any_bytes_are_counted_or_refused_and_what_is_counted_may_still_be_no_message(data: bytes) -> None:
    with contextlib.suppress(TooMuchError, DecodeError):
        count_fields(data, pb.CreateAccountRequest, 100)
        pb.CreateAccountRequest.FromString(data)
