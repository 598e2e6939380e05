"""Calls to a service over real gRPC: links and plain calls, deadlines, limits, failures, drain, replicas."""

import asyncio
import contextlib
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
import structlog
from crm_kit.rpc import connections
from crm_kit.rpc.calls import Call, Reply
from crm_kit.rpc.channels import ServiceChannel
from crm_kit.rpc.link import calling
from crm_kit.rpc.link.frames import METHOD
from crm_kit.rpc.link.serving import TERMS, Terms

from tests.unit.kit.replicas import READ, WRITE, Gate, Replica, Service, an_address, channel, echo, replica, until

METADATA = {"x-request-id": "r-1", "authorization": "Bearer " + "t" * 600}
KIB = 1024


async def ask(
    service: ServiceChannel, data: bytes = b"hello", *, path: str = WRITE, seconds: float | None = 20.0
) -> bytes:
    return (await service.call(path, data, metadata=METADATA, seconds=seconds)).data


async def refusal(service: ServiceChannel, *, path: str = WRITE, seconds: float | None = 20.0) -> grpc.StatusCode:
    """The status of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(service, path=path, seconds=seconds)
    return refused.value.code()


# --- one call


async def test_a_call_goes_over_a_link_with_its_metadata_and_what_is_left_of_its_time() -> None:
    service = Service()
    async with replica(service) as one, channel(one) as open:
        assert await ask(open) == b"hello"
        assert one.counts == Counter(link=1)
    (call,) = service.calls
    assert (call.path, call.metadata) == (WRITE, METADATA)
    assert call.seconds is not None
    assert 15 < call.seconds <= 20


async def test_without_a_deadline_none_is_told() -> None:
    service = Service()
    async with replica(service) as one, channel(one) as open:
        await ask(open, seconds=None)
    assert service.calls[0].seconds is None


async def test_a_late_answer_is_a_passed_deadline_and_its_handler_is_stopped() -> None:
    service = Service()
    service.answer = Gate()
    async with replica(service) as one, channel(one) as open:
        assert await refusal(open, seconds=0.2) is grpc.StatusCode.DEADLINE_EXCEEDED
        await service.until(lambda: service.cancelled == 1)
        service.answer = echo
        assert await ask(open) == b"hello"
        assert one.counts == Counter(link=2)


async def test_a_call_that_is_given_up_stops_its_handler_and_no_other() -> None:
    service, gate = Service(), Gate()
    service.answer = gate
    async with replica(service) as one, channel(one) as open:
        given_up, waited_for = asyncio.create_task(ask(open)), asyncio.create_task(ask(open))
        await service.until(lambda: service.running == 2)
        given_up.cancel()
        await service.until(lambda: service.cancelled == 1)
        gate.open()
        assert await waited_for == b"hello"
        assert given_up.cancelled()


@pytest.mark.parametrize("links", [True, False], ids=["link", "unary"])
async def test_a_failure_is_raised_as_grpc_raises_it(links: bool) -> None:
    service = Service()
    details = (("grpc-status-details-bin", b"\x00\xff"), ("other", "text"))

    async def answer(call: Call) -> Reply:
        return Reply(code=grpc.StatusCode.FAILED_PRECONDITION, detail="not so: 李", metadata=details)

    service.answer = answer
    async with replica(service, links=links) as one, channel(one) as open:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(open)
    error = refused.value
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not so: 李")
    told = dict(error.trailing_metadata() or ())
    assert (told["grpc-status-details-bin"], told["other"]) == (b"\x00\xff", "text")


@pytest.mark.parametrize("links", [True, False], ids=["link", "unary"])
async def test_trailing_metadata_comes_with_an_answer(links: bool) -> None:
    service = Service()

    async def answer(call: Call) -> Reply:
        return Reply(b"", metadata=(("idempotent-replayed", "true"),))

    service.answer = answer
    async with replica(service, links=links) as one, channel(one) as open:
        reply = await open.call(WRITE, b"", metadata=METADATA)
    assert ("idempotent-replayed", "true") in reply.metadata


@pytest.mark.parametrize(
    ("size", "way"),
    [(0, "link"), (63 * KIB, "link"), (64 * KIB, "unary"), (64 * KIB + 1, "unary"), (3000 * KIB, "unary")],
)
async def test_long_requests_go_the_unary_way_and_long_answers_come_back_whole_either_way(size: int, way: str) -> None:
    async with replica(Service()) as one, channel(one) as open:
        data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert await ask(open, data) == data
        assert one.counts == Counter({way: 1})


async def test_a_long_answer_is_put_together_from_its_pieces() -> None:
    service = Service()

    async def answer(call: Call) -> Reply:
        return Reply(bytes(range(256)) * int(call.data))

    service.answer = answer
    async with replica(service) as one, channel(one) as open:
        counts = [1, 256, 257, 20_000]
        answers = await asyncio.gather(*(ask(open, str(count).encode()) for count in counts))
        assert answers == [bytes(range(256)) * count for count in counts]
        assert one.counts == Counter(link=4)


async def test_long_metadata_goes_the_way_on_which_grpc_judges_it() -> None:
    async with replica(Service()) as one, channel(one) as open:
        await open.call(WRITE, b"", metadata={"long": "x" * 6 * KIB})
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await open.call(WRITE, b"", metadata={"long": "x" * 20 * KIB})
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert one.counts == Counter(link=1)


# --- limits


async def test_what_is_beyond_the_terms_waits_and_goes_in_the_order_in_which_it_came() -> None:
    service, gate = Service(), Gate()
    service.answer = gate
    async with replica(service, terms=Terms(max_calls=2)) as one, channel(one) as open:
        calls = []
        for number in range(8):
            calls.append(asyncio.create_task(ask(open, bytes([number]))))
            await asyncio.sleep(0)
        await service.until(lambda: service.running == 2)
        gate.open()
        assert await asyncio.gather(*calls) == [bytes([number]) for number in range(8)]
        assert [call.data[0] for call in service.calls] == list(range(8))
        assert one.counts == Counter(link=8)


async def test_calls_that_wait_fail_at_their_deadline_or_are_given_up_without_reaching_the_service() -> None:
    service, gate = Service(), Gate()
    service.answer = gate
    async with replica(service, terms=Terms(max_calls=1)) as one, channel(one) as open:
        running = asyncio.create_task(ask(open, b"first"))
        await service.until(lambda: service.running == 1)
        given_up, patient = asyncio.create_task(ask(open, b"never")), asyncio.create_task(ask(open, b"last"))
        assert await refusal(open, seconds=0.05) is grpc.StatusCode.DEADLINE_EXCEEDED
        given_up.cancel()
        gate.open()
        assert (await running, await patient) == (b"first", b"last")
        assert [call.data for call in service.calls] == [b"first", b"last"]


async def test_bytes_in_flight_are_bounded_on_both_ways() -> None:
    service, gate = Service(), Gate()
    service.answer = gate
    async with replica(service, terms=Terms(max_bytes=100 * KIB)) as one, channel(one) as open:
        calls = [asyncio.create_task(ask(open, b"x" * 40 * KIB)) for _ in range(6)]
        await service.until(lambda: service.running == 2)
        gate.open()
        await asyncio.gather(*calls)
        assert one.counts == Counter(link=6)


@pytest.mark.parametrize(("many", "one_more"), [(64 * KIB + 1, 1), (1, 64 * KIB + 1)], ids=["long", "short"])
async def test_long_calls_and_short_ones_do_not_wait_for_one_another(
    monkeypatch: pytest.MonkeyPatch, many: int, one_more: int
) -> None:
    monkeypatch.setattr(connections, "MAX_CALLS", 2)
    service, gate = Service(), Gate()

    async def answer(call: Call) -> Reply:
        return await (gate(call) if len(call.data) == many else echo(call))

    service.answer = answer
    async with replica(service, terms=Terms(max_calls=2)) as one, channel(one) as open:
        waiting = [asyncio.create_task(ask(open, b"x" * many, seconds=600)) for _ in range(4)]
        await service.until(lambda: service.running == 2)
        assert await ask(open, b"x" * one_more) == b"x" * one_more
        gate.open()
        await asyncio.gather(*waiting)


# --- a peer without links


async def test_a_service_without_links_is_called_the_unary_way() -> None:
    async with replica(Service(), links=False) as one, channel(one) as open:
        assert await ask(open) == b"hello"
        assert await refusal(open, path="/crm.customer.v1.AccountService/Nothing") is grpc.StatusCode.UNIMPLEMENTED
        assert one.counts == Counter(unary=1)


async def test_a_service_that_learns_links_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ASK_AGAIN_SECONDS", 0.05)
    service, address = Service(), an_address()
    async with AsyncExitStack() as stack:
        before = Replica(service, address, links=False, max_age=3600, terms=TERMS)
        await before.start()
        open = await stack.enter_async_context(channel(before))
        await ask(open)
        await before.stop(5)
        after = await stack.enter_async_context(replica(service, address=address))
        async with asyncio.timeout(20):
            while not after.counts["link"]:
                await ask(open, path=READ)


async def test_a_method_that_only_grpc_serves_is_called_there() -> None:
    async with replica(Service()) as one, channel(one) as open:
        assert await refusal(open, path="/crm.sales.v1.LeadService/GetLead") is grpc.StatusCode.UNIMPLEMENTED
        health = await open.call("/grpc.health.v1.Health/Check", b"", metadata={})
        assert health.data == b"\x08\x01"
        assert one.counts == Counter()


async def test_a_peer_that_lets_streams_hang_is_called_the_unary_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "OPEN_SECONDS", 0.5)

    class Hanging(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            if handler_call_details.method == METHOD:
                return grpc.stream_stream_rpc_method_handler(self.hang)
            return grpc.unary_unary_rpc_method_handler(self.echo)

        async def hang(self, _requests: Any, _context: Any) -> None:
            await asyncio.Event().wait()

        async def echo(self, data: bytes, _context: Any) -> bytes:
            return data

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Hanging(),))
    open = ServiceChannel(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    await server.start()
    assert await ask(open) == b"hello"
    await open.close()
    await server.stop(0)


# --- failures


async def test_a_broken_link_fails_its_calls_at_once_and_writes_are_not_repeated() -> None:
    service = Service()
    service.answer = Gate()
    async with replica(service) as one, channel(one) as open:
        call = asyncio.create_task(refusal(open, seconds=600))
        await service.until(lambda: service.running == 1)
        await one.stop(0)
        assert await asyncio.wait_for(call, 20) is grpc.StatusCode.UNAVAILABLE
        assert len(service.calls) == 1


async def test_the_log_names_the_service_whose_link_broke() -> None:
    service = Service()
    service.answer = Gate()
    async with replica(service) as one:
        open = ServiceChannel(one.address, name="scoring")
        with structlog.testing.capture_logs() as told:
            call = asyncio.create_task(refusal(open, seconds=600))
            await service.until(lambda: service.running == 1)
            await one.stop(0)
            await call
            await open.close()
    broken = [line for line in told if line["event"] == "link.broken"]
    assert [(line["peer"], line["log_level"], line["unanswered"]) for line in broken] == [
        (f"scoring {one.address}", "warning", 1)
    ]


async def test_a_read_of_a_replica_that_dies_is_answered_by_another() -> None:
    dying, other = Service(), Service()
    dying.answer = Gate()
    async with replica(dying) as one, replica(other, ready=False) as two, channel(one, two) as open:
        async with open.plain(20):
            await until(lambda: [each.serving for each in open._open] == [True])
        read = asyncio.create_task(ask(open, path=READ))
        await dying.until(lambda: dying.running == 1)
        await one.stop(0)
        assert await asyncio.wait_for(read, 20) == b"hello"
        assert (len(dying.calls), len(other.calls)) == (1, 1)


async def test_reads_are_tried_three_times_and_writes_once() -> None:
    service = Service()

    async def answer(call: Call) -> Reply:
        return Reply(code=grpc.StatusCode.UNAVAILABLE, detail="the database is away")

    service.answer = answer
    async with replica(service) as one, channel(one) as open:
        assert await refusal(open, path=READ) is grpc.StatusCode.UNAVAILABLE
        assert len(service.calls) == 3
        assert await refusal(open, path=WRITE) is grpc.StatusCode.UNAVAILABLE
        assert len(service.calls) == 4


async def test_a_service_that_is_down_is_not_buried_under_retries() -> None:
    service = Service()

    async def answer(call: Call) -> Reply:
        return Reply(code=grpc.StatusCode.UNAVAILABLE)

    service.answer = answer
    async with replica(service) as one, channel(one) as open:
        await asyncio.gather(*(refusal(open, path=READ) for _ in range(100)))
    assert len(service.calls) <= 120


async def test_a_peer_that_accepts_and_says_nothing_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "OPEN_SECONDS", 0.1)
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    open = ServiceChannel(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert await refusal(open, seconds=600) is grpc.StatusCode.UNAVAILABLE
    await open.close()
    server.close()


async def test_nobody_there_is_told_quickly_and_somebody_who_comes_is_found() -> None:
    address, service = an_address(), Service()
    open = ServiceChannel(address)
    assert await refusal(open, seconds=600) is grpc.StatusCode.UNAVAILABLE
    async with replica(service, address=address):
        async with asyncio.timeout(20):
            while not service.calls:
                await asyncio.sleep(0)
                with contextlib.suppress(grpc.aio.AioRpcError):
                    await ask(open)
    await open.close()
