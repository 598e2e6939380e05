"""The framing of links: whatever is put in, in whatever order and however it is cut into messages, comes out."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import grpc
import pytest
from crm.link.v1 import link_pb2 as pb
from crm_kit.rpc.calls import Call, Reply
from crm_kit.rpc.link import frames
from crm_kit.rpc.link.frames import (
    CODES,
    Outbox,
    answer_frames,
    call_frame,
    call_of,
    cancel_frame,
    reply_of,
    request_of,
)
from hypothesis import given
from hypothesis import strategies as st

TEXTS = st.text(max_size=20).filter(lambda text: "\x00" not in text)
CALLS = st.builds(
    Call,
    path=st.sampled_from(["/a.B/C", "/crm.customer.v1.AccountService/GetAccount"]),
    data=st.binary(max_size=60),
    metadata=st.dictionaries(TEXTS, TEXTS, max_size=4),
    seconds=st.none() | st.integers(min_value=1, max_value=4800).map(lambda eighths: eighths / 8),
)
TRAILING = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), TEXTS) | st.tuples(st.just("details-bin"), st.binary(max_size=30)),
    max_size=3,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: tuple(sorted(pairs)))
RESPONSES = st.builds(lambda data, metadata: Reply(data, metadata=metadata), st.binary(max_size=100), TRAILING)
FAILURES = st.builds(
    lambda code, detail, metadata: Reply(code=code, detail=detail, metadata=metadata),
    st.sampled_from([code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]),
    TEXTS,
    TRAILING,
)
REPLIES = RESPONSES | FAILURES


@pytest.fixture(scope="module", autouse=True)
def small_limits() -> Iterator[None]:
    """Frames of a few bytes, so that short examples are cut as long messages are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "MAX_FRAME_BYTES", 16)
        patch.setattr(frames, "BATCH_BYTES", 64)
        yield


def in_any_messages(data: st.DataObject, outbox: Outbox, putting: list[Any]) -> Iterator[bytes]:
    """What an outbox gives when it is emptied at any moments while it is filled."""
    for put in putting:
        put()
        for _ in range(data.draw(st.integers(0, 2))):
            yield outbox.take()
    while outbox:
        yield outbox.take()


@given(st.data(), st.lists(CALLS, max_size=12))
def test_calls_and_cancellations_arrive_in_order_however_they_are_cut_into_messages(
    data: st.DataObject, calls: list[Call]
) -> None:
    outbox = Outbox()
    cancelled = data.draw(st.sets(st.sampled_from(range(len(calls))))) if calls else set()
    putting = []
    for id, call in enumerate(calls):
        putting.append(partial(outbox.put, call_frame(id, call)))
        if id in cancelled:
            putting.append(partial(outbox.put, cancel_frame(id)))
    arrived: list[tuple[int, Call]] = []
    stopped: list[int] = []
    for message in in_any_messages(data, outbox, putting):
        request = pb.ConnectRequest.FromString(message)
        arrived += [(frame.id, call_of(frame)) for frame in request.calls]
        assert set(request.cancelled_ids) <= {id for id, _ in arrived}
        stopped += request.cancelled_ids
    assert arrived == list(enumerate(calls))
    assert stopped == sorted(cancelled)


@given(st.data(), st.lists(REPLIES, max_size=12))
def test_answers_arrive_whole_however_long_ones_are_mixed_with_others(
    data: st.DataObject, replies: list[Reply]
) -> None:
    outbox = Outbox()
    putting = [partial(outbox.put_answer, id, reply) for id, reply in enumerate(replies)]
    pieces: dict[int, list[bytes]] = {}
    arrived: dict[int, Reply] = {}
    for message in in_any_messages(data, outbox, putting):
        for answer in pb.ConnectResponse.FromString(message).answers:
            assert answer.id not in arrived
            assert len(answer.payload) <= frames.MAX_FRAME_BYTES
            if answer.more:
                pieces.setdefault(answer.id, []).append(answer.payload)
            else:
                arrived[answer.id] = reply_of(answer, pieces.pop(answer.id, ()))
    assert {id: reply._replace(metadata=tuple(sorted(reply.metadata))) for id, reply in arrived.items()} == dict(
        enumerate(replies)
    )
    assert (pieces, outbox.waiting_bytes) == ({}, 0)


@given(st.lists(REPLIES, max_size=12), st.data())
def test_frames_of_different_answers_may_be_shuffled_and_joined_at_will(
    replies: list[Reply], data: st.DataObject
) -> None:
    queues = {id: list(answer_frames(id, reply)) for id, reply in enumerate(replies)}
    pieces: dict[int, list[bytes]] = {}
    arrived: dict[int, bytes] = {}
    while queues:
        joined = b""
        for _ in range(data.draw(st.integers(1, 5))):
            if queues:
                id = data.draw(st.sampled_from(sorted(queues)))
                joined += queues[id].pop(0)
                queues = {id: left for id, left in queues.items() if left}
        for answer in pb.ConnectResponse.FromString(joined).answers:
            pieces.setdefault(answer.id, []).append(answer.payload)
            if not answer.more:
                arrived[answer.id] = reply_of(answer, pieces[answer.id][:-1]).data
    assert arrived == {id: reply.data for id, reply in enumerate(replies)}


def test_a_short_answer_is_in_the_next_message_although_long_ones_wait() -> None:
    outbox = Outbox()
    outbox.put_answer(1, Reply(b"a" * 1000))
    outbox.put_answer(2, Reply(b"b" * 1000))
    ids_of_pieces = [pb.ConnectResponse.FromString(outbox.take()).answers[0].id for _ in range(4)]
    assert ids_of_pieces == [1, 2, 1, 2]
    outbox.put_answer(3, Reply(b"short"))
    answers = pb.ConnectResponse.FromString(outbox.take()).answers
    assert [answer.id for answer in answers] == [3, 1]


def test_a_message_carries_no_more_than_a_batch_and_a_frame_or_two() -> None:
    outbox = Outbox()
    for id in range(50):
        outbox.put_answer(id, Reply(b"x" * 16))
    outbox.put_answer(50, Reply(b"x" * 500))
    sizes = []
    while outbox:
        sizes.append(len(outbox.take()))
    assert len(sizes) > 10
    assert max(sizes) <= frames.BATCH_BYTES + 2 * (frames.MAX_FRAME_BYTES + 16)


def test_an_outbox_knows_what_was_taken() -> None:
    outbox = Outbox()
    for id in range(3):
        outbox.put(cancel_frame(id))
    assert (outbox.put_count, outbox.taken_count) == (3, 0)
    outbox.take()
    outbox.put(cancel_frame(3))
    assert (outbox.put_count, outbox.taken_count) == (4, 3)


def test_a_timeout_is_rounded_up_and_never_none() -> None:
    def told(seconds: float) -> float | None:
        return call_of(pb.ConnectRequest.FromString(call_frame(1, Call("/a.B/C", b"", {}, seconds))).calls[0]).seconds

    assert told(0.0001) == 0.001
    assert told(1.2341) == 1.235
    assert told(10.0**9) == (2**32 - 1) / 1000


def test_every_status_has_its_number_and_an_unknown_number_is_the_status_unknown() -> None:
    assert {code.name: number for number, code in CODES.items()} == {
        code.name: code.value[0] for code in grpc.StatusCode
    }
    assert reply_of(pb.Answer(code=77)).code is grpc.StatusCode.UNKNOWN


def test_the_most_that_a_caller_has_waiting_is_written_in_messages_that_are_read() -> None:
    """As many calls as may be under way, of any size that goes through a link, with the metadata of a caller, each
    given up twice over."""
    keys = ("authorization", "x-request-id", "traceparent", "idempotency-key", "user-agent", "accept-language")
    metadata = dict.fromkeys((*keys, "a", "b", "c", "d", "e", "f"), "v" * 20)
    for size in (0, 1000, 60_000):
        calls = [call_frame(id, Call("/a.B/C", b"x" * size, metadata, 1.0)) for id in range(256)]
        cancels = [cancel_frame(2**32 - 1 - id) for id in range(512)]
        outbox = Outbox()
        for frame in calls + cancels:
            outbox.put(frame)
        read = []
        while outbox:
            read.append(request_of(outbox.take()))
        assert sum(len(each.calls) for each in read) == 256
        assert sum(len(each.cancelled_ids) for each in read) == 512
