"""A cluster of one machine: what the manifests of an overlay say, as processes with networks of their own."""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from socket import socket

from crm_local.cluster import network
from crm_local.cluster.balancer import Balancer, listen
from crm_local.cluster.connections import connections_of
from crm_local.cluster.containers import Sources
from crm_local.cluster.data import NAMES, Data
from crm_local.cluster.deployment import Deployment
from crm_local.cluster.images import DOCKERFILE
from crm_local.cluster.manifests import Manifests, Resource, labels_of, name_of, pod_of, replicas_of, selects, title
from crm_local.cluster.names import (
    is_headless,
    make_etc,
    names_of_service,
    target_port,
    write_hosts,
)
from crm_local.cluster.plan import problems_of
from crm_local.cluster.pod import Ground, Pod
from crm_local.credentials import Credentials
from crm_local.failure import LocalFailure
from crm_local.probes import http_get_json
from crm_local.processes import DEMO_LOGIN, DEMO_TENANT
from crm_local.supervisor import together
from crm_local.terminal import Terminal

ROOT = Path(__file__).resolve().parents[4]
GATEWAY = "gateway"
REACHED_SECONDS = 20.0


class Cluster:
    """`start` comes first, `stop` last. `replicas` of each deployment that has any, or as many as its manifest says."""

    def __init__(
        self,
        manifests: Manifests,
        folder: Path,
        terminal: Terminal,
        *,
        replicas: int | None = None,
        ready_seconds: float = 120.0,
        entrance: socket | None = None,
    ) -> None:
        self._manifests = manifests
        self._terminal = terminal
        self._ready_seconds = ready_seconds
        self._entrance = entrance
        self.credentials = Credentials()
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.data = Data(
            folder, self.logs, terminal, self.credentials, connections=connections_of(manifests, replicas=replicas)
        )
        sources = Sources(manifests.config_maps, self.data.secrets())
        self._ground = Ground(folder / "pods", self.logs, folder / "etc", image_binds(), sources)
        self._pod_numbers = itertools.count(network.FIRST_POD)
        self._service_numbers = itertools.count(network.FIRST_SERVICE)
        self._addresses: dict[str, str] = {}
        self._balancers: list[Balancer] = []
        self.deployments = [self._deployment(each, replicas_of(each, replicas)) for each in manifests.of("Deployment")]

    @property
    def rest_url(self) -> str:
        """The gateway's service, for who is on the network of the pods."""
        return f"http://{self._addresses[GATEWAY]}"

    @property
    def demo_login(self) -> dict[str, str]:
        return {"tenant": DEMO_TENANT, "login": DEMO_LOGIN, "password": self.credentials.demo_password}

    def deployment(self, name: str) -> Deployment:
        """LocalFailure when there is none of this name."""
        for each in self.deployments:
            if each.name == name:
                return each
        raise LocalFailure(f"there is no Deployment {name}")

    async def start(self) -> None:
        """All that the manifests say, in the order in which deploy/k8s/README.md tells to apply it."""
        if problems := list(problems_of(self._manifests, self._ground.sources, DOCKERFILE.read_text())):
            raise LocalFailure("\n".join(problems))
        self._ground.folder.mkdir()
        self._ground.etc.mkdir()
        make_etc(self._ground.etc)
        await self.data.start()
        await self._open_services()
        await together(*(self._run_job(each) for each in self._manifests.of("Job")))
        await together(*(self._roll_out(each) for each in self.deployments))
        await self._until_all_are_reached()
        await self._seed()

    async def stop(self) -> None:
        """End everything."""
        for balancer in self._balancers:
            await balancer.stop()
        await asyncio.gather(*(each.stop() for each in self.deployments))
        await self.data.stop()

    def _deployment(self, resource: Resource, replicas: int) -> Deployment:
        numbers = itertools.count(1)
        return Deployment(
            resource, replicas, lambda: self._pod(resource, f"-{next(numbers)}"), ready_seconds=self._ready_seconds
        )

    def _pod(self, workload: Resource, suffix: str = "") -> Pod:
        name, number = f"{name_of(workload)}{suffix}", next(self._pod_numbers)
        return Pod(name, dict(labels_of(workload)), pod_of(workload), number, self._ground, self._write_hosts)

    async def _run_job(self, job: Resource) -> None:
        async with self._terminal.step(title(job)):
            try:
                await self._pod(job).run_to_end()
            except LocalFailure as failure:
                raise LocalFailure(f"{title(job)}: {failure}") from None

    async def _roll_out(self, deployment: Deployment) -> None:
        async with self._terminal.step(title(deployment.resource)) as step:
            await deployment.start()
            step.detail = ", ".join(f"{pod.name} {pod.address}" for pod in deployment.pods)

    # --- names and ways in ---

    async def _open_services(self) -> None:
        for service in self._manifests.of("Service"):
            if not is_headless(service):
                await self._open_service(service)
        self._write_hosts()
        if self._entrance is not None:
            service, port = self._behind_entrance()
            await self._balance(self._entrance, service, port)

    async def _open_service(self, service: Resource) -> None:
        number = next(self._service_numbers)
        await network.add_service(number)
        self._addresses[name_of(service)] = network.address(number)
        for port in service["spec"]["ports"]:
            await self._balance(listen(network.address(number), port["port"]), service, port)

    async def _balance(self, listening: socket, service: Resource, port: Resource) -> None:
        def endpoints() -> Sequence[tuple[str, int]]:
            return [
                (pod.address, target_port(port, deployment.resource))
                for deployment in self.deployments
                for pod in deployment.pods
                if pod.ready and selects(service["spec"]["selector"], pod.labels)
            ]

        balancer = Balancer(listening, endpoints)
        await balancer.start()
        self._balancers.append(balancer)

    def _behind_entrance(self) -> tuple[Resource, Resource]:
        """The service and port that the Ingress leads to, or the gateway's where there is none."""
        services = {name_of(each): each for each in self._manifests.of("Service")}
        name, port = GATEWAY, None
        for ingress in self._manifests.of("Ingress"):
            backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
            name, port = backend["name"], backend["port"]
            if name not in services:
                raise LocalFailure(f"{title(ingress)}: there is no Service {name}")
        for each in services[name]["spec"]["ports"]:
            if port is None or port in ({"name": each.get("name")}, {"number": each["port"]}):
                return services[name], each
        raise LocalFailure(f"the Ingress leads to port {port} of Service {name}, which has none such")

    def _write_hosts(self) -> None:
        """Names mean ready pods only, so this is done whenever one becomes ready or is no longer."""
        pods = [pod for each in self.deployments for pod in each.pods if pod.ready]
        addresses: dict[str, list[str]] = dict(NAMES)
        for service in self._manifests.of("Service"):
            name = name_of(service)
            found = [pod.address for pod in pods if selects(service["spec"]["selector"], pod.labels)]
            addresses[names_of_service(service)] = found if is_headless(service) else [self._addresses[name]]
        write_hosts(self._ground.etc, addresses)

    async def _until_all_are_reached(self) -> None:
        """Each gateway is ready by itself; whether it finds the services is another question."""
        async with self._terminal.step("the gateways reach all services"):
            for pod in self.deployment(GATEWAY).pods:
                port = int(pod.specification["containers"][0]["ports"][0]["containerPort"])
                await self._until_reached(pod, port)

    async def _until_reached(self, pod: Pod, port: int) -> None:
        deadline = asyncio.get_running_loop().time() + REACHED_SECONDS
        while True:
            health = await http_get_json(pod.address, port, "/health/services")
            away = {name: state for name, state in health.get("services", {}).items() if state != "SERVING"}
            if health and not away:
                return
            if asyncio.get_running_loop().time() > deadline:
                settings = {
                    variable: value
                    for config in self._manifests.config_maps.values()
                    for variable, value in config.items()
                    if variable.removeprefix("CRM_").removesuffix("_ADDRESS").lower() in away
                }
                raise LocalFailure(f"{pod.name} does not reach {json.dumps(away)}, by {json.dumps(settings)}")
            await asyncio.sleep(0.2)

    async def _seed(self) -> None:
        async with self._terminal.step(f"tenant {DEMO_TENANT}"):
            pod = self.deployment("customer").pods[0]
            command = ("python", "-m", "crm_customer", "seed-demo")
            await pod.execute(*command, CRM_DEMO_PASSWORD=self.credentials.demo_password)


def image_binds() -> tuple[tuple[str, str, bool], ...]:
    """What an image would hold: this Python with its packages, ours among them, and the system's libraries."""
    return tuple((source, place, False) for source, place in _held())


def _held() -> Iterator[tuple[str, str]]:
    for folder in ("/usr", "/bin", "/lib", "/lib64"):
        if Path(folder).is_dir() and not Path(folder).is_symlink():
            yield folder, folder
    yield sys.prefix, "/app"
    for folder in (sys.base_prefix, *map(str, sorted(packages()))):
        if not folder.startswith("/usr"):
            yield folder, folder


def packages() -> Iterator[Path]:
    """The folders of our own packages, which the environment only refers to."""
    yield from (path for path in (ROOT / "libs").iterdir() if path.is_dir())
    yield from (path for path in (ROOT / "services").iterdir() if path.is_dir())
    yield ROOT / "gateway"
