"""Places in the stream of events: as texts, and whether a broker can go on from them."""

from crm_gateway.streams.places import BEGINNING, Place, goes_on, place_behind, place_from
from hypothesis import given
from hypothesis import strategies as st

MESSAGES = st.lists(st.binary(max_size=3), max_size=8)


@given(st.builds(Place, st.integers(0, 16**15 - 1), st.integers(0, 2**32 - 1)))
def test_a_place_is_read_from_its_text(place: Place) -> None:
    assert place_from(place.text) == place


@given(st.text())
def test_no_other_text_is_a_place(text: str) -> None:
    place = place_from(text)
    assert place is None or int(place.text.partition("-")[0], 16) == int(text.partition("-")[0], 16)


@given(MESSAGES, st.data())
def test_a_broker_goes_on_where_it_has_all_that_came_behind(messages: list[bytes], data: st.DataObject) -> None:
    """A reader was at a place of a stream; of that stream the oldest messages are gone by now."""
    read = data.draw(st.integers(0, len(messages)))
    place = place_behind(read, messages[read - 1]) if read else BEGINNING
    gone = data.draw(st.integers(0, len(messages)))
    kept = messages[read - 1] if read > gone else None
    assert goes_on(place, first=gone + 1, last=len(messages), data=kept) == (gone <= read)


@given(MESSAGES, MESSAGES, st.data())
def test_a_broker_with_another_past_is_not_gone_on_from(
    before: list[bytes], now: list[bytes], data: st.DataObject
) -> None:
    """It lost its last seconds, or is a new one: the numbers are given out again."""
    read = data.draw(st.integers(1, len(before) + 1))
    place = place_behind(read, before[read - 1] if read <= len(before) else b"lost")
    kept = now[read - 1] if read <= len(now) else None
    is_same = read <= len(now) and read <= len(before) and now[read - 1] == before[read - 1]
    assert goes_on(place, first=1, last=len(now), data=kept) == is_same
