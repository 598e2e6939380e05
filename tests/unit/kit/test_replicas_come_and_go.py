"""A service of several replicas: restarts, ages, names and states change under calls, and none is lost."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import grpc
import pytest
from crm_kit.rpc.calls import Call, Reply
from crm_kit.rpc.channels import ServiceChannel
from crm_kit.rpc.link import serving
from crm_kit.rpc.link.serving import TERMS
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.service.eventually import eventually
from tests.unit.kit.replicas import WRITE, Gate, Replica, Service, an_address, channel, echo, replica, until

LONG = 100 * 1024


async def ask(open: ServiceChannel, data: bytes = b"hello", *, seconds: float = 30.0) -> bytes:
    return (await open.call(WRITE, data, metadata={}, seconds=seconds)).data


@asynccontextmanager
async def load(open: ServiceChannel, *, callers: int = 12) -> AsyncIterator[None]:
    """Writes without a pause while the block runs, every tenth of them long; the first that fails is raised."""
    stop = asyncio.Event()

    async def keep_calling(caller: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            data = b"%d %d" % (caller, number) + b"x" * (LONG if number % 10 == 0 else 0)
            assert await ask(open, data) == data

    async with asyncio.TaskGroup() as tasks:
        for caller in range(callers):
            tasks.create_task(keep_calling(caller))
        try:
            yield
        finally:
            stop.set()


def reached_both_ways(counts: Counter[str], times: int) -> bool:
    return min(counts["link"], counts["unary"]) > times


async def several_turns(call: Call) -> Reply:
    """Some work, so that calls are always under way."""
    for _ in range(20):
        await asyncio.sleep(0)
    return await echo(call)


class Names:
    """A name server whose answer the test changes."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = set(addresses)
        self.known = True

    async def __call__(self, target: str) -> frozenset[str]:
        if not self.known:
            raise OSError("nobody knows")
        return frozenset(self.addresses)

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[ServiceChannel]:
        open = ServiceChannel("dns:///accounts:7000", resolve=self, look_up_seconds=0.02)
        try:
            yield open
        finally:
            await open.close()


async def test_a_rolling_restart_under_load_loses_no_call() -> None:
    service = Service()
    service.answer = several_turns
    running = [Replica(service, an_address(), links=True, max_age=3600, terms=TERMS) for _ in range(2)]
    for each in running:
        await each.start()
    async with channel(*running) as open, load(open):
        for at in (0, 1, 0, 1):
            await running[at].stop(20)
            running[at] = Replica(service, running[at].address, links=True, max_age=3600, terms=TERMS)
            await running[at].start()
            counts = running[at].counts
            await service.until(partial(reached_both_ways, counts, 10))
    for each in running:
        await each.stop(0)


async def test_links_that_come_of_age_under_load_lose_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[serving.ServedLink] = []

    class Counted(serving.ServedLink):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            opened.append(self)

    monkeypatch.setattr(serving, "ServedLink", Counted)
    service = Service()
    service.answer = several_turns
    async with replica(service, max_age=1) as one, channel(one) as open, load(open):
        await service.until(lambda: len(opened) >= 4)


async def test_a_replica_that_leaves_answers_what_it_has_begun_and_gets_nothing_new() -> None:
    service, gate = Service(), Gate()
    service.answer = gate
    async with replica(service) as one, channel(one) as open:
        begun = asyncio.create_task(ask(open))
        await service.until(lambda: service.running == 1)
        leaving = asyncio.create_task(one.stop(20))

        async def gone() -> bool:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await ask(open, seconds=0.05)
            return not open._open

        await eventually(gone)
        reached = len(service.calls)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(open)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (begun.done(), len(service.calls)) == (False, reached)
        gate.open()
        assert await begun == b"hello"
        await asyncio.wait_for(leaving, 20)


async def test_a_replica_that_leaves_lets_no_link_in() -> None:
    service, gate = Service(), Gate()
    service.answer = gate
    async with replica(service) as one, channel(one) as before, channel(one) as open:
        begun = asyncio.create_task(ask(before))
        await service.until(lambda: service.running == 1)
        leaving = asyncio.create_task(one.stop(20))
        await until(lambda: one._server._links._leaving)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(open)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        gate.open()
        await begun
        await leaving


async def test_a_new_replica_gets_calls_and_one_that_is_no_longer_named_ends_in_peace() -> None:
    services = [Service(), Service(), Service()]
    async with AsyncExitStack() as stack:
        one, two, three = [await stack.enter_async_context(replica(each)) for each in services]
        names = Names(one.address, two.address)
        open = await stack.enter_async_context(names.channel())
        async with load(open, callers=6):
            await services[1].until(lambda: min(one.counts["link"], two.counts["link"]) > 5)
            names.addresses.add(three.address)
            await services[2].until(lambda: three.counts["link"] > 5)
            gate = Gate()
            services[0].answer = gate
            await services[0].until(lambda: services[0].running > 0)
            names.addresses.remove(one.address)
            await until(lambda: len(open._replicas) == 2)
            held, reached = services[0].running, len(services[0].calls)
            await services[2].until(lambda: three.counts["link"] > 50)
            assert (services[0].running, len(services[0].calls)) == (held, reached)
            gate.open()
            await services[0].until(lambda: services[0].running == 0)
            await until(lambda: not open._leaving)


async def test_a_replica_that_is_not_serving_is_passed_over_unless_none_is() -> None:
    async with replica(Service()) as one, replica(Service()) as two, channel(one, two) as open:

        async def only_two() -> bool:
            before = one.counts["link"]
            for _ in range(10):
                await ask(open)
            return one.counts["link"] == before

        await ask(open)
        await until(lambda: len(open._open) == 2)
        assert not await only_two()
        await one.set_ready(ready=False)
        await eventually(only_two)
        assert await only_two()
        await two.set_ready(ready=False)

        async def both() -> bool:
            return not await only_two()

        await eventually(both)
        await one.set_ready(ready=True)
        await until(lambda: len(open._open) == 1)
        assert not await only_two()


async def test_each_call_goes_to_the_least_busy_replica() -> None:
    held, free = Service(), Service()
    held.answer = Gate()
    async with replica(held) as one, replica(free) as two, channel(one, two) as open:
        async with open.plain(20):
            await until(lambda: len(open._open) == 2)
        # One each: the one that is answered leaves its replica idle.
        calls = [asyncio.create_task(ask(open)) for _ in range(2)]
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        for _ in range(20):
            await ask(open)
        assert len(held.calls) == 1
        for each in calls:
            each.cancel()


async def test_replicas_that_are_equally_busy_take_turns() -> None:
    async with replica(Service()) as one, replica(Service()) as two, channel(one, two) as open:
        await ask(open)
        await until(lambda: len(open._open) == 2)
        for _ in range(20):
            await ask(open)
        assert min(one.counts["link"], two.counts["link"]) >= 10


async def test_a_name_that_nobody_knows_is_unavailable_until_somebody_does() -> None:
    service = Service()
    async with replica(service) as one:
        names = Names(one.address)
        names.known = False
        async with names.channel() as open:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await ask(open)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            names.known = True
            await until(lambda: bool(open._open))
            assert await ask(open) == b"hello"
            names.known = False
            for _ in range(3):
                assert await ask(open) == b"hello"
            names.known = True
            names.addresses.clear()
            for _ in range(3):
                assert await ask(open) == b"hello"


async def test_a_channel_that_closes_lets_calls_end_for_as_long_as_it_is_told() -> None:
    service, gate = Service(), Gate()
    service.answer = gate
    async with replica(service) as one:
        patient, hasty = ServiceChannel(one.address), ServiceChannel(one.address)
        calls = [asyncio.create_task(ask(each)) for each in (patient, hasty)]
        await service.until(lambda: service.running == 2)
        await hasty.close()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await calls[1]
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        closing = asyncio.create_task(patient.close(20))
        await asyncio.sleep(0)
        gate.open()
        await closing
        assert await calls[0] == b"hello"
        with pytest.raises(grpc.aio.AioRpcError) as closed:
            await ask(patient)
        assert closed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_plain_channel_is_not_closed_while_it_is_used() -> None:
    async with replica(Service()) as one:
        names = Names(one.address)
        async with names.channel() as open:
            await ask(open)
            async with open.plain(20) as plain:
                names.addresses = {an_address()}
                await until(lambda: bool(open._leaving))
                answer = await health_pb2_grpc.HealthStub(plain).Check(health_pb2.HealthCheckRequest())
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            await until(lambda: not open._leaving)
