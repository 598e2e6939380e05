"""The frames of a link: protobuf messages, made and read here, put together into what one write carries.

A serialized message followed by another is the two merged, so frames are serialized when they arise and joined when
they are sent. Nothing here waits or knows grpc's streams.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence

import grpc
from crm.link.v1 import link_pb2 as pb

from crm_kit.rpc.calls import Call, Metadata, Reply
from crm_kit.rpc.counting import TooMuchError, count_fields

CONTRACT = pb.DESCRIPTOR.services_by_name["LinkService"]
METHOD = f"/{CONTRACT.full_name}/Connect"
# The longest request that goes through a link, metadata included, and the longest piece of a response.
MAX_FRAME_BYTES = 64 * 1024
# One write carries about this much: enough to coalesce, little enough for others to get in between.
BATCH_BYTES = 256 * 1024
# The most that one write of a caller carries: what is put together, and one frame more with its tags.
MAX_MESSAGE_BYTES = BATCH_BYTES + MAX_FRAME_BYTES + 1024
# In one message: 256 calls with a dozen metadata each, of a key and a value, and twice as many cancelled ids.
MAX_FIELDS = 12_000
# Of those, calls: each is answered by itself, and callers have a tenth of it under way.
MAX_CALLS = 2_500
# A shorter message is read without counting: the 2,000 calls that it may hold are begun in a few milliseconds.
COUNTED_BYTES = 4096
BINARY = "-bin"
CODES = {code.value[0]: code for code in grpc.StatusCode}
MAX_TIMEOUT_MS = 2**32 - 1


def request_of(data: bytes) -> pb.ConnectRequest:
    """The frames of a message. TooMuchError, before it is read, for one that would take long; DecodeError for none."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise TooMuchError
    if len(data) > COUNTED_BYTES:
        count_fields(data, pb.ConnectRequest, MAX_FIELDS)
    request = pb.ConnectRequest.FromString(data)
    if len(request.calls) > MAX_CALLS:
        raise TooMuchError
    return request


def call_frame(id: int, call: Call) -> bytes:
    """A call to begin."""
    frame = pb.ConnectRequest()
    sent = frame.calls.add()
    sent.id = id
    sent.method = call.path
    sent.payload = call.data
    if call.seconds is not None:
        sent.timeout_ms = min(MAX_TIMEOUT_MS, max(1, math.ceil(call.seconds * 1000)))
    sent.metadata.update(call.metadata)
    return frame.SerializeToString()


def call_of(frame: pb.Call) -> Call:
    """The call that a frame holds."""
    seconds = frame.timeout_ms / 1000 if frame.timeout_ms else None
    return Call(frame.method, frame.payload, dict(frame.metadata), seconds)


def cancel_frame(id: int) -> bytes:
    """A call that nobody waits for any more."""
    return pb.ConnectRequest(cancelled_ids=[id]).SerializeToString()


def answer_frames(id: int, reply: Reply) -> Iterator[bytes]:
    """An answer: one frame, or several when the response is long."""
    data, at = reply.data, 0
    while len(data) - at > MAX_FRAME_BYTES:
        piece = pb.Answer(id=id, payload=data[at : at + MAX_FRAME_BYTES], more=True)
        yield pb.ConnectResponse(answers=[piece]).SerializeToString()
        at += MAX_FRAME_BYTES
    frame = pb.ConnectResponse()
    answer = frame.answers.add()
    answer.id = id
    answer.payload = data[at:]
    if reply.code is not grpc.StatusCode.OK:
        answer.code = reply.code.value[0]
        answer.detail = reply.detail
    for key, value in reply.metadata:
        answer.trailing_metadata[key] = value if isinstance(value, bytes) else value.encode()
    yield frame.SerializeToString()


def reply_of(answer: pb.Answer, pieces: Sequence[bytes] = ()) -> Reply:
    """The reply that the last frame of an answer makes with the pieces that came before it."""
    data = b"".join((*pieces, answer.payload)) if pieces else answer.payload
    code = CODES.get(answer.code, grpc.StatusCode.UNKNOWN) if answer.code else grpc.StatusCode.OK
    return Reply(data, code, answer.detail, _metadata_of(answer))


def _metadata_of(answer: pb.Answer) -> Metadata:
    return tuple(
        (key, value if key.endswith(BINARY) else value.decode()) for key, value in answer.trailing_metadata.items()
    )


class Outbox:
    """Frames that wait to be written: in order, and long answers piece by piece, in turn, between them."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._long: deque[tuple[Iterator[bytes], int]] = deque()
        # How many frames were put in and taken out until now, and how much is in.
        self.put_count = 0
        self.taken_count = 0
        self.waiting_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._frames or self._long)

    def put(self, frame: bytes) -> None:
        """Add a frame."""
        self._frames.append(frame)
        self.put_count += 1
        self.waiting_bytes += len(frame)

    def put_answer(self, id: int, reply: Reply) -> None:
        """Add an answer."""
        frames = answer_frames(id, reply)
        if len(reply.data) <= MAX_FRAME_BYTES:
            self.put(next(frames))
        else:
            self._long.append((frames, len(reply.data)))
            self.waiting_bytes += len(reply.data)

    def take(self) -> bytes:
        """What the next write carries; nothing when nothing waits."""
        batch: list[bytes] = []
        size = 0
        while self._frames and size < BATCH_BYTES:
            batch.append(self._frames.popleft())
            size += len(batch[-1])
        self.taken_count += len(batch)
        self.waiting_bytes -= size
        if self._long:
            batch.append(self._piece())
        return b"".join(batch)

    def _piece(self) -> bytes:
        """The next piece of the long answer whose turn it is."""
        frames, left = self._long.popleft()
        taken = min(left, MAX_FRAME_BYTES)
        self.waiting_bytes -= taken
        if left > taken:
            self._long.append((frames, left - taken))
        return next(frames)
