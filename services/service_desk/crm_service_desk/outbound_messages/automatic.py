"""What keeps messages of rules from answering programs, and from going round and round."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.zones import day_in
from sqlalchemy import Integer, bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_service_desk.cases.commands import add_note
from crm_service_desk.cases.model import Case
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.outbound_messages.commands import MAX_NOTE
from crm_service_desk.outbound_messages.queries import Newest, find_newest
from crm_service_desk.outbound_messages.tables import automatic_messages

# To one address of a tenant's, on one day: programs that do not say what they are end there.
MAX_A_DAY = 10
# What is written so soon behind a message answers it. Who is away has said so and still wants to hear what comes later.
ANSWERS_WITHIN = timedelta(hours=1)


async def check_automatic(work: UnitOfWork, case: Case, last: InboundMessage | None, addresses: Sequence[str]) -> None:
    """Count what a rule writes; FailedPrecondition where it would answer a program, or somebody has had enough.

    `last` is what a person wrote last in the case.
    """
    if answers_program(await find_newest(work, case.id), is_people=last is not None, now=work.now):
        detail = "a program wrote last in this case: nothing answers it by itself"
        raise _refused("automatic_to_program", detail)
    day = day_in(work.actor.access.time_zone, work.now)
    # What is counted is part of the unit, and undone with it.
    await work.flush()
    for address in sorted(set(addresses)):
        if await work.one(count_one_more(), address=address, day_date=day, most=MAX_A_DAY) is None:
            detail = f"{address} has had {MAX_A_DAY} automatic messages today"
            raise _refused("automatic_limit", detail, address=address, most=str(MAX_A_DAY))


async def note(work: UnitOfWork, case: Case, text: str) -> None:
    """Gather that the case has a note of what a rule wrote: no clock goes by it, since nobody has looked after anybody.

    That follows from the rule as the message does, so it does not set the rule off again.
    """
    await add_note(work, case, f"(automatic message) {text}"[:MAX_NOTE])


def answers_program(newest: Newest | None, *, is_people: bool, now: datetime) -> bool:
    """Whether what is written now answers a program; `is_people`: whether a person has written in the case at all."""
    if newest is None or not newest.automatic:
        return False
    return not is_people or now - newest.create_time < ANSWERS_WITHIN


def unreachable(address: str) -> FailedPrecondition:
    """Why a rule does not write to somebody whose address is none: anybody may write so to us."""
    detail = f"{address} is no address that mail can be sent to"
    return _refused("automatic_unreachable", detail, address=address)


def _refused(rule: str, detail: str, **values: str) -> FailedPrecondition:
    return FailedPrecondition(detail, reason="AUTOMATIC_MESSAGE_REFUSED", metadata={"rule": rule, **values})


@statement
def count_one_more() -> Any:
    """One more, up to `most`; a first one is let in."""
    counts = automatic_messages.c
    names = ("tenant_id", "address", "day_date")
    fresh = insert(automatic_messages).values({name: bindparam(name) for name in names} | {"count": 1})
    return fresh.on_conflict_do_update(
        index_elements=[counts[name] for name in names],
        set_={"count": counts["count"] + 1},
        where=counts["count"] < bindparam("most", type_=Integer),
    ).returning(counts["count"])
