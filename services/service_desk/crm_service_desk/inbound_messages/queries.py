"""Every SELECT on inbound messages that their declaration does not make."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import DateTime, Select, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from crm_service_desk.cases.tables import cases
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.inbound_messages.resource import INBOUND_MESSAGES
from crm_service_desk.inbound_messages.tables import inbound_messages, message_threads

HOUR = timedelta(hours=1)


@statement
def message_by_source() -> Select[Any]:
    table = inbound_messages.c
    return select(table.id).where(
        table.tenant_id == bindparam("tenant_id"),
        table.channel_id == bindparam("channel_id"),
        table.source_id == bindparam("source_id"),
    )


@statement
def messages_since() -> Select[Any]:
    """How many came of a sender since an instant; counting ends at the most that matter."""
    table = inbound_messages.c
    found = (
        select(table.id)
        .where(
            table.tenant_id == bindparam("tenant_id"),
            table.channel_id == bindparam("channel_id"),
            table.from_address == bindparam("from_address"),
            table.create_time > bindparam("since", type_=DateTime(timezone=True)),
        )
        .limit(bindparam("most"))
        .subquery()
    )
    return select(func.count().label("count")).select_from(found)


@statement
def threads_by_references() -> Select[Any]:
    table = message_threads.c
    references = func.unnest(bindparam("references", type_=ARRAY(Text))).column_valued("asked")
    return select(table.reference, table.case_id).where(
        table.tenant_id == bindparam("tenant_id"),
        table.channel_id == bindparam("channel_id"),
        table.reference == references,
    )


@statement
def case_by_number() -> Select[Any]:
    return select(cases.c.id).where(cases.c.tenant_id == bindparam("tenant_id"), cases.c.number == bindparam("number"))


async def find_kept(reader: Reader, channel_id: UUID, source_id: str) -> InboundMessage | None:
    """The message that a channel has by that id, if it came before."""
    row = await reader.one(message_by_source(), channel_id=channel_id, source_id=source_id)
    return await INBOUND_MESSAGES.get(reader, row["id"]) if row else None


async def count_earlier(reader: Reader, message: InboundMessage, *, most: int) -> int:
    """How many came of its sender by its channel within the hour, at `most`."""
    row = await reader.one(
        messages_since(),
        channel_id=message.channel_id,
        from_address=message.from_address,
        since=message.create_time - HOUR,
        most=most,
    )
    assert row is not None
    count: int = row["count"]
    return count


async def find_answered(reader: Reader, channel_id: UUID, answers: Sequence[str]) -> UUID | None:
    """The case of the latest reference that means one; the latest stands last."""
    if not answers:
        return None
    rows = await reader.all(threads_by_references(), channel_id=channel_id, references=list(answers))
    known = {row["reference"]: row["case_id"] for row in rows}
    return next((known[each] for each in reversed(answers) if each in known), None)


async def find_numbered(reader: Reader, number: str | None) -> UUID | None:
    """The case that has a number."""
    row = await reader.one(case_by_number(), number=number) if number else None
    return row["id"] if row else None
