"""Carries connections to a service's pods, each to any that is ready, as kube-proxy does."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Sequence

CHUNK = 65_536
Endpoints = Callable[[], Sequence[tuple[str, int]]]


class Balancer:
    """Takes connections at a socket from `start` to `stop`."""

    def __init__(self, listening: socket.socket, endpoints: Endpoints) -> None:
        self._listening = listening
        self._endpoints = endpoints
        self._carried: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, sock=self._listening)

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._carried):
            task.cancel()
        await asyncio.gather(*self._carried, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            endpoints = self._endpoints()
            if endpoints:
                host, port = random.choice(endpoints)
                there_reader, there_writer = await asyncio.open_connection(host, port)
                await asyncio.gather(_carry(reader, there_writer), _carry(there_reader, writer))
        writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, to its end."""
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    listening.listen(1024)
    listening.setblocking(False)
    return listening
