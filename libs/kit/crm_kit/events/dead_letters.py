"""Events that could not be sent, or have their effect, with the reason; they stay until they are replayed.

One that fails once more takes the place of its earlier letter: whoever keeps a letter may be interrupted, and do it
again, at any point.
"""

from typing import Any

from sqlalchemy import LargeBinary, Select, Text, Uuid, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import Insert, insert

from crm_kit.database.statements import statement
from crm_kit.plumbing import dead_letters, outbox

RELAY = "relay"
"""The `consumer` of an event that could not be sent."""

MAX_REASON_LENGTH = 2000


@statement
def put_dead_letter() -> Insert:
    """Keep one event of a consumer."""
    return upsert(
        select(
            bindparam("tenant_id", type_=Uuid),
            bindparam("id", type_=Uuid),
            bindparam("consumer", type_=Text),
            bindparam("event", type_=LargeBinary),
            bindparam("reason", type_=Text),
        )
    )


@statement
def put_unsendable() -> Insert:
    """Keep the event of an outbox row that the broker takes at no time."""
    rows = select(
        outbox.c.tenant_id, outbox.c.id, literal(RELAY, Text), outbox.c.event, bindparam("reason", type_=Text)
    )
    return upsert(rows.where(outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.id == bindparam("id")))


@statement
def send_again() -> Insert:
    """Let the relay find an event once more, whether its row is still there or not."""
    names = ("tenant_id", "id", "subject", "aggregate_id", "aggregate_version", "event")
    fresh = insert(outbox).values({name: bindparam(name) for name in names})
    return fresh.on_conflict_do_update(index_elements=[outbox.c.tenant_id, outbox.c.id], set_={"publish_time": None})


def upsert(rows: Select[Any]) -> Insert:
    """Keep the rows, each in place of an earlier letter of its event and consumer."""
    letters = dead_letters.c
    fresh = insert(dead_letters).from_select(["tenant_id", "id", "consumer", "event", "reason"], rows)
    return fresh.on_conflict_do_update(
        index_elements=[letters.tenant_id, letters.id, letters.consumer],
        set_={"event": fresh.excluded.event, "reason": fresh.excluded.reason, "create_time": func.now()},
    )


def reason_of(error: Exception) -> str:
    """What an error says, as a database can keep it."""
    told = f"{type(error).__name__}: {error}".replace("\0", "\\0")
    return told.encode(errors="backslashreplace").decode()[:MAX_REASON_LENGTH]
