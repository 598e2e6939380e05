"""A cluster, as a chaos run looks at a platform."""

import asyncio
import itertools
import json
from signal import Signals

from crm_local.cluster.cluster import Cluster
from crm_local.settings import BACKENDS

from tests.service.eventually import eventually


class ClusterPlatform:
    """`kill` of a service takes one pod after the other."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._turns = itertools.count()

    @property
    def rest_url(self) -> str:
        return self._cluster.rest_url

    @property
    def demo_login(self) -> dict[str, str]:
        return self._cluster.demo_login

    def superuser_url(self, database: str = "postgres") -> str:
        return self._cluster.data.postgres.url(database)

    def kill(self, name: str, what: Signals = Signals.SIGKILL) -> None:
        if name in BACKENDS:
            self._cluster.data.keepers[name].send(name, what)
            return
        pods = self._cluster.deployment(name.replace("_", "-")).pods
        pods[next(self._turns) % len(pods)].send(what)

    async def ready(self, name: str, seconds: float = 60.0) -> None:
        """For a service: until one of its pods is."""
        if name in BACKENDS:
            async with asyncio.timeout(seconds):
                await self._cluster.data.keepers[name].ready(name)
            return

        async def one_is() -> bool:
            return any(pod.ready for pod in self._cluster.deployment(name.replace("_", "-")).pods)

        await eventually(one_is, seconds=seconds)

    def log(self, name: str) -> str:
        """As on a console: each event, and below it the exception it had."""
        pods = self._cluster.deployment(name.replace("_", "-")).pods
        return "\n".join(on_console(line) for pod in pods for line in pod.log().splitlines())


def on_console(line: str) -> str:
    """One line of a log in JSON as it would be on a console."""
    try:
        told = json.loads(line)
    except ValueError:
        return line
    return f"{told.get('timestamp', '')} {told.get('event', line)}\n{told.get('exception', '')}"
