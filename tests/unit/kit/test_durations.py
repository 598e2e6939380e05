"""Lengths of time as JSON has them."""

from datetime import timedelta

import orjson
from crm_kit.database.connections import json_bytes
from crm_kit.durations import duration_from_text, duration_text
from crm_kit.wire import duration, duration_from
from google.protobuf.duration_pb2 import Duration
from hypothesis import example, given
from hypothesis import strategies as st

# The reach of google.protobuf.Duration.
LENGTHS = st.timedeltas(timedelta(days=-3_652_500), timedelta(days=3_652_500))


@given(LENGTHS)
@example(timedelta(0))
@example(timedelta(days=1))
@example(timedelta(microseconds=-1))
def test_a_duration_is_read_as_it_was_written_here_and_by_protobuf(length: timedelta) -> None:
    text = duration_text(length)
    assert duration_from_text(text) == length
    assert orjson.loads(json_bytes(length)[1:]) == text
    message = Duration()
    message.FromJsonString(text)
    assert message == duration(length)
    assert duration_from(message) == length


def test_a_duration_has_no_digits_that_say_nothing() -> None:
    assert duration_text(timedelta(days=10)) == "864000s"
    assert duration_text(timedelta(milliseconds=1500)) == "1.5s"
    assert duration_text(timedelta(0)) == "0s"
