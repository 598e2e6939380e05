"""How many mails a second become cases beside a million messages, and how long one waits beside full mailboxes.

python -m tests.load.intake_bench [--mails N] [--rows N] [--file-bytes N]

A service desk in this process, mail servers in others. Writes build/intake_bench.json; ends with 1 when a bar is
missed.
"""

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import orjson
from crm.service_desk.v1 import channels_pb2
from crm_kit.database.statements import compile_statement
from crm_local.testing import servers_for_tests
from sqlalchemy import text

from tests.load.bars import Bar
from tests.load.meter import machine
from tests.service.eventually import eventually
from tests.service.running import Tokens, running
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake, intake_of
from tests.service.service_desk.mail_server import MailServer, mail_server
from tests.service.service_desk.test_fetched_mail import create, set_password

RESULT = Path("build/intake_bench.json")
# Mails a second from one mailbox, each the opening of a case; and how long one waits whose tenant has no other.
LEAST_PER_SECOND, MAX_WAIT_SECONDS = 20.0, 3.0
# What reading a mail with a large file may add to the memory of the process.
MAX_MEBIBYTES = 40.0
FULL_MAILBOXES = 8
PATIENCE_SECONDS = 600.0
EVERYBODY = channels_pb2.Channel.CASE_OPENING_EVERYBODY
COUNT = text("SELECT count(*) FROM inbound_messages WHERE tenant_id = :tenant_id AND channel_id = :channel_id")
FILL = text("""
INSERT INTO inbound_messages (tenant_id, id, channel_id, source_id, from_address, to_addresses, subject, text,
    thread_references, automatic, state, reason, version, create_time, update_time)
SELECT :tenant_id, gen_random_uuid(), :channel_id, '<old-' || n || '@kunde.example>',
    'old-' || n % 50000 || '@kunde.example', '{}', 'meter', 'It stands still.', '{}', false, 'UNMATCHED',
    'UNKNOWN_SENDER', 1, now() - n * interval '1 minute', now() - n * interval '1 minute'
FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n
""")


def serve(port: Any) -> None:
    """A mail server, for good."""

    async def run() -> None:
        async with mail_server() as server:
            port.send(server.port)
            await asyncio.Event().wait()

    asyncio.run(run())


@contextlib.contextmanager
def serving() -> Iterator[MailServer]:
    """A mail server in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield MailServer(ours.recv())
    finally:
        process.kill()
        process.join()


def mail(number: int, *, file_bytes: int = 0) -> bytes:
    """One of a sender of its own; each opens a case."""
    written = EmailMessage()
    written["From"], written["Message-ID"] = f"chen-{number}@kunde.example", f"<{number}@kunde.example>"
    written["Subject"] = f"meter {number}"
    written.set_content("It stands still since this morning. " * 20)
    if file_bytes:
        written.add_attachment(bytes(file_bytes), "application", "octet-stream", filename="photos.bin")
    return written.as_bytes()


def send(port: int, file_bytes: int, folder: str) -> None:
    """Put one mail with a file into a folder: in a process of its own, whose memory is not measured."""
    asyncio.run(MailServer(port).deliver(mail(1, file_bytes=file_bytes), folder=folder))


async def count_of(intake: Intake) -> int:
    """How many messages the channel has."""
    user, database = intake.desk.user, intake.running.service.database
    values = {"tenant_id": user.tenant_id, "channel_id": intake.mailbox.id}
    rows = await database.all(user.tenant_id, compile_statement(COUNT), values)
    return int(rows[0][0])


async def kept(intake: Intake, count: int) -> float:
    """Seconds until so many messages are kept."""

    async def there() -> bool:
        return await count_of(intake) >= count

    began = time.perf_counter()
    await eventually(there, seconds=PATIENCE_SECONDS)
    return time.perf_counter() - began


async def fill(intake: Intake, rows: int) -> None:
    """As many messages as came in years, of the same channel."""
    user, database = intake.desk.user, intake.running.service.database
    for first in range(0, rows, 50_000):
        values = {"first": first, "last": min(first + 50_000, rows) - 1}
        channel = {"tenant_id": user.tenant_id, "channel_id": intake.mailbox.id}
        await database.all(user.tenant_id, compile_statement(FILL), values | channel)


@contextlib.asynccontextmanager
async def desks() -> AsyncIterator[Any]:
    """A service desk, and how to get a tenant of it with a channel."""
    async with servers_for_tests() as servers, running("service_desk", servers, Tokens()) as service:

        async def tenant() -> Intake:
            desk = Desk(service, await service.user(await service.tenant(sandbox=True)))
            return await intake_of(desk, case_opening=EVERYBODY)

        yield tenant


def resident() -> float:
    """The memory that this process has now, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / (1 << 20)


@contextlib.asynccontextmanager
async def watching() -> AsyncIterator[list[float]]:
    """The memory of this process, again and again while something is done."""
    seen = [resident()]

    async def look() -> None:
        while True:
            seen.append(resident())
            await asyncio.sleep(0.01)

    task = asyncio.create_task(look())
    try:
        yield seen
    finally:
        task.cancel()


async def measure(mails: int, rows: int, file_bytes: int) -> list[Bar]:
    """Build everything, measure, take everything down again."""
    async with desks() as tenant:
        with serving() as server, serving() as other:
            intake: Intake = await tenant()
            await fill(intake, rows)
            await server.deliver(*(mail(number) for number in range(mails)))
            await set_password(intake, await create(intake, server.port))
            rate = mails / await kept(intake, rows + mails)
            # Eight mailboxes of a tenant are full; somebody writes to another one.
            full: Intake = await tenant()
            for number in range(FULL_MAILBOXES):
                folder = f"full-{number}"
                await server.make_anew(folder)
                found = (mail(10_000 * (number + 1) + each) for each in range(mails))
                await server.deliver(*found, folder=folder)
                await set_password(full, await create(full, server.port, folder=folder))
            await kept(full, 1)
            beside: Intake = await tenant()
            await other.deliver(mail(1))
            await set_password(beside, await create(beside, other.port))
            waited = await kept(beside, 1)
            assert await count_of(full) < mails * FULL_MAILBOXES, "the full mailboxes were empty before: --mails more"
            await kept(full, mails * FULL_MAILBOXES)
            # A mail with a file of that size, in memory never whole.
            large: Intake = await tenant()
            await other.make_anew("large")
            sending = multiprocessing.get_context("spawn").Process(target=send, args=(other.port, file_bytes, "large"))
            sending.start()
            await asyncio.to_thread(sending.join)
            async with watching() as seen:
                await set_password(large, await create(large, other.port, folder="large"))
                await kept(large, 1)
            (message,) = await large.waiting("")
            assert [each.size_bytes for each in message.files] == [file_bytes], message
            return [
                Bar(f"mails a second that open a case, beside {rows:,} messages", rate, LEAST_PER_SECOND, "/s", True),
                Bar(f"wait beside {FULL_MAILBOXES} full mailboxes of another tenant", waited, MAX_WAIT_SECONDS, "s"),
                Bar(f"memory for a file of {file_bytes:,} bytes", max(seen) - seen[0], MAX_MEBIBYTES, "MiB"),
            ]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tests.load.intake_bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--file-bytes", type=int, default=25_000_000)
    given = parser.parse_args(arguments)
    bars = asyncio.run(measure(given.mails, given.rows, given.file_bytes))
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    for bar in bars:
        side = "at least" if bar.at_least else "at most"
        print(f"{'held' if bar.held else 'MISSED'}: {bar.what} {bar.measured:.1f} {bar.unit}, {side} {bar.limit:.0f}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": machine(), "plan": vars(given), "bars": [asdict(bar) for bar in bars]}))
    return 0 if all(bar.held for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
