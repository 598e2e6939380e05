"""One container of a pod: started, probed, started again, stopped, as the kubelet does."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from crm_local.child import Child, Program, describe_exit
from crm_local.cluster.containers import Setup
from crm_local.cluster.probing import Probe

SANDBOX = Path(__file__).with_name("sandbox.py")
# As the kubelet waits before it starts a container again, until it was well for ten minutes.
BACKOFF_SECONDS = (0.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
WELL_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Place:
    """What a container shares with its pod: `network` is a namespace, `binds` are (source, place in it, writable)."""

    network: Path
    root: Path
    binds: tuple[tuple[str, str, bool], ...]
    log: Path


def program_of(name: str, setup: Setup, place: Place) -> Program:
    """The program that becomes the container."""
    specification = {
        "network": str(place.network),
        "root": str(place.root),
        "binds": place.binds,
        "user": setup.user,
        "group": setup.group,
        "groups": [setup.extra_group] if setup.extra_group is not None else [],
        "folder": setup.folder,
        "read_only": setup.read_only,
        "keeps_rights": setup.keeps_rights,
    }
    own = (sys.executable, "-I", "-S", str(SANDBOX), str(os.getpid()), json.dumps(specification))
    return Program(name=name, command=(*own, *setup.command), log=place.log, environment=setup.environment)


@dataclass
class Container:
    """A container that serves. `changed` is called whenever it becomes ready or is no longer."""

    program: Program
    startup: Probe | None
    liveness: Probe | None
    readiness: Probe | None
    changed: Callable[[], None]
    grace_seconds: float
    ready: bool = False
    restarts: int = 0
    # Why it cannot go on, in words for whoever wrote the manifest; it is tried again all the same.
    failure: str = ""
    # The last answer of each probe: "" for yes.
    answers: dict[str, str] = field(default_factory=dict)
    _child: Child | None = None

    @property
    def proven(self) -> bool:
        """Ready, and each of its probes has said yes at least once."""
        probes = [probe for probe in (self.startup, self.liveness, self.readiness) if probe]
        return self.ready and all(self.answers.get(probe.name) == "" for probe in probes)

    async def run(self) -> None:
        """Keep it running until cancelled."""
        loop = asyncio.get_running_loop()
        crashes = 0
        while True:
            born = loop.time()
            self._child = child = await Child.start(self.program)
            end = await self._one_life(child)
            self._set_ready(ready=False)
            self.failure = f"{self.program.name}: {end}; its last lines:\n{child.last_lines()}"
            self.restarts += 1
            crashes = 0 if loop.time() - born > WELL_SECONDS else crashes
            await asyncio.sleep(BACKOFF_SECONDS[min(crashes, len(BACKOFF_SECONDS) - 1)])
            crashes += 1

    async def stop(self, pre_stop_seconds: float) -> bool:
        """Let it leave within its grace; False when it had to be killed."""
        child = self._child
        if child is None or child.returncode is not None:
            return True
        await asyncio.sleep(pre_stop_seconds)
        child.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), max(0.0, self.grace_seconds - pre_stop_seconds))
        except TimeoutError:
            await child.kill()
            return False
        return True

    def send(self, what: signal.Signals) -> None:
        if self._child:
            self._child.send(what)

    async def _one_life(self, child: Child) -> str:
        """Until it ends, or a probe wants its end; how that came."""
        verdict: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        probing = asyncio.create_task(self._probe(verdict))
        ended = asyncio.create_task(child.wait())
        try:
            await asyncio.wait((verdict, ended), return_when=asyncio.FIRST_COMPLETED)
            if verdict.done():
                child.send(signal.SIGTERM)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(child.wait(), self.grace_seconds)
                return verdict.result()
            return describe_exit(await ended)
        finally:
            await child.kill()
            for task in (probing, ended):
                task.cancel()
            await asyncio.gather(probing, ended, return_exceptions=True)

    async def _probe(self, verdict: asyncio.Future[str]) -> None:
        """Startup first; then the others for the rest of its life."""
        self.answers.clear()
        if self.startup:
            started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._follow(self.startup, started, verdict))
            try:
                await started
            finally:
                task.cancel()
        async with asyncio.TaskGroup() as tasks:
            if self.liveness:
                tasks.create_task(self._follow(self.liveness, None, verdict))
            if self.readiness:
                tasks.create_task(self._follow(self.readiness, None, None))
            else:
                self._set_ready(ready=True)

    async def _follow(
        self, probe: Probe, started: asyncio.Future[None] | None, verdict: asyncio.Future[str] | None
    ) -> None:
        """Without a verdict to give, the probe is the one of readiness."""

        def told(reason: str) -> None:
            self.answers[probe.name] = reason

        def decided(good: bool, reason: str) -> None:
            if verdict is None:
                self._set_ready(ready=good)
            elif not good and not verdict.done():
                verdict.set_result(f"{probe.name} failed {probe.failure_threshold} times: {reason}")
            elif good and started is not None and not started.done():
                started.set_result(None)

        await probe.run(told, decided)

    def _set_ready(self, *, ready: bool) -> None:
        if ready != self.ready:
            self.ready = ready
            self.changed()
