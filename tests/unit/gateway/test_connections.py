"""Connections from outside: what one client may hold of a gateway, measured on the wire."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from crm_gateway.admission import Caller
from crm_gateway.connections import Bounds, Connections, network_of, networks_of
from crm_local.port_check import free_ports

from tests.unit.gateway.account_service import ID, AccountService, serving

REQUEST = f"GET /v1/accounts/{ID} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer t\r\n".encode()
# Of somebody without a token, for an address.
NOBODY = f"GET /v1/accounts/{ID} HTTP/1.1\r\nhost: gateway\r\nx-forwarded-for: %b\r\n\r\n".encode()
MIB = 1 << 20


@dataclass
class Line:
    """A connection as a client has it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the next answer."""
        status, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        return int(status.split()[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def problem(self) -> tuple[int, str]:
        """Status and reason of the problem that the connection ends with."""
        status, headers, body = await self.answer()
        assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
        assert await self.ended()
        return status, json.loads(body)["reason"]

    async def ended(self) -> bool:
        """Wait for the end of the connection; whether nothing more came before it."""
        try:
            async with asyncio.timeout(10):
                return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def line(port: int) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


def gateway_of(service: AccountService, **settings: Any) -> AbstractAsyncContextManager[int]:
    return serving(service, **{"rate_limit_token": 0, "rate_limit_anonymous": 0} | settings)


def gateway(**settings: Any) -> AbstractAsyncContextManager[int]:
    return gateway_of(AccountService(), **settings)


@pytest.mark.parametrize(
    "head",
    [
        REQUEST + b"x: " + b"a" * 40_000 + b"\r\n\r\n",
        REQUEST + b"".join(b"x-%d: a\r\n" % at for at in range(5_000)) + b"\r\n",
        b"GET /v1/accounts?filter=" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n",
        REQUEST + b"x: " + b"a" * MIB,
        b"\r\n" * MIB,
    ],
    ids=["a long header", "many headers", "a long address", "a header without end", "no request at all"],
)
async def test_a_head_is_read_up_to_its_bound(head: bytes) -> None:
    async with gateway() as port, line(port) as client:
        client.writer.write(head)
        assert await client.problem() == (431, "HEADERS_TOO_LARGE")


async def test_trailers_and_what_wraps_chunks_are_bounded_as_the_head_is() -> None:
    async with gateway() as port:
        for flood in (b"0\r\nx: ", b"1;"):
            async with line(port) as client:
                await client.send(b"POST /v1/accounts HTTP/1.1\r\ntransfer-encoding: chunked\r\n")
                await client.send(b"content-type: application/json\r\nauthorization: Bearer t\r\n\r\n" + flood)
                client.writer.write(b"a" * MIB)
                assert await client.ended()


async def test_chunks_of_one_byte_are_a_body() -> None:
    body = b'{"display_name": "' + b"a" * 150 + b'"}'
    async with gateway() as port, line(port) as client:
        head = b"POST /v1/accounts HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n"
        await client.send(head + b"authorization: Bearer t\r\n\r\n")
        for at in range(len(body)):
            await client.send(b"1\r\n%c\r\n" % body[at])
        await client.send(b"0\r\n\r\n")
        assert (await client.answer())[0] == 201


async def test_a_head_that_does_not_end_is_given_up_on() -> None:
    async with gateway(header_timeout=0.2) as port, line(port) as client:
        await client.send(REQUEST)
        assert await client.problem() == (408, "DEADLINE_EXCEEDED")


async def test_a_connection_on_which_nobody_asks_is_closed() -> None:
    async with gateway(header_timeout=0.1, idle_timeout=0.1) as port:
        async with line(port) as silent:
            assert await silent.ended()
        async with line(port) as used:
            await used.send(REQUEST + b"\r\n")
            assert (await used.answer())[0] == 200
            assert await used.ended()


async def test_a_connection_serves_one_request_after_the_other() -> None:
    async with gateway() as port, line(port) as client:
        for _ in range(3):
            await client.send(REQUEST + b"\r\n")
            assert (await client.answer())[0] == 200
        await client.send(2 * (REQUEST + b"\r\n"))
        assert [(await client.answer())[0] for _ in range(2)] == [200, 200]


async def test_no_more_requests_are_taken_ahead_than_can_be_answered_in_a_moment() -> None:
    async with gateway() as port, line(port) as client:
        client.writer.write(5_000 * (REQUEST + b"\r\n"))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            for _ in range(100):
                await client.answer()


async def test_what_is_no_http_is_a_problem_too() -> None:
    async with gateway() as port, line(port) as client:
        await client.send(b"EHLO gateway\r\n\r\n")
        assert await client.problem() == (400, "INVALID_ARGUMENT")


async def test_the_rest_of_a_body_that_nobody_wants_is_neither_waited_for_nor_read_without_end() -> None:
    refused = b"POST /v1/nowhere HTTP/1.1\r\ncontent-length: 100000000\r\n\r\n"
    async with gateway(header_timeout=0.2) as port:
        async with line(port) as silent:
            await silent.send(refused)
            assert (await silent.answer())[0] == 404
            assert await silent.ended()
        async with line(port) as flooding:
            await flooding.send(refused)
            assert (await flooding.answer())[0] == 404
            with pytest.raises(ConnectionError):
                while True:
                    await flooding.send(b"a" * MIB)


async def test_whoever_comes_when_all_places_are_taken_gets_that_of_an_idle_one() -> None:
    async with gateway(max_connections=2) as port, line(port) as first, line(port) as second:
        for client in (first, second):
            await client.send(REQUEST + b"\r\n")
            assert (await client.answer())[0] == 200
        async with line(port) as third:
            assert await first.ended()
            for client in (second, third):
                await client.send(REQUEST + b"\r\n")
                assert (await client.answer())[0] == 200


async def test_when_all_are_at_work_a_newcomer_is_told_to_come_back() -> None:
    async with gateway(max_connections=2) as port, line(port) as first, line(port) as second:
        for client in (first, second):
            await client.send(REQUEST + b"\r\n" + REQUEST)
            assert (await client.answer())[0] == 200
        async with line(port) as third:
            assert await third.problem() == (503, "UNAVAILABLE")
        await second.send(b"\r\n")
        assert (await second.answer())[0] == 200


async def test_one_address_has_so_many_connections_unless_it_is_a_proxy() -> None:
    limits = {"max_connections_per_peer": 1}
    async with gateway(**limits, trusted_proxies="10.0.0.0/8") as port, line(port) as first:
        await first.send(REQUEST)
        async with line(port) as second:
            assert await second.problem() == (503, "UNAVAILABLE")
    async with gateway(**limits, trusted_proxies="127.0.0.0/8") as port, line(port) as first:
        await first.send(REQUEST)
        async with line(port) as second:
            await second.send(REQUEST + b"\r\n")
            assert (await second.answer())[0] == 200


def slow_body(address: str, token: str = "t") -> bytes:
    """The head of a request that a proxy brings for an address, whose body does not come."""
    return (
        f"POST /v1/accounts HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n"
        f"x-forwarded-for: {address}\r\nexpect: 100-continue\r\n"
        "content-type: application/json\r\ncontent-length: 21\r\n\r\n"
    ).encode()


async def begin(client: Line, head: bytes) -> None:
    """Send the head of a request, and wait until its body is asked for."""
    await client.send(head)
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


async def lines_to(port: int, count: int, stack: AsyncExitStack) -> list[Line]:
    return [await stack.enter_async_context(line(port)) for _ in range(count)]


async def test_slow_bodies_of_one_client_leave_places_for_others_behind_the_same_proxy() -> None:
    async with gateway(max_connections_per_peer=2) as port, AsyncExitStack() as stack:
        first, second, third, other = await lines_to(port, 4, stack)
        for client in (first, second):
            await begin(client, slow_body("192.0.2.1"))
        await third.send(slow_body("192.0.2.1"))
        # Nobody waits for the rest of its body.
        assert await third.problem() == (429, "RATE_LIMITED")
        await begin(other, slow_body("192.0.2.2"))
        # What has ended makes room.
        await first.send(b'{"display_name": "a"}')
        assert (await first.answer())[0] == 201
        await begin(first, slow_body("192.0.2.1"))


async def test_a_proxy_that_does_not_say_for_whom_it_asks_is_not_taken_for_one_client() -> None:
    head = slow_body("").replace(b"x-forwarded-for", b"x-other")
    async with gateway(max_connections_per_peer=1) as port, AsyncExitStack() as stack:
        for client in await lines_to(port, 3, stack):
            await begin(client, head)


@pytest.mark.parametrize(
    "forged",
    ["{other}, 192.0.2.1", "{other}:443,192.0.2.1:8080", "127.0.0.1, {other}, 192.0.2.1, 127.0.0.1"],
    ids=["told by the client", "with ports", "told by the client, through two proxies"],
)
async def test_an_address_that_a_client_tells_of_itself_is_not_its_own(forged: str) -> None:
    async with gateway(max_connections_per_peer=1) as port, AsyncExitStack() as stack:
        first, second = await lines_to(port, 2, stack)
        await begin(first, slow_body(forged.format(other="198.51.100.1")))
        await second.send(slow_body(forged.format(other="198.51.100.2")))
        assert await second.problem() == (429, "RATE_LIMITED")


async def test_who_is_no_trusted_proxy_speaks_for_itself_alone() -> None:
    settings = {"trusted_proxies": "10.0.0.0/8", "rate_limit_anonymous": 0.001, "rate_limit_anonymous_burst": 1}
    async with gateway(**settings) as port, AsyncExitStack() as stack:
        first, second = await lines_to(port, 2, stack)
        await first.send(NOBODY % b"198.51.100.1")
        assert (await first.answer())[0] == 401
        await second.send(NOBODY % b"198.51.100.2")
        assert (await second.answer())[0] == 429


async def test_requests_of_one_tenant_leave_places_for_others_from_wherever_they_come() -> None:
    limits = {"max_requests_per_tenant": 2, "rate_limit_tenant": 0}
    async with gateway(**limits, verifier=ByTenant()) as port, AsyncExitStack() as stack:
        first, second, third, other = await lines_to(port, 4, stack)
        await begin(first, slow_body("192.0.2.1", "huaxin"))
        await begin(second, slow_body("192.0.2.2", "huaxin"))
        await third.send(slow_body("192.0.2.3", "huaxin"))
        assert await third.problem() == (429, "RATE_LIMITED")
        await begin(other, slow_body("192.0.2.1", "hengda"))


class ByTenant:
    """Takes every token for the name of a tenant."""

    async def verify(self, token: str) -> Caller:
        return Caller(token, token)


async def test_a_body_that_trickles_through_a_proxy_is_given_up_on() -> None:
    async with gateway(request_timeout=0.2) as port, line(port) as client:
        await begin(client, slow_body("192.0.2.1"))
        status, headers, body = await client.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert json.loads(body)["reason"] == "DEADLINE_EXCEEDED"


async def test_a_connection_whose_rest_nobody_wants_makes_room() -> None:
    refused = b"POST /v1/nowhere HTTP/1.1\r\ncontent-length: 100000000\r\n\r\n"
    async with gateway(max_connections=1) as port, line(port) as lingering:
        await lingering.send(refused)
        assert (await lingering.answer())[0] == 404
        async with line(port) as other:
            await other.send(REQUEST + b"\r\n")
            assert (await other.answer())[0] == 200
        assert await lingering.ended()


async def test_probes_have_places_of_their_own() -> None:
    health = free_ports().gateway
    address = f"127.0.0.1:{health}"
    async with gateway(max_connections=1, health_listen_address=address) as port, line(port) as busy:
        await begin(busy, slow_body("192.0.2.1"))
        async with line(port) as turned_away:
            assert await turned_away.problem() == (503, "UNAVAILABLE")
        for path, expected in (("live", 200), ("ready", 200), ("services", 200), ("any", 404)):
            async with line(health) as probe:
                await probe.send(f"GET /health/{path} HTTP/1.1\r\nhost: pod\r\n\r\n".encode())
                assert (await probe.answer())[0] == expected


async def test_a_client_that_does_not_read_its_answers_is_left() -> None:
    async with gateway(send_timeout=0.2) as port, line(port) as client:
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            while True:
                await client.send(b"GET /openapi.json HTTP/1.1\r\n\r\n")


async def test_an_answer_keeps_its_place_until_its_client_has_read_it() -> None:
    service = AccountService()
    service.owner_name = "a" * (15 * MIB)
    limits = {"max_requests_per_tenant": 1, "rate_limit_tenant": 0}
    async with (
        serving(service, rate_limit_token=0, verifier=ByTenant(), **limits) as port,
        line(port) as slow,
        line(port) as second,
        line(port) as other,
    ):
        request = REQUEST + b"\r\n"
        await slow.send(request)
        head = await slow.reader.readuntil(b"\r\n\r\n")
        await second.send(request)
        assert await second.problem() == (429, "RATE_LIMITED")
        length = int(head.partition(b"content-length: ")[2].split()[0])
        assert json.loads(await slow.reader.readexactly(length))["owner_name"] == service.owner_name
        await other.send(request)
        assert (await other.answer())[0] == 200


async def test_who_does_not_read_a_large_answer_is_left_for_who_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_gateway.large_answers.MAX_TENANT_BYTES", 20 * MIB)
    monkeypatch.setattr("crm_gateway.large_answers.READING_SECONDS", 0.1)
    service = AccountService()
    service.owner_name = "a" * (15 * MIB)
    async with gateway_of(service, verifier=ByTenant()) as port, line(port) as unread, line(port) as other:
        request = REQUEST + b"\r\n"
        await unread.send(request)
        await unread.reader.readuntil(b"\r\n\r\n")
        unread.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await other.send(request)
        status, _, body = await other.answer()
        assert (status, json.loads(body)["owner_name"]) == (200, service.owner_name)
        unread.reader._transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await unread.reader.readexactly(15 * MIB)


def test_a_place_that_was_left_is_free() -> None:
    bounds = Bounds(2, 1, head_bytes=1, head_seconds=1, idle_seconds=1, stall_seconds=1)
    connections = Connections(bounds)
    assert [connections.admit(each) for each in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [True, False, False]
    connections.leave("192.0.2.1")
    connections.leave("192.0.2.2")
    assert connections.admit("192.0.2.3")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_host_is_one_peer_whatever_address_it_takes(address: str, network: str) -> None:
    assert network_of(address) == network


def test_trusted_proxies_are_addresses_and_networks() -> None:
    found = [str(each) for each in networks_of("127.0.0.1, 10.0.0.0/8, fd00::/8, proxy.example")]
    assert found == ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"]
    assert len(networks_of("*")) == 2
