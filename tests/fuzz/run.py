"""One run of both fuzzers on a platform of its own."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from crm_local.child import Child, Program
from crm_local.port_check import free_ports
from crm_local.processes import gateway_program
from crm_local.settings import GATEWAY, SERVICES
from crm_local.testing import Platform, platform_for_tests

from tests.fuzz.grpc_fuzzer import GrpcFindings, GrpcFuzzer
from tests.fuzz.logs import exceptions_in
from tests.fuzz.rest_fuzzer import RestFindings, fuzz_rest
from tests.load.meter import machine

UNLIMITED = {f"CRM_RATE_LIMIT_{name}": "0" for name in ("TOKEN", "TENANT", "ANONYMOUS")}
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and which of the two; half of the time is for each."""

    seconds: float = 120.0
    seed: int = 1
    rest: bool = True
    grpc: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; an exception in a log is one of a process -> how it reads."""

    machine: dict[str, object]
    plan: Plan
    rest: RestFindings
    grpc: GrpcFindings
    exceptions: dict[str, list[str]]

    @property
    def failures(self) -> int:
        return sum(self.rest.failed.values()) + sum(self.grpc.failed.values())


async def run_fuzz(plan: Plan) -> Report:
    """Start a platform, fuzz it, and read its logs."""
    async with platform_for_tests() as platform:
        rest, grpc = RestFindings(), GrpcFindings()
        parts = plan.rest + plan.grpc
        with TemporaryDirectory() as folder:
            gateway = await unlimited_gateway(platform, Path(folder))
            try:
                token = await signed_in(platform)
                if plan.grpc:
                    addresses = {name: platform.address(name) for name in SERVICES}
                    grpc = await GrpcFuzzer(addresses, token, plan.seed).run(plan.seconds / parts)
                if plan.rest:
                    url = f"http://{gateway.program.address}"
                    rest = await fuzz_rest(
                        url, token, seconds=plan.seconds / parts, seed=plan.seed, folder=Path(folder)
                    )
            finally:
                await gateway.stop()
        exceptions = {name: exceptions_in(platform.log(name)) for name in (*SERVICES, GATEWAY)}
    return Report(machine(), plan, rest, grpc, {name: told for name, told in exceptions.items() if told})


async def unlimited_gateway(platform: Platform, folder: Path) -> Child:
    """A gateway beside the platform's that does not count requests."""
    ports = free_ports()
    variables = platform.environment(GATEWAY) | UNLIMITED | {"CRM_LISTEN_ADDRESS": ports.address(GATEWAY)}
    program: Program = gateway_program(variables, ports, folder / "gateway.log", START_SECONDS)
    child = await Child.start(program)
    if not await child.wait_ready():
        raise RuntimeError(f"the gateway did not start:\n{child.last_lines()}")
    return child


async def signed_in(platform: Platform) -> str:
    """The administrator's token."""
    async with httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=20) as client:
        answer = await client.post("/v1/auth:token", json=platform.demo_login)
    return str(answer.raise_for_status().json()["access_token"])
