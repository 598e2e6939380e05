"""One replica as its callers reach it: a connection with a link on it if it has links, made anew whenever it must."""

import asyncio
import contextlib
import random
from collections.abc import Iterator

import grpc

from crm_kit.rpc.calls import Call, Reply, failure
from crm_kit.rpc.link.calling import Link, NoLinkError, Notify, UnreachableError, open_link
from crm_kit.rpc.link.frames import MAX_FRAME_BYTES
from crm_kit.rpc.retries import backoff

# With its own, gRPC takes so much without question; of more than that it is the judge.
MAX_METADATA_BYTES = 7 * 1024
# Bounds of the unary way, where no terms were told.
MAX_CALLS = 256
MAX_BYTES = 16 * 1024 * 1024
ASK_AGAIN_SECONDS = 30.0
SHORT_LIFE_SECONDS = 1.0
OPTIONS = (
    # A connection of its own: it may be closed without a look at others to the same address.
    ("grpc.use_local_subchannel_pool", 1),
    # A replica that vanished without a word is noticed.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_metadata_size", 16 * 1024),
)


class Connection:
    """One channel to one replica of the service `name`. Usable from `open` until its link has parted or broken."""

    def __init__(self, address: str, *, name: str, max_message_bytes: int, changed: Notify, freed: Notify) -> None:
        self._peer = f"{name} {address}".lstrip()
        sizes = (
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
        )
        self.channel = grpc.aio.insecure_channel(address, options=(*OPTIONS, *sizes))
        self._max_message_bytes = max_message_bytes
        self._changed = changed
        self._freed = freed
        self._link: Link | None = None
        self._running: asyncio.Task[None] | None = None
        self._unary: dict[str, grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = {}
        self._unlinked: set[str] = set()
        self._plain = 0
        self._plain_bytes = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def open(self) -> None:
        """Connect; UnreachableError when the replica cannot be reached."""
        with contextlib.suppress(NoLinkError):
            self._link = await open_link(
                self.channel,
                peer=self._peer,
                max_response_bytes=self._max_message_bytes,
                changed=self._changed,
                freed=self._freed,
            )
            self._running = asyncio.create_task(self._link.run())

    @property
    def usable(self) -> bool:
        """Whether calls may begin here."""
        return self._link is None or not self._link.parted.is_set()

    @property
    def serving(self) -> bool:
        """Whether the replica welcomes new calls, as far as it said."""
        return self._link is None or self._link.serving

    @property
    def busy(self) -> int:
        """How many calls are under way, either way."""
        return self._plain if self._link is None else self._plain + self._link.busy

    def has_room(self, size: int) -> bool:
        """Whether a call of so many bytes may begin now; one by itself always may."""
        if self._link is not None and size <= MAX_FRAME_BYTES:
            return self._link.has_room(size)
        return not self._plain or (self._plain < MAX_CALLS and self._plain_bytes + size <= MAX_BYTES)

    async def call(self, call: Call) -> Reply:
        """The response; AioRpcError whatever else comes of it, NotSentError when nothing was sent."""
        link = self._link
        if link is None or call.path in self._unlinked or not fits(call):
            return await self._call_unary(call)
        began = asyncio.get_running_loop().time()
        reply = await link.call(call)
        if reply.code is grpc.StatusCode.OK:
            return reply
        if reply.code is grpc.StatusCode.UNIMPLEMENTED:
            # Not on links, or nowhere: as a plain call it says which.
            self._unlinked.add(call.path)
            return await self._call_unary(call.after(asyncio.get_running_loop().time() - began))
        raise failure(reply.code, reply.detail, reply.metadata)

    @contextlib.contextmanager
    def in_use(self, size: int = 0) -> Iterator[grpc.aio.Channel]:
        """The channel, not closed while the block runs."""
        self._plain += 1
        self._plain_bytes += size
        self._quiet.clear()
        try:
            yield self.channel
        finally:
            self._plain -= 1
            self._plain_bytes -= size
            if not self._plain:
                self._quiet.set()
            self._freed()

    async def worn_out(self) -> None:
        """Back when another connection should take over."""
        if self._link is not None:
            await self._link.parted.wait()
        else:
            # By then it may have been replaced by one that has links.
            await asyncio.sleep(ASK_AGAIN_SECONDS * random.uniform(0.8, 1.2))

    async def finish(self) -> None:
        """Begin nothing any more; back when what is under way has ended."""
        if self._link is not None and self._running is not None:
            self._link.part()
            await asyncio.wait([self._running])
        await self._quiet.wait()

    async def close(self) -> None:
        """Close at once; what is under way fails."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self.channel.close()

    async def _call_unary(self, call: Call) -> Reply:
        method = self._unary.get(call.path)
        if method is None:
            method = self._unary[call.path] = self.channel.unary_unary(call.path)
        with self.in_use(len(call.data)):
            sent = method(call.data, metadata=tuple(call.metadata.items()), timeout=call.seconds)
            data = await sent
            return Reply(data, metadata=tuple(await sent.trailing_metadata()))


def fits(call: Call) -> bool:
    """Whether a call is short enough for a link."""
    metadata = sum(map(len, call.metadata.values()))
    return metadata <= MAX_METADATA_BYTES and len(call.data) + metadata <= MAX_FRAME_BYTES


class Replica:
    """One address of the service `name`, connected to for as long as it is wanted."""

    def __init__(self, address: str, *, name: str, max_message_bytes: int, changed: Notify, freed: Notify) -> None:
        self._address = address
        self._name = name
        self._max_message_bytes = max_message_bytes
        self._changed = changed
        self._freed = freed
        self._current: Connection | None = None
        # All that are not closed yet: the current one, those before it, one that is being opened.
        self._connections: set[Connection] = set()
        self._finishing: set[asyncio.Task[None]] = set()
        self._trying = True
        self._keeping = asyncio.create_task(self._keep())

    @property
    def connection(self) -> Connection | None:
        """The connection that calls may begin on."""
        return self._current if self._current is not None and self._current.usable else None

    @property
    def hopeful(self) -> bool:
        """Whether there is a connection, or how the attempt to get one ends is not known yet."""
        return self._trying or self._current is not None

    async def finish(self) -> None:
        """Begin nothing any more, and close once what is under way has ended."""
        self._keeping.cancel()
        self._replace(None)
        self._trying = False
        await asyncio.wait([self._keeping, *self._finishing])
        await self.close()

    async def close(self) -> None:
        """Close at once; what is under way fails."""
        tasks = [self._keeping, *self._finishing]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for connection in self._connections:
            await connection.close()

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection = await self._connected()
            self._replace(connection)
            opened = loop.time()
            await connection.worn_out()
            if not connection.usable:
                self._replace(None)
            if loop.time() - opened < SHORT_LIFE_SECONDS:
                # One that ends as soon as it is there is no better than none.
                await asyncio.sleep(backoff(1))

    async def _connected(self) -> Connection:
        """A connection that is open, however long it takes."""
        failures = 0
        while True:
            self._trying = True
            connection = Connection(
                self._address,
                name=self._name,
                max_message_bytes=self._max_message_bytes,
                changed=self._changed,
                freed=self._freed,
            )
            self._connections.add(connection)
            try:
                await connection.open()
            except UnreachableError:
                failures += 1
            else:
                return connection
            await self._discard(connection)
            self._trying = False
            self._changed()
            await asyncio.sleep(backoff(failures))

    def _replace(self, connection: Connection | None) -> None:
        before, self._current = self._current, connection
        self._trying = connection is None
        self._changed()
        if before is not None:
            task = asyncio.create_task(self._finish(before))
            self._finishing.add(task)
            task.add_done_callback(self._finishing.discard)

    async def _finish(self, connection: Connection) -> None:
        await connection.finish()
        await self._discard(connection)

    async def _discard(self, connection: Connection) -> None:
        await connection.close()
        self._connections.discard(connection)
