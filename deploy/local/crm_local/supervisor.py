"""Keeps children alive: starts them in order, starts a crashed one again, stops them in the opposite order."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from signal import Signals
from typing import Any

from crm_local.child import Child, Program, describe_exit
from crm_local.failure import LocalFailure

FIRST_BACKOFF_SECONDS = 0.1
# Short: the whole must be ready again within ten seconds after any one was killed.
LONGEST_BACKOFF_SECONDS = 3.0
# One that was well for this long has earned a quick restart.
WELL_SECONDS = 30.0


class State(StrEnum):
    STARTING = "starting"
    READY = "ready"
    CRASHED = "crashed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Sighting:
    """How a child is right now. `pid` is 0 where it has none; (`pid`, `created`) names it for good."""

    name: str
    state: State
    pid: int
    created: float
    restarts: int
    address: str


class Keeper:
    """Keeps one program running."""

    def __init__(self, program: Program, say: Callable[[str], None], changed: Callable[[], None]) -> None:
        self.program = program
        self.restarts = 0
        self.state = State.STOPPED
        self._say = say
        self._changed = changed
        self._child: Child | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready. One that cannot even start once is not tried again."""
        child = await self._live()
        if self.state is not State.READY:
            raise LocalFailure(f"{await self._what_went_wrong(child)}; its last lines:\n{child.last_lines()}")
        self._task = asyncio.create_task(self._keep(child), name=f"keep {self.program.name}")

    async def ready(self) -> None:
        """Wait until it is ready."""
        await self._ready.wait()

    def send(self, what: Signals) -> None:
        """Send it a signal. From here on it counts as not ready if that ends it."""
        child = self._child
        if child is None or child.returncode is not None:
            raise LocalFailure(f"{self.program.name} is not running")
        if what is Signals.SIGKILL:
            self._ready.clear()
        child.send(what)

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._child and not await self._child.stop():
            self._say(f"{self.program.name} did not stop within {self.program.stop_seconds:.0f} s and was killed")
        self._become(State.STOPPED)

    def kill(self) -> None:
        """End it at once; `stop` still has to be awaited."""
        if self._child:
            self._child.send(Signals.SIGKILL)

    def sighting(self) -> Sighting:
        child = self._child
        pid, created = (child.pid, child.created) if child and child.returncode is None else (0, 0.0)
        return Sighting(self.program.name, self.state, pid, created, self.restarts, self.program.address)

    async def _live(self) -> Child:
        """Begin a life; at the end it is ready, or its child has ended or is too slow."""
        self._become(State.STARTING)
        await self.program.prepare()
        self._child = child = await Child.start(self.program)
        self._changed()
        if await child.wait_ready():
            self._become(State.READY)
        return child

    async def _keep(self, child: Child) -> None:
        """Start it again whenever it ends, sooner or later depending on how it has been doing."""
        loop = asyncio.get_running_loop()
        backoff = FIRST_BACKOFF_SECONDS
        born = loop.time()
        while True:
            if self.state is State.READY:
                await child.wait()
            what = await self._what_went_wrong(child)
            if loop.time() - born > WELL_SECONDS:
                backoff = FIRST_BACKOFF_SECONDS
            self._become(State.CRASHED)
            self._say(f"{what}; it is started again in {backoff:.1f} s; its last lines:\n{child.last_lines()}")
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF_SECONDS)
            born = loop.time()
            self.restarts += 1
            child = await self._live()
            if self.state is State.READY:
                self._say(f"{self.program.name} is ready again after {loop.time() - born:.1f} s")

    async def _what_went_wrong(self, child: Child) -> str:
        if child.returncode is None:
            await child.kill()
            return f"{self.program.name} was not ready within {self.program.ready_seconds:.0f} s and was killed"
        return f"{self.program.name} {describe_exit(child.returncode)}"

    def _become(self, state: State) -> None:
        self.state = state
        if state is State.READY:
            self._ready.set()
        else:
            self._ready.clear()
        self._changed()


class Supervisor:
    """The children of one installation, by name. `changed` is called whenever any of them changes."""

    def __init__(self, say: Callable[[str], None], changed: Callable[[], None] = lambda: None) -> None:
        self._say = say
        self._changed = changed
        self._groups: list[list[Keeper]] = []

    async def start(self, *programs: Program) -> None:
        """Start programs beside each other and wait until all are ready. Later calls are stopped earlier."""
        group = [Keeper(program, self._say, self._changed) for program in programs]
        self._groups.append(group)
        await together(*(keeper.start() for keeper in group))

    async def stop(self) -> None:
        """Stop all, those that were started last first."""
        while self._groups:
            await together(*(keeper.stop() for keeper in self._groups[-1]))
            self._groups.pop()

    def kill_all(self) -> None:
        """End all at once; `stop` still has to be awaited."""
        for keeper in self._keepers():
            keeper.kill()

    def send(self, name: str, what: Signals) -> None:
        """Send a signal to the child `name`. SIGKILL is followed by a restart, like any crash."""
        self._keeper(name).send(what)

    async def ready(self, name: str) -> None:
        """Wait until the child `name` is ready."""
        await self._keeper(name).ready()

    def sighting(self, name: str) -> Sighting:
        return self._keeper(name).sighting()

    def sightings(self) -> list[Sighting]:
        """How all are, in the order of their start."""
        return [keeper.sighting() for keeper in self._keepers()]

    def _keepers(self) -> list[Keeper]:
        return [keeper for group in self._groups for keeper in group]

    def _keeper(self, name: str) -> Keeper:
        for keeper in self._keepers():
            if keeper.program.name == name:
                return keeper
        raise LocalFailure(f"there is no process {name}")


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Do all of `work` beside each other. The first failure ends the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as failures:
        expected = failures.subgroup(LocalFailure)
        raise (expected or failures).exceptions[0] from None
