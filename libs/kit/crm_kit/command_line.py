"""What every service can be told.

python -m crm_customer serve                  serve until SIGTERM
python -m crm_customer migrate [REVISION]     bring the schema up to date, or to a revision
python -m crm_customer dead-letters [replay]  list the events that could not be sent or have their effect, or try again
python -m crm_customer republish MINUTES      send the events of the last minutes again
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import UUID

import structlog
import uvloop
from sqlalchemy import select

from crm_kit import plumbing
from crm_kit.approvals.gate import Gate
from crm_kit.background import Job
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import unit_of_work
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.dead_letters import RELAY, send_again
from crm_kit.events.deliveries import type_of
from crm_kit.events.relay import mark_unpublished
from crm_kit.events.subjects import subject_of
from crm_kit.identity.access import Scope, service_actor
from crm_kit.identity.key_ring import FetchKeys
from crm_kit.service import Service, follow_with_rules, serve
from crm_kit.settings import MigrationSettings, read_settings

log = structlog.get_logger()


async def replay_dead_letters(service: Service, consumers: Consumers) -> None:
    """Have the effect of every dead letter of a consumer, and send what the relay could not.

    Each that succeeds is gone from the table.
    """
    letters = plumbing.dead_letters
    mine = compile_statement(select(letters).where(letters.c.consumer.in_([consumers.name, RELAY])))
    for row in await service.database.all(ALL_TENANTS, mine, {}):
        event = Event.FromString(row["event"])
        try:
            if row["consumer"] != RELAY:
                await consumers.apply(event)
            await end_dead_letter(service, event, row["consumer"])
        except Exception:
            # The next one may fare better; this one stays where it is, and the log says why.
            log.exception("dead_letter.failed_again", event_id=event.id)
            continue
        log.info("dead_letter.replayed", event_id=event.id)


async def replay_all_dead_letters(service: Service) -> None:
    """Have the effect of every dead letter of the service, those of its automation rules among them."""
    follow_with_rules(service, Gate(service.approvables, service.directory, service.calendars))
    for consumers in (service.consumers, service.automation):
        await replay_dead_letters(service, consumers)


async def end_dead_letter(service: Service, event: Event, consumer: str) -> None:
    """Take the letter away; of one that could not be sent, in the transaction that lets the relay find it again."""
    tenant_id = UUID(event.tenant_id)
    async with unit_of_work(service.database, service_actor(tenant_id), scope=Scope.ALL, now=system_now()) as work:
        work.delete(plumbing.dead_letters, id=UUID(event.id), consumer=consumer)
        if consumer == RELAY:
            work.execute(
                send_again(),
                id=UUID(event.id),
                subject=subject_of(type_of(event), event.tenant_id),
                aggregate_id=UUID(event.aggregate_id),
                aggregate_version=event.aggregate_version,
                event=event.SerializeToString(),
            )
            work.wakes_relay = True


async def list_dead_letters(service: Service) -> None:
    """Print the dead letters of this service, one a line."""
    rows = await service.database.all(ALL_TENANTS, compile_statement(select(plumbing.dead_letters)), {})
    for row in rows:
        kind = Event.FromString(row["event"]).payload.type_url.rpartition("/")[2]
        sys.stdout.write(f"{row['create_time']:%Y-%m-%dT%H:%M:%SZ} {row['id']} {kind} {row['reason']}\n")
    sys.stdout.write(f"{len(rows)} dead letters\n")


async def republish(service: Service, age: timedelta) -> None:
    """Send again what was published within `age`: for a broker that lost its last seconds."""
    await service.database.all(ALL_TENANTS, mark_unpublished(), {"age": age})


async def with_database(service: Service, command: Job) -> None:
    """Run a command that needs the database and nothing else."""
    await service.database.open()
    try:
        await command()
    finally:
        await service.database.close()


def bring_to(folder: Path, revision: str = "head") -> None:
    """Bring the schema of the service in `folder` to a revision and say which it has."""
    # Alembic is a second of import and 20 MB that a serving process does without.
    from crm_kit.migrating import migrate

    settings = read_settings(MigrationSettings)
    role = unquote(urlsplit(settings.database_url).username or "")
    now = migrate(settings.migration_database_url, folder / "migrations", revision, role=role)
    sys.stdout.write(f"{folder.name.removeprefix('crm_')}: at revision {now}\n")


def main(
    folder: Path,
    build: Callable[[], Service],
    built_in_keys: Callable[[Service], FetchKeys],
    arguments: Sequence[str],
) -> None:
    """The command line of the service whose package is in `folder`."""
    if arguments[:1] == ["migrate"] and len(arguments) <= 2:
        bring_to(folder, *arguments[1:])
        return
    service = build()
    match arguments:
        case ["serve"]:
            with contextlib.suppress(KeyboardInterrupt):
                uvloop.run(serve(service, built_in_keys(service)))
        case ["dead-letters"]:
            asyncio.run(with_database(service, lambda: list_dead_letters(service)))
        case ["dead-letters", "replay"]:
            asyncio.run(with_database(service, lambda: replay_all_dead_letters(service)))
        case ["republish", minutes]:
            age = timedelta(minutes=float(minutes))
            asyncio.run(with_database(service, lambda: republish(service, age)))
        case _:
            sys.stderr.write(__doc__ or "")
            raise SystemExit(2)
