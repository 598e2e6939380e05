"""The consumers of a service's projection of accounts and nothing else, so that what they cost can be seen.

python -m tests.load.consumer_process DATABASE_URL NATS_URL
"""

import sys

import nats
import uvloop
from crm_kit.accounts import follow_accounts
from crm_kit.clock import TenantClock
from crm_kit.database.connections import Database
from crm_kit.events.consumers import Consumers
from crm_scoring.accounts.tables import accounts


async def consume(database_url: str, nats_url: str) -> None:
    database = Database(database_url, violations={})
    await database.open()
    consumers = Consumers("bench", database, TenantClock(database))
    follow_accounts(consumers, accounts)
    await consumers.run(await nats.connect(nats_url))


if __name__ == "__main__":
    uvloop.run(consume(*sys.argv[1:3]))
