"""A deployment: so many pods of one kind, started and replaced as its manifest says."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from crm_local.cluster.manifests import Resource, name_of, title
from crm_local.cluster.pod import Pod
from crm_local.failure import LocalFailure
from crm_local.supervisor import together

POLL_SECONDS = 0.1
ONE_BY_ONE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


@dataclass
class Deployment:
    """`make` gives a pod that has not been started yet; a pod may take `ready_seconds` to become ready."""

    resource: Resource
    replicas: int
    make: Callable[[], Pod]
    ready_seconds: float
    pods: list[Pod] = field(default_factory=list)
    # Containers that did not leave within their grace.
    killed: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return name_of(self.resource)

    async def start(self) -> None:
        """All pods, ready; LocalFailure that names container, probe, variable or port when that cannot be."""
        await together(*(self._add() for _ in range(self.replicas)))

    async def restart(self) -> None:
        """Replace every pod, as `kubectl rollout restart` does."""
        if self.resource["spec"].get("strategy") != ONE_BY_ONE:
            raise LocalFailure(f"{title(self.resource)}: only maxSurge 1 with maxUnavailable 0 is rolled out here")
        for old in list(self.pods):
            await self._add()
            self.pods.remove(old)
            self.killed += await old.stop()

    async def stop(self) -> None:
        """End all at once."""
        await asyncio.gather(*(pod.kill() for pod in self.pods))

    async def _add(self) -> None:
        pod = self.make()
        self.pods.append(pod)
        await pod.start()
        await self._until_proven(pod)

    async def _until_proven(self, pod: Pod) -> None:
        """Ready, and each probe has said yes once. One that ends before that would be started again for ever."""
        try:
            async with asyncio.timeout(self.ready_seconds):
                while not pod.proven:
                    if pod.failure:
                        raise LocalFailure(f"{title(self.resource)}: {pod.failure}")
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise LocalFailure(
                f"{title(self.resource)}: not ready within {self.ready_seconds:.0f} s: {pod.unanswered}"
            ) from None
