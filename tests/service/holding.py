"""Finds whoever waits for something else while they hold a connection of the pool.

A few who do so at once take all connections and wait for each other; and of the pool's size no test would find them.
"""

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from types import FrameType
from typing import Any

from crm_kit.database.connections import Connection, Use
from crm_kit.rpc.clients import ServiceClient
from pytest import MonkeyPatch

# By what services begin to work. What a test does by itself is its own: it holds what others are to wait for.
ENTRANCES = ("/crm_kit/rpc/", "/crm_kit/events/", "/crm_kit/background.py")
# What a task and those that it began hold, as far as it is still held.
held: ContextVar[tuple[Use, ...]] = ContextVar("held", default=())


class Held:
    """The connections that are in use, and where somebody who holds one waited for more."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._used: set[Use] = set()

    def take(self, use: Use) -> None:
        if any(entrance in line for line in stack() for entrance in ENTRANCES):
            held.set((*self._of_task(), use))
            self._used.add(use)

    def give_back(self, use: Use) -> None:
        self._used.discard(use)

    def require_none(self, what: str, *, of: object = None) -> None:
        """Note it when the task holds a connection: of one database, or of any."""
        if any(of is None or use._database is of for use in self._of_task()):
            self.found.append("\n  ".join([what, *(line for line in stack() if "/crm_" in line)]))

    def _of_task(self) -> tuple[Use, ...]:
        return tuple(use for use in held.get() if use in self._used)


def stack() -> list[str]:
    """Where the task is, the outermost first."""
    frame: FrameType | None = sys._getframe()
    lines = list[str]()
    while frame is not None:
        lines.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return lines[::-1]


@contextlib.contextmanager
def watched_connections() -> Iterator[Held]:
    """Notes in the block who waits for a connection, or for another service, while they hold a connection."""
    watch = Held()
    enter, leave, call = Use.__aenter__, Use.__aexit__, ServiceClient.call

    async def entered(use: Use) -> Connection:
        watch.require_none("a connection is waited for", of=use._database)
        connection = await enter(use)
        watch.take(use)
        return connection

    async def left(use: Use, *error: Any) -> None:
        watch.give_back(use)
        await leave(use, *error)

    async def called(client: ServiceClient, path: str, *args: Any, **kwargs: Any) -> Any:
        watch.require_none(f"{path} is called")
        return await call(client, path, *args, **kwargs)

    with MonkeyPatch.context() as patch:
        patch.setattr(Use, "__aenter__", entered)
        patch.setattr(Use, "__aexit__", left)
        patch.setattr(ServiceClient, "call", called)
        yield watch
