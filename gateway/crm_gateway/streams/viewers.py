"""What each user may read at this moment, asked of the services that own the records, in the user's name.

The streams of a user share what is asked, and what is asked while an answer is under way goes together into the next
question. Each service is asked so many questions at a time, so many of them for a tenant: with more to ask, more goes
into each. One that does not answer keeps nobody from asking the others.
"""

import asyncio
import contextlib
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence, Set
from typing import Any, Protocol

import grpc
import structlog
from crm.resource.v1 import resources_pb2 as pb
from crm_kit.ids import new_id
from crm_kit.thin_events.model import EventType

from crm_gateway.channels import Channels
from crm_gateway.streams.endings import Identity
from crm_gateway.streams.inbox import Aside
from crm_gateway.streams.told import Told

log = structlog.get_logger(__name__)
PATH = "/crm.resource.v1.ResourceService/BatchCheckRecords"
# As many as one question takes.
MAX_IDS = 200
CHECK_SECONDS = 5.0
MAX_CHECKS, MAX_CHECKS_OF_TENANT = 32, 8
AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0)
_DENIED = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND}
# Of these it is known that asking again helps; what else goes wrong is a defect.
_PASSING = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
    # A service of a version that does not know the question yet.
    grpc.StatusCode.UNIMPLEMENTED,
}
# The fields that are hidden of a record that can be read; None of one that cannot.
Seen = Set[str] | None
# By the service that is asked: how many more questions it may be asked now.
Slots = Mapping[str, asyncio.Semaphore]
Check = Callable[[EventType, Sequence[str], str], Awaitable[Mapping[str, Set[str]]]]
# What is asked about together: the records of a collection, or a part of it such as its jobs.
Kind = tuple[str, str]


class NotKnownError(Exception):
    """No service knows the user any more."""


class Teller(Protocol):
    """An open stream."""

    def offer_aside(self, aside: Aside) -> None:
        """Something besides events that its reader may see or not."""
        ...


class Viewer:
    """A user with open streams. Questions go with that of their tokens that holds the longest."""

    def __init__(self, check: Check, of_all: Slots, of_tenant: Slots) -> None:
        self._check = check
        self._of_all, self._of_tenant = of_all, of_tenant
        self._tokens: dict[Teller, tuple[float, str]] = {}
        # What was not asked yet, and who asks.
        self._unasked: dict[Kind, dict[str, asyncio.Future[Seen]]] = {}
        self._asking: dict[Kind, asyncio.Task[None]] = {}

    def come(self, stream: Teller, authorization: str, expire_time: float) -> None:
        """A stream has opened with this token."""
        self._tokens[stream] = (expire_time, authorization)

    def go(self, stream: Teller) -> bool:
        """A stream has closed; whether it was the last."""
        self._tokens.pop(stream, None)
        if not self._tokens:
            for task in self._asking.values():
                task.cancel()
        return not self._tokens

    async def seen(self, told: Sequence[Told]) -> list[Seen]:
        """Of each event's record what the user may see of it now. NotKnownError when nobody knows them any more."""
        asked = [self._asked(each.type, each.record_id) for each in told]
        # Not `gather`: when this stream ends, others may wait for the same.
        await asyncio.wait(asked)
        return [each.result() for each in asked]

    async def sees(self, type: EventType, record_id: str) -> Seen:
        """What the user may see now of the record that such events are about. NotKnownError as of `seen`."""
        asked = self._asked(type, record_id)
        await asyncio.wait([asked])
        return asked.result()

    @property
    def streams(self) -> Collection[Teller]:
        """Those that are open."""
        return self._tokens.keys()

    def _asked(self, type: EventType, record_id: str) -> "asyncio.Future[Seen]":
        kind = type.collection, type.part
        unasked = self._unasked.setdefault(kind, {})
        if record_id not in unasked:
            unasked[record_id] = asyncio.get_running_loop().create_future()
        if kind not in self._asking:
            self._asking[kind] = asyncio.create_task(self._ask(type))
        return unasked[record_id]

    async def _ask(self, type: EventType) -> None:
        """Ask until nothing is left to ask of what this type is about; its name does not matter."""
        kind = type.collection, type.part
        try:
            while self._unasked.get(kind):
                # What is asked meanwhile goes into one question.
                async with self._turn(type.owner):
                    waiting = self._unasked.pop(kind)
                ids = list(waiting)
                for start in range(0, len(ids), MAX_IDS):
                    await self._answer(type, {id: waiting[id] for id in ids[start : start + MAX_IDS]})
        finally:
            # At once: whoever wants to know something from now on finds nobody asking.
            del self._asking[kind]

    async def _answer(self, type: EventType, waiting: Mapping[str, "asyncio.Future[Seen]"]) -> None:
        try:
            readable = await self._readable(type, list(waiting))
        except Exception as error:  # noqa: BLE001 -- told to whoever waits
            for future in waiting.values():
                future.set_exception(error)
        else:
            for id, future in waiting.items():
                future.set_result(readable.get(id))

    @contextlib.asynccontextmanager
    async def _turn(self, owner: str) -> AsyncIterator[None]:
        async with self._of_tenant[owner], self._of_all[owner]:
            yield

    async def _readable(self, type: EventType, ids: Sequence[str]) -> Mapping[str, Set[str]]:
        tries = 0
        while True:
            _, authorization = max(self._tokens.values(), default=(math.inf, ""))
            try:
                async with self._turn(type.owner):
                    return await self._check(type, ids, authorization)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                    raise NotKnownError from error
                if error.code() in _DENIED:
                    return {}
                if error.code() not in _PASSING:
                    log.exception(
                        "events.unchecked", collection=type.collection, part=type.part, code=error.code().name
                    )
                    return {}
            await asyncio.sleep(AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)])
            tries += 1


class Viewers:
    """The users with open streams at this process."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._of_all = _slots(MAX_CHECKS)
        self._of_tenants: dict[str, Slots] = {}
        self._viewers: dict[str, dict[str, Viewer]] = {}

    def of(self, identity: Identity) -> Viewer:
        """The viewer that the streams of a user share."""
        of_tenant = self._of_tenants.setdefault(identity.tenant_id, _slots(MAX_CHECKS_OF_TENANT))
        viewers = self._viewers.setdefault(identity.tenant_id, {})
        if identity.user_id not in viewers:
            viewers[identity.user_id] = Viewer(self._check, self._of_all, of_tenant)
        return viewers[identity.user_id]

    def find(self, tenant_id: str, user_id: str) -> Viewer | None:
        """The viewer of a user; None where none of their streams is open."""
        return self._viewers.get(tenant_id, {}).get(user_id)

    def forget(self, identity: Identity) -> None:
        """The last stream of a user has closed."""
        viewers = self._viewers[identity.tenant_id]
        del viewers[identity.user_id]
        if not viewers:
            del self._viewers[identity.tenant_id], self._of_tenants[identity.tenant_id]

    async def _check(self, type: EventType, ids: Sequence[str], authorization: str) -> dict[str, Set[str]]:
        request: Any = pb.BatchCheckRecordsRequest(collection=type.collection, part=type.part, ids=ids)
        metadata = {"authorization": authorization, "x-request-id": str(new_id())}
        channel = self._channels[type.owner]
        reply = await channel.call(PATH, request.SerializeToString(), metadata=metadata, seconds=CHECK_SECONDS)
        found = pb.BatchCheckRecordsResponse.FromString(reply.data)
        return {each.id: frozenset(each.hidden_fields) for each in found.readable}


def _slots(count: int) -> Slots:
    return defaultdict(lambda: asyncio.Semaphore(count))
