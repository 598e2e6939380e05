"""Large messages and large JSON in parts are what they are in one piece."""

from typing import Any

import orjson
from crm_gateway.message_parts import parts_of, read_in_parts
from crm_gateway.protojson.large import json_parts, json_text
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.any_message import JSON_VALUES, messages
from tests.unit.gateway.every_kind import EveryKind


@given(message=messages(EveryKind.DESCRIPTOR), size=st.integers(1, 200))
@settings(max_examples=60)
def test_a_message_read_in_parts_is_the_message(message: Any, size: int) -> None:
    data = message.SerializeToString()
    parts = list(parts_of(data, size))
    assert b"".join(parts) == data
    assert all(len(part) >= size for part in parts[:-1])
    # Unlike messages with a NaN in them, their bytes can be compared.
    again = [read_in_parts(EveryKind, data, size), EveryKind.FromString(data)]
    assert len({each.SerializeToString(deterministic=True) for each in again}) == 1


@given(JSON_VALUES)
@settings(max_examples=60)
def test_json_written_in_parts_is_the_json(value: object) -> None:
    expected = orjson.dumps(value)
    assert b"".join(json_parts(value)) == expected
    assert json_text(value, 1) == json_text(value, 1 << 30) == expected
