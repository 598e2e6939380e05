"""The job that finds reservations that have ended, on each tenant's clock: whose order was never heard of again.

What they took of an account's credit is free with that, and nothing else says so. When the next one ends is kept with
the account; it is written under the account's lock, so that of several processes one tells.
"""

from typing import Any

from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.plumbing import access_tenants
from sqlalchemy import DateTime, Select, Uuid, bindparam, func, select, true, update

from crm_scoring.credit.freed import take_turn, tell_reservation_ended
from crm_scoring.credit.queries import reservations_from
from crm_scoring.credit.tables import reservation_ends

EVERY_SECONDS = 2.0
BATCH = 500
A_TENANTS_SHARE = 100


class Reservations:
    """Tells in all tenants what ended reservations make free; several processes may do so at once. See `job`."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self.job = PeriodicJob("reservations", self.look, every_seconds=EVERY_SECONDS)

    async def look(self) -> bool:
        """Tell of what has ended; True when there may be more."""
        rows = await self._tenants.database.all(ALL_TENANTS, due_ends(), {"now": self._tenants.now()})
        done = await each(rows, self._end, name=self.job.name)
        return len(done) >= A_TENANTS_SHARE

    async def _end(self, row: Record) -> None:
        """Tell of an account's reservations that have ended since, and note when the next one will."""
        account_id, due_time = row["account_id"], row["due_time"]
        now = self._tenants.now() + row["clock_offset"]
        async with self._tenants.unit(row["tenant_id"], now) as work:
            await take_turn(work, account_id)
            if not await work.one(ends_then(), account_id=account_id, due_time=due_time):
                return
            found = await work.one(reservations_from(), account_id=account_id, since=due_time)
            assert found is not None, "an aggregate has a row"
            if found["last_time"] is not None:
                await tell_reservation_ended(work, account_id)
            if found["next_time"] is None:
                work.delete(reservation_ends, account_id=account_id)
            else:
                work.execute(put_off(), account_id=account_id, next_time=found["next_time"])


@statement
def due_ends() -> Select[Any]:
    """Of each tenant the first that are due on its clock, each found by an index; first the first of each."""
    ends, tenant = reservation_ends, access_tenants
    due = (
        select(ends.c.account_id, ends.c.due_time)
        .where(
            ends.c.tenant_id == tenant.c.tenant_id,
            ends.c.due_time <= bindparam("now", type_=DateTime(timezone=True)) + tenant.c.clock_offset,
        )
        .order_by(ends.c.due_time)
        .limit(A_TENANTS_SHARE)
        .lateral("due")
    )
    number = func.row_number().over(partition_by=tenant.c.tenant_id, order_by=due.c.due_time)
    return (
        select(tenant.c.tenant_id, tenant.c.clock_offset, due.c.account_id, due.c.due_time)
        .join_from(tenant, due, true())
        .order_by(number, due.c.due_time)
        .limit(BATCH)
    )


@statement
def ends_then() -> Select[Any]:
    """Whether nobody else has looked at the account since."""
    return select(reservation_ends.c.account_id).where(
        reservation_ends.c.tenant_id == bindparam("tenant_id"),
        reservation_ends.c.account_id == bindparam("account_id", type_=Uuid),
        reservation_ends.c.due_time == bindparam("due_time", type_=DateTime(timezone=True)),
    )


@statement
def put_off() -> Any:
    return (
        update(reservation_ends)
        .where(
            reservation_ends.c.tenant_id == bindparam("tenant_id"),
            reservation_ends.c.account_id == bindparam("account_id", type_=Uuid),
        )
        .values(due_time=bindparam("next_time", type_=DateTime(timezone=True)))
    )
