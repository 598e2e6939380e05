"""Probes decide after as many answers in a row as their manifest says, and a container follows what they decide."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path

import pytest
from crm_local.child import Program
from crm_local.cluster.balancer import Balancer, listen
from crm_local.cluster.container import Container
from crm_local.cluster.names import names_of_service, write_hosts
from crm_local.cluster.probing import Probe, http_get, probe_of, tcp_connect
from crm_local.failure import LocalFailure
from hypothesis import given
from hypothesis import strategies as st

from tests.service.eventually import eventually


class NoMoreAnswersError(Exception):
    """The test has seen enough."""


def probe_with(answers: list[str], successes: int = 1, failures: int = 3) -> Probe:
    left = iter(answers)

    async def ask() -> str:
        try:
            return next(left)
        except StopIteration:
            raise NoMoreAnswersError from None

    return Probe("p", ask, period_seconds=0, success_threshold=successes, failure_threshold=failures)


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 4), st.integers(1, 4))
async def test_a_probe_decides_once_in_each_run_that_is_long_enough(
    answers: list[bool], successes: int, failures: int
) -> None:
    runs = [(good, len(list(run))) for good, run in groupby(answers)]
    expected = [good for good, length in runs if length >= (successes if good else failures)]
    decisions: list[bool] = []
    probe = probe_with(["" if good else "no" for good in answers], successes, failures)
    with pytest.raises(NoMoreAnswersError):
        await probe.run(lambda _: None, lambda good, _: decisions.append(good))
    assert decisions == expected


def test_a_probe_has_the_timings_of_its_manifest_or_those_of_kubernetes() -> None:
    usual = probe_of("readinessProbe", {"readinessProbe": {"tcpSocket": {"port": 1}}}, "127.0.0.1")
    own = {
        "initialDelaySeconds": 5,
        "periodSeconds": 3,
        "timeoutSeconds": 2,
        "successThreshold": 4,
        "failureThreshold": 7,
    }
    told = probe_of("readinessProbe", {"readinessProbe": {"grpc": {"port": 1}, **own}}, "127.0.0.1")
    assert usual is not None
    assert told is not None
    assert timings(usual) == (0, 10, 1, 1, 3)
    assert timings(told) == (5, 3, 2, 4, 7)
    assert probe_of("livenessProbe", {}, "127.0.0.1") is None


def timings(probe: Probe) -> tuple[float, ...]:
    return (
        probe.initial_delay_seconds,
        probe.period_seconds,
        probe.timeout_seconds,
        probe.success_threshold,
        probe.failure_threshold,
    )


@pytest.mark.parametrize("declared", [{"exec": {"command": ["true"]}}, {"httpGet": {"port": "web"}}])
def test_a_probe_that_could_not_be_executed_is_refused(declared: dict[str, object]) -> None:
    with pytest.raises(LocalFailure, match=r"livenessProbe: (exec|no container has a port named 'web')"):
        probe_of("livenessProbe", {"livenessProbe": declared}, "127.0.0.1")


@pytest.mark.parametrize(
    ("line", "reason"), [("200 OK", ""), ("302 Found", ""), ("404 No", "404"), ("", "no HTTP answer")]
)
async def test_an_http_probe_takes_what_is_below_400(line: str, reason: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {line}\r\n\r\n".encode() if line else b"")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        said = await Probe("p", http_get("127.0.0.1", port, "/x")).once()
    assert said == (f"GET :{port}/x: {reason}" if reason else "")


async def test_who_takes_no_connections_or_never_answers_has_not_said_yes() -> None:
    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await Probe("p", tcp_connect("127.0.0.1", port)).once() == ""
    silent = Probe("p", http_get("127.0.0.1", port, "/"), timeout_seconds=0.05)
    assert await silent.once() == "no answer within 0.05 s"
    server.close()
    assert (await Probe("p", tcp_connect("127.0.0.1", port)).once()).startswith(f":{port}: ")


@asynccontextmanager
async def contained(tmp_path: Path, source: str, **probes: Probe) -> AsyncIterator[Container]:
    """A container of a program of Python; `changes` are counted by nobody."""
    program = Program("pod/c", (sys.executable, "-c", source), tmp_path / "log", {})
    startup, liveness, readiness = (probes.get(name) for name in ("startup", "liveness", "readiness"))
    container = Container(program, startup, liveness, readiness, changed=lambda: None, grace_seconds=0.2)
    running = asyncio.create_task(container.run())
    try:
        yield container
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await eventually(holds)


async def test_a_container_that_ends_is_started_again_and_says_why(tmp_path: Path) -> None:
    async with contained(tmp_path, "print('no variable', flush=True); raise SystemExit(3)") as container:
        await until(lambda: container.restarts >= 1)
    assert "pod/c: ended with code 3; its last lines:\n    no variable" in container.failure


FOR_EVER = "import time; time.sleep(3600)"


async def test_a_container_whose_liveness_fails_is_ended_and_started_again(tmp_path: Path) -> None:
    liveness = probe_with(["", "no", "no", "no"])
    async with contained(tmp_path, FOR_EVER, liveness=liveness) as container:
        await until(lambda: container.restarts == 1)
    assert "p failed 3 times: no" in container.failure


async def test_nothing_but_startup_is_asked_before_it_has_passed(tmp_path: Path) -> None:
    asked: list[str] = []

    def recording(name: str, answer: Callable[[], str]) -> Probe:
        async def ask() -> str:
            asked.append(name)
            return answer()

        return Probe(name, ask, period_seconds=0.001, failure_threshold=10_000)

    startup = recording("startupProbe", lambda: "" if len(asked) > 5 else "not yet")
    readiness = recording("readinessProbe", lambda: "")
    async with contained(tmp_path, FOR_EVER, startup=startup, readiness=readiness) as container:
        await until(lambda: container.proven)
    assert asked.index("readinessProbe") == 6


@pytest.mark.parametrize("obeys", [True, False])
async def test_a_container_that_does_not_leave_within_its_grace_is_killed(tmp_path: Path, *, obeys: bool) -> None:
    deaf = "" if obeys else "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    source = f"{deaf}open({str(tmp_path / 'up')!r}, 'w').close()\n{FOR_EVER}"
    async with contained(tmp_path, source) as container:
        await until((tmp_path / "up").exists)
        assert await container.stop(0) is obeys
        container.send(signal.SIGKILL)


def test_names_mean_all_addresses_of_a_service(tmp_path: Path) -> None:
    service = {"metadata": {"name": "sales", "namespace": "guanxi"}}
    write_hosts(tmp_path, {names_of_service(service): ["127.77.1.2", "127.77.1.3"], "nats.guanxi-data": ["127.77.0.1"]})
    names = "sales sales.guanxi sales.guanxi.svc sales.guanxi.svc.cluster.local"
    assert (tmp_path / "hosts").read_text().splitlines() == [
        "127.0.0.1 localhost",
        f"127.77.1.2 {names}",
        f"127.77.1.3 {names}",
        "127.77.0.1 nats.guanxi-data",
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["hosts"]


async def test_a_balancer_passes_connections_on_to_who_is_there_and_closes_them_when_nobody_is() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        there = [("127.0.0.1", server.sockets[0].getsockname()[1])]
        listening = listen("127.0.0.1", 0)
        port = listening.getsockname()[1]
        balancer = Balancer(listening, lambda: there)
        await balancer.start()
        answers = []
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x" * 100_000 if there else b"")
            writer.write_eof()
            answers.append(len(await reader.read()))
            writer.close()
            there = []
        await balancer.stop()
    assert answers == [100_000, 0]
