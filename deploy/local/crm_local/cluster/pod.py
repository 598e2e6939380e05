"""One pod: a network of its own, its volumes, its containers in order."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from signal import Signals

from crm_local.child import Program, run_to_end
from crm_local.cluster import network
from crm_local.cluster.container import Container, Place, program_of
from crm_local.cluster.containers import Sources, setup_of, size_of
from crm_local.cluster.images import DOCKERFILE, image_of
from crm_local.cluster.manifests import Resource
from crm_local.cluster.plan import pre_stop_seconds
from crm_local.cluster.probing import PROBES, probe_of

GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Ground:
    """What all pods stand on. `binds` is what an image holds; `etc` is the folder that names are looked up in."""

    folder: Path
    logs: Path
    etc: Path
    binds: tuple[tuple[str, str, bool], ...]
    sources: Sources


@dataclass
class Pod:
    """A pod of `specification`; `number` is its address on the network."""

    name: str
    labels: dict[str, str]
    specification: Resource
    number: int
    ground: Ground
    changed: Callable[[], None]
    containers: list[Container] = field(default_factory=list)
    leaving: bool = False
    _namespace: Path = Path()
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    @property
    def address(self) -> str:
        return network.address(self.number)

    @property
    def ready(self) -> bool:
        return not self.leaving and bool(self.containers) and all(each.ready for each in self.containers)

    @property
    def proven(self) -> bool:
        return self.ready and all(each.proven for each in self.containers)

    @property
    def failure(self) -> str:
        """Why one of its containers cannot go on, or has not become ready yet; empty when all is well."""
        return next((each.failure for each in self.containers if each.failure), "")

    @property
    def unanswered(self) -> str:
        """The probes that have not said yes, each with its reason."""
        return "; ".join(
            f"{each.program.name}: {probe}: {each.answers.get(probe, 'not asked yet')}"
            for each in self.containers
            for probe in PROBES
            if each.answers.get(probe) != ""
        )

    async def start(self) -> None:
        """Run the containers that come first to their end, then start the others."""
        await self._prepare()
        for container in self.specification.get("initContainers", ()):
            await run_to_end(self._program(container))
        self.containers = [self._container(each) for each in self.specification["containers"]]
        self._tasks = [asyncio.create_task(each.run(), name=each.program.name) for each in self.containers]

    async def run_to_end(self) -> None:
        """For a pod of a Job: each container once, to its end."""
        await self._prepare()
        try:
            for container in (*self.specification.get("initContainers", ()), *self.specification["containers"]):
                await run_to_end(self._program(container))
        finally:
            await self._clear()

    async def execute(self, *command: str, **variables: str) -> None:
        """Run another command in the first container's place, as `kubectl exec` does, with more variables."""
        program = self._program(self.specification["containers"][0], *command)
        await run_to_end(replace(program, environment={**program.environment, **variables}))

    async def stop(self) -> list[str]:
        """Leave: callers see it go, then each container gets its time. The names of those that had to be killed."""
        self.leaving = True
        self.changed()
        seconds = [pre_stop_seconds(each) for each in self.specification["containers"]]
        ended = await asyncio.gather(
            *(each.stop(pre_stop) for each, pre_stop in zip(self.containers, seconds, strict=False))
        )
        await self.kill()
        return [each.program.name for each, by_itself in zip(self.containers, ended, strict=True) if not by_itself]

    async def kill(self) -> None:
        """End it at once."""
        self.leaving = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._clear()

    def send(self, what: Signals) -> None:
        for each in self.containers:
            each.send(what)

    def log(self) -> str:
        return "".join(file.read_text(errors="replace") for file in sorted(self.ground.logs.glob(f"{self.name}_*.log")))

    @property
    def _folder(self) -> Path:
        return self.ground.folder / self.name

    async def _prepare(self) -> None:
        self._namespace = await network.add_pod(self.number)
        group = self.specification.get("securityContext", {}).get("fsGroup", 0)
        for volume in self.specification.get("volumes", ()):
            size = size_of(str(volume["emptyDir"].get("sizeLimit", "0")))
            folder = self._folder / volume["name"]
            folder.mkdir(parents=True)
            options = f"size={size},mode=2777,gid={group}"
            await asyncio.to_thread(network.shell, f"mount -t tmpfs -o {options} tmpfs '{folder}'")

    async def _clear(self) -> None:
        if not self._namespace.name:
            return
        self._namespace = Path()
        for volume in self.specification.get("volumes", ()):
            await asyncio.to_thread(network.shell, f"umount -l '{self._folder / volume['name']}'")
        await network.remove_pod(self.number)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _program(self, container: Resource, *command: str) -> Program:
        name = f"{self.name}/{container['name']}"
        image = image_of(container["image"], DOCKERFILE.read_text())
        setup = setup_of(self.specification, container, image, self.ground.sources)
        root = self._folder / f"root-{container['name']}"
        root.mkdir(parents=True, exist_ok=True)
        volumes = tuple((str(self._folder / volume), place, True) for place, volume in setup.mounts.items())
        # Outer places first: a volume at /tmp hides no code that lies below /tmp.
        binds = sorted((*self.ground.binds, (str(self.ground.etc), "/etc", False), *volumes), key=depth_of)
        log = self.ground.logs / f"{self.name}_{container['name']}.log"
        place = Place(self._namespace, root, tuple(binds), log)
        return program_of(name, replace(setup, command=command or setup.command), place)

    def _container(self, container: Resource) -> Container:
        startup, liveness, readiness = (probe_of(probe, container, self.address) for probe in PROBES)
        grace = self.specification.get("terminationGracePeriodSeconds", GRACE_SECONDS)
        return Container(self._program(container), startup, liveness, readiness, self.changed, grace)


def depth_of(bind: tuple[str, str, bool]) -> int:
    """How many folders deep the place of a bind is."""
    return len(PurePosixPath(bind[1]).parts)
