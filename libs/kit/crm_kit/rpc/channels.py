"""A service as its callers reach it: by name, over all its replicas, each call to the least busy one.

The one way to call a service of the platform, for the gateway and for other services.
"""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import AsyncIterator, Mapping

import grpc
import structlog

from crm_kit.rpc.calls import Call, Reply, failure
from crm_kit.rpc.connections import Connection, Replica
from crm_kit.rpc.link.calling import NotSentError
from crm_kit.rpc.link.frames import MAX_FRAME_BYTES
from crm_kit.rpc.methods import reads_only
from crm_kit.rpc.names import Resolve, literal, look_up
from crm_kit.rpc.retries import MAX_ATTEMPTS, RetryBudget, backoff

log = structlog.get_logger()
LOOK_UP_SECONDS = 2.0
MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class ServiceChannel:
    """Connects with the first call, and belongs to the event loop in which that is made. The log calls it `name`."""

    def __init__(
        self,
        target: str,
        *,
        name: str = "",
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        resolve: Resolve = look_up,
        look_up_seconds: float = LOOK_UP_SECONDS,
    ) -> None:
        self._target = target
        self._name = name
        self._max_message_bytes = max_message_bytes
        self._resolve = resolve
        self._look_up_seconds = look_up_seconds
        self._replicas: dict[str, Replica] = {}
        # Where calls go now; those who wait for a place there, the first of whom looks when something changes.
        # Long calls go another way than short ones, and neither waits for the other.
        self._open: tuple[Connection, ...] = ()
        self._short_line: deque[asyncio.Event] = deque()
        self._long_line: deque[asyncio.Event] = deque()
        self._turn = 0
        self._following: asyncio.Task[None] | None = None
        self._leaving: dict[Replica, asyncio.Task[None]] = {}
        self._started = False
        # Whether the name was looked up at least once.
        self._found = False
        self._budget = RetryBudget()

    async def call(self, path: str, data: bytes, *, metadata: Mapping[str, str], seconds: float | None = None) -> Reply:
        """Call `/crm.customer.v1.AccountService/GetAccount` with a serialized request, waiting at most so long.

        The response as bytes, with its trailing metadata. AioRpcError as from grpc itself otherwise; what only reads
        was then tried again when nobody answered.
        """
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        attempt = 1
        while True:
            try:
                reply = await self._call_once(path, data, metadata, end)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                self._budget.failed()
                wait = backoff(attempt)
                late = end is not None and loop.time() + wait >= end
                if late or attempt == MAX_ATTEMPTS or not reads_only(path) or not self._budget.allows:
                    raise
                await asyncio.sleep(wait)
                attempt += 1
            else:
                self._budget.succeeded()
                return reply

    @contextlib.asynccontextmanager
    async def plain(self, seconds: float | None = None) -> AsyncIterator[grpc.aio.Channel]:
        """The gRPC channel of the least busy replica, for what is no unary call of the contract: streams, probes."""
        end = None if seconds is None else asyncio.get_running_loop().time() + seconds
        connection = await self._stand_in_line(0, end)
        with connection.in_use() as channel:
            yield channel

    async def close(self, grace: float = 0.0) -> None:
        """Begin no calls any more and close; calls under way get `grace` seconds."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        self._update(frozenset())
        if self._leaving:
            await asyncio.wait(self._leaving.values(), timeout=grace)
        for replica, leaving in list(self._leaving.items()):
            leaving.cancel()
            await replica.close()

    async def _call_once(self, path: str, data: bytes, metadata: Mapping[str, str], end: float | None) -> Reply:
        while True:
            connection = None if self._line(len(data)) else self._free(len(data))
            if connection is None:
                connection = await self._stand_in_line(len(data), end)
            try:
                return await connection.call(Call(path, data, metadata, seconds_until(end)))
            except NotSentError:
                continue

    async def _stand_in_line(self, size: int, end: float | None) -> Connection:
        """The first connection with room, once all who came earlier have theirs; AioRpcError when none will come."""
        self._start()
        me, line = asyncio.Event(), self._line(size)
        line.append(me)
        try:
            async with asyncio.timeout_at(end):
                while line[0] is not me or (found := self._free(size)) is None:
                    if line[0] is me and not self._hopeful:
                        raise failure(grpc.StatusCode.UNAVAILABLE, "no replica of the service can be reached")
                    await me.wait()
                    me.clear()
                return found
        except TimeoutError:
            raise failure(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        finally:
            line.remove(me)
            self._wake_first()

    def _line(self, size: int) -> deque[asyncio.Event]:
        return self._short_line if size <= MAX_FRAME_BYTES else self._long_line

    def _free(self, size: int) -> Connection | None:
        """The least busy connection with room for so many bytes; of equally busy ones another each time."""
        if len(self._open) == 1:
            return self._open[0] if self._open[0].has_room(size) else None
        self._turn += 1
        at = self._turn % max(1, len(self._open))
        free = [each for each in (*self._open[at:], *self._open[:at]) if each.has_room(size)]
        return min(free, key=lambda each: each.busy, default=None)

    @property
    def _hopeful(self) -> bool:
        """Whether there is a connection, or one may come."""
        return not self._found or any(each.hopeful for each in self._replicas.values())

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        addresses = literal(self._target)
        if addresses is None:
            self._following = asyncio.create_task(self._follow())
        else:
            self._update(addresses)

    async def _follow(self) -> None:
        """Look the name up for ever: replicas come and go. While nobody knows, those known stay."""
        trouble = ""
        while True:
            known = frozenset(self._replicas)
            try:
                self._update(await self._resolve(self._target) or known)
                trouble = ""
            except (OSError, UnicodeError) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("channel.name_unknown", peer=self._name, target=self._target, error=trouble)
                self._update(known)
            await asyncio.sleep(self._look_up_seconds * random.uniform(0.8, 1.2))

    def _update(self, addresses: frozenset[str]) -> None:
        self._found = True
        for address in self._replicas.keys() - addresses:
            replica = self._replicas.pop(address)
            self._leaving[replica] = asyncio.create_task(self._finish(replica))
        for address in addresses - self._replicas.keys():
            self._replicas[address] = Replica(
                address,
                name=self._name,
                max_message_bytes=self._max_message_bytes,
                changed=self._changed,
                freed=self._wake_first,
            )
        self._changed()

    async def _finish(self, replica: Replica) -> None:
        await replica.finish()
        del self._leaving[replica]

    def _changed(self) -> None:
        """Choose anew where calls go: to replicas that welcome them, or when none does to those that are there."""
        there = [each.connection for each in self._replicas.values() if each.connection is not None]
        self._open = tuple([each for each in there if each.serving] or there)
        self._wake_first()

    def _wake_first(self) -> None:
        for line in (self._short_line, self._long_line):
            if line:
                line[0].set()


def seconds_until(end: float | None) -> float | None:
    """What is left of a call's time; AioRpcError when nothing is."""
    if end is None:
        return None
    seconds = end - asyncio.get_running_loop().time()
    if seconds <= 0:
        raise failure(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    return seconds
