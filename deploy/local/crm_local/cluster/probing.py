"""Probes as the kubelet executes them: what is asked, how often, and what follows from how many answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from crm_local.cluster.manifests import Resource, port_number
from crm_local.failure import LocalFailure

# Asks once; the reason why the answer is no, or "" for yes.
Ask = Callable[[], Awaitable[str]]
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
TIMINGS = {"initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"}


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of a container, by Kubernetes' defaults where its manifest says nothing."""

    name: str
    ask: Ask
    initial_delay_seconds: float = 0
    period_seconds: float = 10
    timeout_seconds: float = 1
    success_threshold: int = 1
    failure_threshold: int = 3

    async def once(self) -> str:
        """One try: why it failed, or ""."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await self.ask()
        except TimeoutError:
            return f"no answer within {self.timeout_seconds} s"
        except OSError as error:
            return error.strerror or type(error).__name__

    async def run(self, told: "Callable[[str], None]", decided: "Callable[[bool, str], None]") -> None:
        """Ask for ever. `told` hears of each try, `decided` when a threshold is reached, with the last reason."""
        await asyncio.sleep(self.initial_delay_seconds)
        successes = failures = 0
        while True:
            reason = await self.once()
            told(reason)
            successes, failures = (0, failures + 1) if reason else (successes + 1, 0)
            if successes == self.success_threshold:
                decided(True, "")
            elif failures == self.failure_threshold:
                decided(False, reason)
            await asyncio.sleep(self.period_seconds)


def probe_of(name: str, container: Resource, host: str) -> Probe | None:
    """The probe that the container declares under this name; LocalFailure when it could not be executed."""
    declared = container.get(name)
    if declared is None:
        return None
    try:
        ask = ask_of(declared, container, host)
    except LocalFailure as failure:
        raise LocalFailure(f"{name}: {failure}") from None
    usual = Probe("", ask)
    return Probe(
        name,
        ask,
        declared.get("initialDelaySeconds", usual.initial_delay_seconds),
        declared.get("periodSeconds", usual.period_seconds),
        declared.get("timeoutSeconds", usual.timeout_seconds),
        declared.get("successThreshold", usual.success_threshold),
        declared.get("failureThreshold", usual.failure_threshold),
    )


def ask_of(declared: Resource, container: Resource, host: str) -> Ask:
    """What the probe asks."""
    kinds = sorted(declared.keys() - TIMINGS)
    match kinds:
        case ["httpGet"]:
            get = declared["httpGet"]
            return http_get(host, port_number(get["port"], [container]), get.get("path", "/"))
        case ["grpc"]:
            return grpc_check(host, declared["grpc"]["port"], declared["grpc"].get("service", ""))
        case ["tcpSocket"]:
            return tcp_connect(host, port_number(declared["tcpSocket"]["port"], [container]))
    raise LocalFailure(f"{', '.join(kinds)} cannot be executed here")


def http_get(host: str, port: int, path: str) -> Ask:
    """An HTTP answer below 400."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: kube-probe\r\nConnection: close\r\n\r\n"

    async def ask() -> str:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(request.encode())
            words = (await reader.readline()).split()
        finally:
            writer.close()
        if len(words) < 2:
            return f"GET :{port}{path}: no HTTP answer"
        status = int(words[1])
        return "" if 200 <= status < 400 else f"GET :{port}{path}: {status}"

    return named(ask, f":{port}{path}")


def grpc_check(host: str, port: int, service: str) -> Ask:
    """SERVING from the gRPC health service."""

    async def ask() -> str:
        # A channel that finds nobody waits before it tries again; a bare connection tells at once.
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        options: Sequence[tuple[str, int]] = [("grpc.enable_http_proxy", 0)]
        async with grpc.aio.insecure_channel(f"{host}:{port}", options=options) as channel:
            request = health_pb2.HealthCheckRequest(service=service)
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(request)
            except grpc.aio.AioRpcError as error:
                return f"grpc :{port} {service!r}: {error.code().name} {error.details()}"
        state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        return "" if state == "SERVING" else f"grpc :{port} {service!r}: {state}"

    return named(ask, f":{port}")


def tcp_connect(host: str, port: int) -> Ask:
    """Somebody who takes connections."""

    async def ask() -> str:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        return ""

    return named(ask, f":{port}")


def named(ask: Ask, where: str) -> Ask:
    """With the place in the reason when nobody is there."""

    async def asked() -> str:
        try:
            return await ask()
        except OSError as error:
            return f"{where}: {error.strerror or type(error).__name__}"

    return asked
