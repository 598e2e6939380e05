"""Who is at which record, on a clock that the test moves."""

from typing import Any

import msgspec
import pytest
from crm_gateway.presence import board as rules
from crm_gateway.presence.board import LASTS_SECONDS, Activity, Beat, Board, Present, Record
from crm_gateway.presence.sharing import MAX_BYTES, SUBJECT, beat_from
from crm_gateway.problems import ProblemError
from crm_gateway.routes.presence import said_in
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.msg import Msg

ONE, OTHER = Record("accounts", "1"), Record("leads", "1")
VIEWING, EDITING, LEFT = Activity


def beat(user: str, activity: Activity = VIEWING, *, at: Record = ONE, tenant: str = "a", client: str = "") -> Beat:
    return Beat(tenant, at, user, user.upper(), client, activity)


def seen(board: Board, now: float, *, by: str = "me", at: Record = ONE, tenant: str = "a") -> list[tuple[str, str]]:
    return [(each.user_id, each.activity) for each in board.others(tenant, at, by, now)]


def test_who_is_silent_for_thirty_seconds_is_gone_and_takes_no_memory() -> None:
    board = Board()
    board.hear(beat("wang"), 100.0)
    assert seen(board, 100.0 + LASTS_SECONDS - 0.001) == [("wang", VIEWING)]
    assert seen(board, 100.0 + LASTS_SECONDS) == []
    assert len(board) == 0


def test_who_edits_in_one_window_edits_until_that_one_is_left() -> None:
    board = Board()
    for client, activity in (("1", EDITING), ("2", VIEWING)):
        board.hear(beat("wang", activity, client=client), 0.0)
    board.hear(beat("chen"), 0.0)
    assert seen(board, 1.0) == [("wang", EDITING), ("chen", VIEWING)]
    board.hear(beat("wang", LEFT, client="1"), 2.0)
    assert seen(board, 2.0) == [("chen", VIEWING), ("wang", VIEWING)]
    assert seen(board, 2.0, by="wang") == [("chen", VIEWING)]


def test_a_beat_looks_through_its_own_tenant_and_all_others_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    board, looked = Board(), list[float]()
    expire = rules._Tenant.expire

    def counted(tenant: Any, now: float) -> None:
        looked.append(now)
        expire(tenant, now)

    monkeypatch.setattr(rules._Tenant, "expire", counted)
    for number in range(1000):
        board.hear(beat("wang", tenant=str(number)), 0.0)
    assert len(looked) == 1000
    board.hear(beat("wang", tenant="0"), LASTS_SECONDS)
    assert len(board) == 1


def test_nobody_is_seen_at_another_record_or_in_another_tenant() -> None:
    board = Board()
    board.hear(beat("wang"), 0.0)
    assert seen(board, 0.0, at=OTHER) == seen(board, 0.0, tenant="b") == seen(board, 0.0, by="wang") == []


def test_a_user_and_a_tenant_have_so_much_room_and_lose_what_is_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_OF_USER", 2)
    monkeypatch.setattr(rules, "MAX_OF_TENANT", 3)
    board = Board()
    board.hear(beat("elsewhere", tenant="b"), 0.0)
    for number in range(4):
        board.hear(beat("wang", at=Record("accounts", str(number))), float(number))
    assert [seen(board, 4.0, at=Record("accounts", str(number))) for number in range(4)] == [
        [],
        [],
        [("wang", VIEWING)],
        [("wang", VIEWING)],
    ]
    for user in ("chen", "li"):
        board.hear(beat(user), 5.0)
    assert seen(board, 5.0, at=Record("accounts", "2")) == []
    assert seen(board, 5.0, tenant="b") == [("elsewhere", VIEWING)]
    assert len(board) == 4


@given(
    st.lists(
        st.tuples(
            # Of which sums and differences are exact.
            st.integers(0, 80).map(lambda quarters: quarters / 4), st.sampled_from("abc"), st.sampled_from("12"),
            st.sampled_from([ONE, OTHER]), st.sampled_from(list(Activity)),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_the_board_shows_what_the_last_beats_of_each_window_said(told: list[Any]) -> None:
    board, now, last = Board(), 0.0, dict[Any, tuple[float, Activity]]()
    for pause, user, client, record, activity in told:
        now += pause
        board.hear(beat(user, activity, at=record, client=client), now)
        last[user, client, record] = now, activity
        alive = {
            key: activity for key, (time, activity) in last.items() if activity != LEFT and now - time < LASTS_SECONDS
        }
        for place in (ONE, OTHER):
            at_place = [(key[0], activity) for key, activity in alive.items() if key[2] == place and key[0] != "a"]
            users = sorted({user for user, _ in at_place})
            wanted = {user: EDITING if (user, EDITING) in at_place else VIEWING for user in users}
            found = board.others("a", place, "a", now)
            assert {each.user_id: each.activity for each in found} == wanted
            assert found == sorted(found, key=lambda each: (each.activity, each.user_name))
        assert len(board) == len(alive)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 80).map(lambda quarters: quarters / 4), st.sampled_from("abc"), st.sampled_from("12"),
            st.sampled_from([ONE, OTHER]), st.sampled_from(list(Activity)),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_it_notes_a_record_whenever_anybody_would_see_something_else_there(told: list[Any]) -> None:
    board, now, shown = Board(), 0.0, dict[Record, Any]({ONE: {}, OTHER: {}})
    board.watch()
    for pause, user, client, record, activity in told:
        now += pause
        board.hear(beat(user, activity, at=record, client=client), now)
        changed = board.take_changed(now)
        for place in shown:
            views = {by: seen(board, now, by=by, at=place) for by in "abcd"}
            if views != (shown[place] or {by: [] for by in "abcd"}):
                assert ("a", place) in changed
            shown[place] = views
        assert board.take_changed(now) == []


def test_who_says_the_same_again_changes_nothing_and_nothing_is_noted_for_nobody() -> None:
    board = Board()
    board.hear(beat("wang"), 0.0)
    assert board.take_changed(0.0) == []
    board.watch()
    board.hear(beat("wang"), 10.0)
    assert board.take_changed(10.0) == []
    assert board.take_changed(10.0 + LASTS_SECONDS) == [("a", ONE)]
    board.unwatch()
    board.hear(beat("wang"), 50.0)
    assert board.take_changed(50.0) == []


def test_bytes_that_no_gateway_has_written_are_passed_over() -> None:
    good = msgspec.json.encode(Beat("a", Record("c", "1"), "u", "U", "", VIEWING))

    def heard(data: bytes, tenant: str = "a") -> Beat | None:
        return beat_from(Msg(_client=None, subject=f"{SUBJECT}{tenant}", data=data))  # type: ignore[arg-type]

    assert heard(good) == Beat("a", Record("c", "1"), "u", "U", "", VIEWING)
    assert heard(good, "b") is None
    for data in (b"", b"{}", b"\xff", good.replace(b"VIEWING", b"DANCING"), good + b" " * MAX_BYTES):
        assert heard(data) is None


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({}, ["activity"]),
        ({"activity": "DANCING"}, ["activity"]),
        ({"activity": ["VIEWING"]}, ["activity"]),
        ({"activity": "VIEWING", "since": 1}, ["since"]),
        ({"activity": "VIEWING", "client_id": "x" * 65}, ["client_id"]),
        ({"activity": "VIEWING", "client_id": 5, "x": 1}, ["x", "client_id"]),
    ],
)
def test_a_body_that_says_something_else_is_refused_by_its_fields(content: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(ProblemError) as refusal:
        said_in(content)
    assert [each.field for each in refusal.value.problem.errors] == fields
    assert Present("u", "U", VIEWING).activity == said_in({"activity": "VIEWING"}).activity
