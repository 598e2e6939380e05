"""What open streams of events cost: memory of one gateway, CPU of what is told, and how long that takes.

python -m tests.load.streams_bench [--streams 1000] [--tenants 4] [--users 50] [--events 200] [--per-second 5]

The readers share the machine with what is measured. An event is delivered to each open stream of its tenant.
"""

import argparse
import asyncio
import contextlib
import resource
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from tests.load.bars import Bar
from tests.load.meter import machine, resident_mebibytes
from tests.load.stage import HOST, Stage, Subject, stage

MAX_MEBIBYTES = 150.0
SETTLE_SECONDS = 3.0
PATIENCE_SECONDS = 120.0
FILES = 8192


@dataclass
class Readers:
    """Streams that are read, and how long each event took to get to each of them, in ms."""

    port: int
    ready: int = 0
    delays: list[float] = field(default_factory=list)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _moved: asyncio.Condition = field(default_factory=asyncio.Condition)

    def open(self, token: str) -> None:
        self._tasks.append(asyncio.create_task(self._read(token)))

    async def until(self, *, ready: int = 0, delivered: int = 0) -> None:
        """Wait until so many are ready, and so many events have come."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._moved:
            await self._moved.wait_for(lambda: self.ready >= ready and len(self.delays) >= delivered)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, token: str) -> None:
        reader, writer = await asyncio.open_connection(HOST, self.port)
        writer.write(f"GET /v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        try:
            async for line in reader:
                if line == b"event: ready\n":
                    self.ready += 1
                elif line.startswith(b'data: {"id"'):
                    told = datetime.fromisoformat(orjson.loads(line[6:])["time"])
                    self.delays.append((datetime.now(UTC) - told).total_seconds() * 1000)
                else:
                    continue
                async with self._moved:
                    self._moved.notify_all()
        finally:
            writer.close()


async def people(stage: Stage, subject: Subject, tenants: int, users: int) -> list[list[str]]:
    """Tokens of so many users of each of so many tenants, the first of whom may create accounts."""
    found = []
    for number in range(tenants):
        slug, login, password = f"streams{number}", f"admin@streams{number}.example", secrets.token_urlsafe()
        await stage.create_tenant(subject, slug, login, password)
        async with httpx.AsyncClient(base_url=subject.url, trust_env=False, timeout=60) as client:
            admin = await token_of(client, slug, login, password)
            client.headers["authorization"] = f"Bearer {admin}"
            grants = [{"permission": "accounts.read", "scope": "ALL"}]
            role = await created(client, "/v1/roles", {"display_name": "Readers", "grants": grants})
            tokens = [admin]
            for reader in range(users - 1):
                name = f"{reader}@streams{number}.example"
                user = await created(
                    client, "/v1/users", {"display_name": name, "login": name, "role_ids": [role["id"]]}
                )
                await created(client, f"/v1/users/{user['id']}:setPassword", {"password": password})
                tokens.append(await token_of(client, slug, name, password))
            found.append(tokens)
    return found


async def token_of(client: httpx.AsyncClient, slug: str, login: str, password: str) -> str:
    answer = await created(client, "/v1/auth:token", {"tenant": slug, "login": login, "password": password})
    return str(answer["access_token"])


async def created(client: httpx.AsyncClient, path: str, body: dict[str, object]) -> Any:
    answer = await client.post(path, json=body)
    answer.raise_for_status()
    return answer.json()


async def measure(streams: int, tenants: int, users: int, events: int, per_second: float) -> list[Bar]:
    """Build everything, measure, take everything down again."""
    async with stage() as built:
        subject = await built.ours("streams", "customer", broker=True, CRM_MAX_STREAMS_PER_TENANT=str(streams))
        tokens = await people(built, subject, tenants, users)
        # What a gateway is after a sign-in and a few requests.
        await asyncio.sleep(SETTLE_SECONDS)
        at_rest = resident_mebibytes(subject.gateway.pid)
        readers = Readers(subject.port)
        for number in range(streams):
            of_tenant = tokens[number % tenants]
            readers.open(of_tenant[number // tenants % users])
        await readers.until(ready=streams)
        await asyncio.sleep(SETTLE_SECONDS)
        opened = resident_mebibytes(subject.gateway.pid)
        before = built.spent(subject)
        await tell(subject, tokens, events, per_second)
        delivered = events * streams // tenants
        await readers.until(delivered=delivered)
        spent = built.spent(subject).since(before).milliseconds_each(delivered)
        after = resident_mebibytes(subject.gateway.pid)
        await readers.close()
    delays = sorted(readers.delays)
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(f"gateway: {at_rest:.0f} MiB at rest, {opened:.0f} with {streams} streams, {after:.0f} after {events} events")
    print(f"a stream takes {(opened - at_rest) * 1024 / streams:.1f} KiB")
    print(
        f"{delivered} deliveries, each: gateway {spent.gateway * 1000:.0f} us, service {spent.service * 1000:.0f} us, "
        f"database {spent.database * 1000:.0f} us of CPU, with the {events} writes"
    )
    print(f"commit to reader: p50 {p50:.0f} ms, p99 {p99:.0f} ms, longest {delays[-1]:.0f} ms")
    return [Bar(f"gateway with {streams} streams", max(opened, after), MAX_MEBIBYTES, "MiB")]


async def tell(subject: Subject, tokens: Sequence[Sequence[str]], events: int, per_second: float) -> None:
    """Have so many accounts created, in the tenants by turns."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with httpx.AsyncClient(base_url=subject.url, trust_env=False, timeout=60) as client:
        for number in range(events):
            await asyncio.sleep(max(0.0, began + number / per_second - loop.time()))
            client.headers["authorization"] = f"Bearer {tokens[number % len(tokens)][0]}"
            await created(client, "/v1/accounts", {"kind": "ORGANIZATION", "display_name": f"Account {number}"})


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.streams_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--tenants", type=int, default=4)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=5.0)
    given = parser.parse_args(arguments)
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    bars = asyncio.run(measure(given.streams, given.tenants, given.users, given.events, given.per_second))
    for bar in bars:
        print(f"{'held' if bar.held else 'MISSED'}: {bar.what} {bar.measured:.0f} {bar.unit}, at most {bar.limit:.0f}")
    return 0 if all(bar.held for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
