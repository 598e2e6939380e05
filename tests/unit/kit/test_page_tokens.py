from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from crm_kit.errors import InvalidArgument
from crm_kit.packing import pack
from crm_kit.paging import Cursor, ListRequest, Order, OrderColumn, PageTokens, parse_order_by
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Integer, column

REQUEST = ListRequest("accounts", UUID(int=7), "status = ACTIVE", "name, id")
KEY = b"0123456789abcdef0123456789abcdef"
TOKENS = PageTokens(KEY)

VALUES = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
    | st.integers(-(2**63), 2**63 - 1)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.uuids()
    | st.booleans()
)


def order_of(length: int) -> Order:
    names = [f"field_{index}" for index in range(length - 1)]
    allowed = dict.fromkeys([*names, "id"], OrderColumn(column("id", Integer)))
    return parse_order_by(",".join([*names, "id"]), allowed, "id")


@given(st.lists(VALUES, min_size=1, max_size=6), st.booleans())
def test_a_token_brings_back_values_types_and_direction(values: list[Any], backward: bool) -> None:
    token = TOKENS.issue(REQUEST, Cursor(tuple(values), backward))
    read = TOKENS.read(token, REQUEST, order_of(len(values)))
    assert read == Cursor(tuple(values), backward)
    assert [type(value) for value in read.position or ()] == [type(value) for value in values]
    assert all(character.isalnum() or character in "-_" for character in token)


@given(VALUES.filter(lambda value: len(pack([value])) > 8), st.booleans())
def test_a_token_shows_nothing_of_the_values_in_it(value: Any, backward: bool) -> None:
    token = TOKENS.issue(REQUEST, Cursor((value,), backward))
    sealed, packed = urlsafe_b64decode(token + "=" * (-len(token) % 4)), pack([value])
    # Six bytes in a row are not there by chance.
    assert not any(packed[at : at + 6] in sealed for at in range(len(packed) - 5))


def test_the_same_page_has_the_same_token() -> None:
    assert TOKENS.issue(REQUEST, CURSOR) == PageTokens(KEY).issue(REQUEST, CURSOR) == TOKEN


def test_a_token_may_stand_for_the_end_of_a_list_or_its_beginning() -> None:
    for end in (Cursor(), Cursor(backward=True)):
        assert TOKENS.read(TOKENS.issue(REQUEST, end), REQUEST, order_of(2)) == end


def test_an_instant_of_another_zone_comes_back_as_the_same_instant() -> None:
    instant = datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    token = TOKENS.issue(REQUEST, Cursor((instant,)))
    assert TOKENS.read(token, REQUEST, order_of(1)).position == (instant,)


def test_a_token_of_an_instant_and_an_id_is_short() -> None:
    position = (datetime(2026, 1, 31, tzinfo=UTC), UUID(int=2**127))
    assert len(TOKENS.issue(REQUEST, Cursor(position))) < 80


def test_no_token_is_the_first_page_and_where_no_page_is_there_is_no_token() -> None:
    assert TOKENS.read("", REQUEST, order_of(2)) == Cursor()
    assert TOKENS.issue(REQUEST, None) == ""


CURSOR = Cursor(("b", date(2026, 1, 31)))
TOKEN = TOKENS.issue(REQUEST, CURSOR)


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, list_name="contacts"),
        replace(REQUEST, tenant_id=UUID(int=8)),
        replace(REQUEST, filter="status = LOST"),
        replace(REQUEST, order_by="name desc, id desc"),
        # The same characters in all, divided differently.
        replace(REQUEST, filter="status = ACTIVEname", order_by=", id"),
    ],
)
def test_a_token_is_good_for_its_own_request_only(other: ListRequest) -> None:
    assert TOKENS.read(TOKEN, REQUEST, order_of(2)) == CURSOR
    with pytest.raises(InvalidArgument) as raised:
        TOKENS.read(TOKEN, other, order_of(2))
    assert raised.value.reason == "INVALID_PAGE_TOKEN"
    assert [violation.field for violation in raised.value.violations] == ["page_token"]


def refused(token: str) -> bool:
    try:
        TOKENS.read(token, REQUEST, order_of(2))
    except InvalidArgument as error:
        return error.reason == "INVALID_PAGE_TOKEN"
    return False


@given(st.integers(0, len(urlsafe_b64decode(TOKEN + "==")) - 1), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    sealed = bytearray(urlsafe_b64decode(TOKEN + "=="))
    sealed[place] ^= change
    assert refused(urlsafe_b64encode(bytes(sealed)).rstrip(b"=").decode())


@given(st.text(min_size=1, max_size=100).filter(lambda text: text != TOKEN))
def test_invented_tokens_are_refused(token: str) -> None:
    assert refused(token)


def test_a_token_cut_short_or_sealed_with_another_key_is_refused() -> None:
    assert refused(TOKEN[:-1])
    assert refused(PageTokens(b"another key of enough bytes").issue(REQUEST, CURSOR))


def test_a_token_of_fewer_values_than_the_order_has_is_refused() -> None:
    assert refused(TOKENS.issue(REQUEST, Cursor(("b",))))


def test_a_weak_key_is_no_key() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        PageTokens(b"short")


def test_rows_are_not_ordered_by_floats() -> None:
    value: Any = 0.5
    with pytest.raises(TypeError, match="float"):
        TOKENS.issue(REQUEST, Cursor((value, Decimal(1))))
