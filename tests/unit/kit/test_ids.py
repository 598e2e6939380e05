import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from crm_kit import ids


def test_an_id_is_a_uuid_of_version_7_and_the_variant_of_rfc_9562() -> None:
    made = ids.new_id()
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"


def test_ids_rise_even_when_made_within_one_tick() -> None:
    made = [ids.new_id() for _ in range(20_000)]
    assert all(before < after for before, after in pairwise(made))


def test_ids_rise_when_the_clock_stands_still_or_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([1_700_000_000_000_000_000, 1_700_000_000_000_000_000, 1_600_000_000_000_000_000])
    monkeypatch.setattr("time.time_ns", lambda: next(clock))
    monkeypatch.setattr(ids, "_ticks", ids._Ticks())
    first, second, third = ids.new_id(), ids.new_id(), ids.new_id()
    assert first < second < third


def test_an_id_carries_the_millisecond_and_its_fraction_in_4096_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 0x0123456789AB * 1_000_000 + 500_000)
    monkeypatch.setattr(ids, "_ticks", ids._Ticks())
    assert str(ids.new_id()).startswith("01234567-89ab-7800-")


def test_threads_never_get_the_same_id_and_each_sees_its_own_rise() -> None:
    start = threading.Barrier(4)

    def make(_: int) -> list[UUID]:
        start.wait()
        return [ids.new_id() for _ in range(5_000)]

    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(make, range(4)))
    assert all(before < after for own in made for before, after in pairwise(own))
    # The upper half alone, without the random bits, is already unique.
    assert len({each.int >> 64 for own in made for each in own}) == 20_000


def test_the_time_of_an_id_is_when_it_was_made() -> None:
    before = datetime.now(UTC)
    made = ids.id_time(ids.new_id())
    assert before - timedelta(milliseconds=1) <= made <= datetime.now(UTC) + timedelta(milliseconds=100)


def test_the_example_of_rfc_9562_appendix_a_6_reads_as_its_instant() -> None:
    example = UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
    assert ids.id_time(example) == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_a_uuid_of_another_version_has_no_time() -> None:
    with pytest.raises(ValueError, match="version 7"):
        ids.id_time(uuid4())
