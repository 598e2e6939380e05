"""A consumer in a process of its own, which kills itself where it is told to.

python -m tests.service.kit.dying_consumer DATABASE_URL NATS_URL NAME TENANT_ID before|after|never
"""

import os
import signal
import sys
from uuid import UUID

import nats
import uvloop
from crm_kit.clock import TenantClock
from crm_kit.database.connections import Database
from crm_kit.database.work import UnitOfWork
from crm_kit.events.consumers import Consumers, Event

from tests.service.kit.listening import Created, note_effect

# Enough that a transaction has others before and behind the one it dies at.
FATAL = 5


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def consume(database_url: str, nats_url: str, name: str, tenant_id: UUID, death: str) -> None:
    database = Database(database_url, violations={})
    await database.open()
    consumers = Consumers(name, database, TenantClock(database), ack_wait_seconds=1)
    gathered = 0

    def gather(work: UnitOfWork, event: Event, _payload: Created) -> None:
        nonlocal gathered
        if work.tenant_id != tenant_id:
            return
        note_effect(work, name, event)
        gathered += 1
        if death == "before" and gathered == FATAL:
            die()
        if death == "after":
            work.after_commit.append(die)

    consumers.project(Created, gather)
    await consumers.run(await nats.connect(nats_url))


if __name__ == "__main__":
    uvloop.run(consume(sys.argv[1], sys.argv[2], sys.argv[3], UUID(sys.argv[4]), sys.argv[5]))
