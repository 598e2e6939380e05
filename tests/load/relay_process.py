"""The relay of a service and nothing else, so that what it costs can be seen.

python -m tests.load.relay_process DATABASE_URL NATS_URL
"""

import sys

import nats
import uvloop
from crm_kit.database.connections import Database
from crm_kit.events.relay import Relay
from crm_kit.events.streams import ensure_stream


async def relay(database_url: str, nats_url: str) -> None:
    database = Database(database_url, violations={})
    await database.open()
    client = await nats.connect(nats_url)
    await ensure_stream(client.jetstream())
    await Relay(database, database_url, client).run()


if __name__ == "__main__":
    uvloop.run(relay(*sys.argv[1:3]))
