"""Every SELECT on calls that their declaration does not make."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.plumbing import access_users
from sqlalchemy import DateTime, Select, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Text

from crm_service_desk.calls.facts import CallFact, Cause, Direction, FactKind
from crm_service_desk.calls.model import Call
from crm_service_desk.calls.resource import CALLS
from crm_service_desk.calls.tables import call_facts, call_timers, calls
from crm_service_desk.channels.tables import channels

FACT_COLUMNS = [column for column in call_facts.c if column.name in CallFact.__dataclass_fields__]
# Of a number's calls of so long it is looked which were told, of at most so many.
TOLD_LATELY, MAX_MISSED = timedelta(days=1), 500


@statement
def call_by_source() -> Select[Any]:
    return select(calls.c.id).where(
        calls.c.tenant_id == bindparam("tenant_id"),
        calls.c.channel_id == bindparam("channel_id"),
        calls.c.source_id == bindparam("source_id"),
    )


@statement
def facts_of_call() -> Select[Any]:
    return (
        select(*FACT_COLUMNS)
        .where(call_facts.c.tenant_id == bindparam("tenant_id"), call_facts.c.call_id == bindparam("call_id"))
        .order_by(call_facts.c.position)
    )


@statement
def channel_with_number() -> Select[Any]:
    """A tenant has few channels, so all are looked at. Archived ones count: the number is still ours."""
    own = bindparam("number", type_=Text) == any_(channels.c.addresses)
    is_extension = channels.c.extensions.contains(bindparam("having", type_=JSONB))
    is_ours = or_(own, is_extension)
    return select(channels.c.id).where(channels.c.tenant_id == bindparam("tenant_id"), is_ours).limit(1)


@statement
def team_of_user() -> Select[Any]:
    users = access_users.c
    return select(users.team_id, users.active).where(
        users.tenant_id == bindparam("tenant_id"), users.id == bindparam("user_id")
    )


@statement
def other_missed() -> Select[Any]:
    """When the number has called whom in vain, lately, and was not called back."""
    return (
        select(calls.c.begin_time, calls.c.account_id, calls.c.user_id, calls.c.ring_user_ids)
        .where(
            calls.c.tenant_id == bindparam("tenant_id"),
            calls.c.customer_number == bindparam("number"),
            calls.c.begin_time > bindparam("since", type_=DateTime(timezone=True)),
            calls.c.id != bindparam("call_id"),
            calls.c.missed,
            ~calls.c.called_back,
        )
        .order_by(calls.c.begin_time.desc())
        .limit(MAX_MISSED)
    )


@statement
def due_timer() -> Select[Any]:
    return select(call_timers.c.call_id).where(
        call_timers.c.tenant_id == bindparam("tenant_id"),
        call_timers.c.call_id == bindparam("call_id"),
        call_timers.c.due_time <= bindparam("now", type_=DateTime(timezone=True)),
    )


async def find_call(reader: Reader, channel_id: UUID, source_id: str) -> Call | None:
    """The call that a channel has by that id, if anything was told of it."""
    row = await reader.one(call_by_source(), channel_id=channel_id, source_id=source_id)
    return await CALLS.get(reader, row["id"]) if row else None


async def find_facts(reader: Reader, call_id: UUID) -> list[CallFact]:
    """All that was told of a call, in the order in which it came."""
    return [fact_from(row) for row in await reader.all(facts_of_call(), call_id=call_id)]


async def is_our_telephone(reader: Reader, number: str) -> bool:
    """Whether a number, given as all are compared, is our own, or an extension of ours."""
    values = {"number": number, "having": [{"extension": number}]}
    return await reader.one(channel_with_number(), **values) is not None


async def find_team(reader: Reader, user_id: UUID) -> UUID | None:
    """The team of a user whom the directory knows."""
    row = await reader.one(team_of_user(), user_id=user_id)
    return row["team_id"] if row else None


async def is_active_user(reader: Reader, user_id: UUID) -> bool:
    """Whether there is such a user, who can sign in."""
    row = await reader.one(team_of_user(), user_id=user_id)
    return row is not None and bool(row["active"])


async def is_overdue(reader: Reader, call_id: UUID) -> bool:
    """Whether we wait no longer for more of a call."""
    return await reader.one(due_timer(), call_id=call_id, now=reader.now) is not None


async def find_other_missed(reader: Reader, call: Call) -> Sequence[Record]:
    """When its number has called whom in vain within the day before it, or since; none of a number that is withheld."""
    if call.customer_number is None:
        return ()
    since = call.begin_time - TOLD_LATELY
    return await reader.all(other_missed(), number=call.customer_number, since=since, call_id=call.id)


def fact_from(row: Record) -> CallFact:
    """The fact that a row of `FACT_COLUMNS` holds."""
    values: Mapping[str, Any] = dict(zip((column.name for column in FACT_COLUMNS), row.values(), strict=True))
    cause = values["cause"]
    typed = {
        "kind": FactKind(values["kind"]),
        "direction": Direction(values["direction"]),
        "cause": Cause(cause) if cause else None,
    }
    return CallFact(**{**values, **typed})
