"""An overlay's manifests run here as a cluster would run them, and a broken one is refused by name."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from crm_local.cluster.cluster import ROOT
from crm_local.cluster.manifests import rendered
from crm_local.port_check import free_ports

from tests.service.eventually import eventually


def may_have_pods() -> bool:
    """Whether this machine lets us have networks and mounts of our own: some containers do not, root or not."""
    if os.geteuid() != 0:
        return False
    command = ["unshare", "--net", "--mount", "ip", "link", "add", "one", "type", "veth", "peer", "name", "other"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not may_have_pods(), reason="pods need namespaces of their own, so root and its rights")
READY_SECONDS = 240
# User, groups, capabilities now and ever, and whether there is a way to more.
RIGHTS = {"Uid": "10001", "Gid": "10001", "Groups": "10001", "CapEff": "0", "CapBnd": "0", "NoNewPrivs": "1"}
Change = Callable[[dict[str, Any]], None]


def manifests(kept: Iterable[str], change: Change) -> str:
    """The production overlay after a change, its workloads but these scaled to none."""
    text = rendered(ROOT / "deploy" / "k8s" / "overlays" / "production")
    resources = {f"{each['kind']}/{each['metadata']['name']}": each for each in yaml.safe_load_all(text)}
    for title, each in list(resources.items()):
        if title not in kept and each["kind"] == "Deployment":
            each["spec"]["replicas"] = 0
        if title not in kept and each["kind"] == "Job":
            del resources[title]
    change(resources)
    return yaml.safe_dump_all(resources.values())


def server(resources: dict[str, Any], workload: str) -> Any:
    return resources[workload]["spec"]["template"]["spec"]["containers"][0]


def without(workload: str, variable: str) -> Change:
    def change(resources: dict[str, Any]) -> None:
        container = server(resources, workload)
        container["env"] = [each for each in container["env"] if each["name"] != variable]

    return change


def without_setting(variable: str) -> Change:
    def change(resources: dict[str, Any]) -> None:
        for each in resources.values():
            if each["kind"] == "ConfigMap":
                del each["data"][variable]

    return change


def gateway_probe(probe: str, **get: Any) -> Change:
    """A probe of the gateway that asks something else, and is soon out of patience."""

    def change(resources: dict[str, Any]) -> None:
        declared = server(resources, "Deployment/gateway")[probe]
        declared["httpGet"] |= get
        declared |= {"periodSeconds": 1, "failureThreshold": 8 if probe == "startupProbe" else 2}

    return change


GATEWAY, SALES = ("Deployment/gateway",), ("Deployment/sales", "Job/sales-migrate-0.1.0")
MIGRATION = "Job/sales-migrate-0.1.0"
# What is broken -> the workloads that are run, how it is broken, and what is said.
BROKEN: dict[str, tuple[tuple[str, ...], Change, str]] = {
    "a variable of a service": (
        SALES,
        without("Deployment/sales", "CRM_PAGE_TOKEN_KEY"),
        r"Deployment/sales: sales-1/server: .* CRM_PAGE_TOKEN_KEY: Field required",
    ),
    "the broker of a service": (
        SALES,
        without("Deployment/sales", "CRM_NATS_URL"),
        r"Deployment/sales: sales-1/server: .* CRM_NATS_URL: Field required",
    ),
    "where another service is": (
        SALES,
        without_setting("CRM_SCORING_ADDRESS"),
        r"Deployment/sales: sales-1/server: .* CRM_SCORING_ADDRESS: Field required",
    ),
    "a variable of a job": (
        SALES,
        without(MIGRATION, "CRM_MIGRATION_DATABASE_URL"),
        rf"{MIGRATION}: .* CRM_MIGRATION_DATABASE_URL: Field required",
    ),
    "the port of a probe": (
        GATEWAY,
        gateway_probe("startupProbe", port=8089),
        r"gateway-1/server: startupProbe failed 8 times: :8089/health/live: ",
    ),
    "a liveness that cannot be": (
        GATEWAY,
        gateway_probe("livenessProbe", path="/health/alive"),
        r"gateway-1/server: livenessProbe failed 2 times: GET :8081/health/alive: 404",
    ),
    "a readiness that cannot be": (
        GATEWAY,
        gateway_probe("readinessProbe", path="/nowhere"),
        r"gateway: not ready within 8 s: gateway-1/server: readinessProbe: GET :8081/nowhere: 404",
    ),
}


# The others take longer, as they wait for a probe that never passes.
@pytest.mark.parametrize(
    "what", [pytest.param(each, marks=() if "variable" in each else pytest.mark.platform) for each in BROKEN]
)
def test_a_manifest_that_cannot_work_is_refused_by_name(what: str, tmp_path: Path) -> None:
    kept, change, refusal = BROKEN[what]
    file = tmp_path / "rendered.yaml"
    file.write_text(manifests(kept, change))
    ready_seconds = "8" if "readiness" in what else "120"
    command = [sys.executable, "-m", "crm_local.cluster", str(file), "--replicas", "1", "--check"]
    done = subprocess.run(
        [*command, "--ready-seconds", ready_seconds], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1
    assert re.search(refusal, done.stderr, re.DOTALL), done.stderr
    assert "Traceback" not in done.stderr


@asynccontextmanager
async def running(overlay: str, port: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """An overlay with one of each, once all of it is ready, and the demo tenant's password; its Ingress at the port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crm_local.cluster", overlay, "--replicas", "1", "--port", str(port)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    told = b""
    try:
        async with asyncio.timeout(READY_SECONDS):
            while b"sign in:" not in told:
                line = await process.stdout.readline()
                assert line, told.decode()
                told += line
        yield process, told.decode().rpartition("password ")[2].strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 120)


@pytest.mark.platform
async def test_an_overlay_runs_as_its_manifests_say_and_nothing_is_left_of_it() -> None:
    port = free_ports().gateway
    async with running("production", port) as (process, password):
        pods = [each for each in psutil.Process(process.pid).children(recursive=True) if "serve" in each.cmdline()]
        assert len(pods) == 5
        for pod in pods:
            assert rights_of(pod) == RIGHTS
            assert not can_write(pod)
        assert len({network_of(each) for each in (*pods, psutil.Process())}) == 6
        login = {"tenant": "demo", "login": "admin@demo.example", "password": password}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http:
            token = (await http.post("/v1/auth:token", json=login)).json()["access_token"]
            body = {"kind": "ORGANIZATION", "display_name": "集群"}
            created = await http.post("/v1/accounts", json=body, headers={"authorization": f"Bearer {token}"})
        assert created.status_code == 201

    async def all_are_gone() -> bool:
        return not any(pod.is_running() and pod.status() != psutil.STATUS_ZOMBIE for pod in pods)

    await eventually(all_are_gone)
    assert process.returncode == 0


def can_write(process: psutil.Process) -> bool:
    """Whether anybody could, in the file system that it sees."""
    try:
        Path(f"/proc/{process.pid}/root/written").touch()
    except OSError as error:
        assert error.strerror == "Read-only file system"
        return False
    return True


def network_of(process: psutil.Process) -> Path:
    return Path(f"/proc/{process.pid}/ns/net").readlink()


def rights_of(process: psutil.Process) -> dict[str, str]:
    """What the kernel says of it, the first of each."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return {name: status[name].split()[0].lstrip("0") or "0" for name in RIGHTS}
