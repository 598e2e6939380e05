"""Sends what was gathered, until the server has taken it or said its last word.

A mail is claimed before it is sent, and marked behind that. Who dies in between has sent it or not: it is sent again
once the claim has lapsed, under the same Message-ID. A tenant has two of the three places of a process at most, so mail
that takes long, or much of it, keeps none of the others waiting.
"""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import DateTime, bindparam, case, func, literal, select, true, update

from crm_kit.background import PeriodicJob, Tenants
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import statement
from crm_kit.errors import Unavailable
from crm_kit.mail.delivery import deliver
from crm_kit.mail.message import compose
from crm_kit.mail.model import Attachment, Outcome, Progress, State
from crm_kit.mail.server import MailServer
from crm_kit.plumbing import access_tenants, outgoing_mails

log = structlog.get_logger(__name__)
EVERY_SECONDS = 2.0
SIDE_BY_SIDE = 3
A_TENANTS_SHARE = 2
# Longer than an attempt may take.
CLAIM = timedelta(minutes=10)
SERVER_FIRST_SECONDS, SERVER_LAST_SECONDS = 2.0, 30.0


class MailSender:
    """Sends one mail after the other; several go side by side, in one process and in many."""

    def __init__(self, tenants: Tenants, server: MailServer) -> None:
        self._tenants = tenants
        self._server = server
        self.job = PeriodicJob("mail", self.look, every_seconds=EVERY_SECONDS)
        # When a server that was away is asked again, in the loop's time.
        self._again = 0.0
        self._wait_seconds = SERVER_FIRST_SECONDS

    async def look(self) -> bool:
        """Send one mail that is due; True when there may be more."""
        if asyncio.get_running_loop().time() < self._again:
            return False
        now = self._tenants.now()
        row = await self._claim(now)
        if row is None:
            return False
        progress = progress_of(row)
        if progress.is_over(now):
            await self._mark(row, progress.given_up())
            return True
        try:
            outcome = await self._attempt(row)
        except Unavailable as error:
            self._server_away(error)
            await self._mark(row, progress.put_back(now))
            return False
        except Exception:
            # Nothing of it may fail; whatever does is the mail's own, which waits as after any attempt.
            log.exception("mail.attempt_failed", mail_id=str(progress.id))
            outcome = Outcome(later=dict.fromkeys(progress.recipients, "the attempt failed here: the log says why"))
        self._again, self._wait_seconds = 0.0, SERVER_FIRST_SECONDS
        await self._mark(row, progress.after(outcome, now=self._tenants.now(), jitter=random.random()))
        return True

    async def _claim(self, now: datetime) -> Record | None:
        """A mail that nobody else tries until the claim lapses; None when nothing is due that may be sent now."""
        database, values = self._tenants.database, {"now": now, "until": now + CLAIM}
        while await database.all(ALL_TENANTS, any_due(), values):
            found = await database.all(ALL_TENANTS, next_due(), values)
            if not found:
                return None
            rows = await database.all(ALL_TENANTS, claim(), values | dict(found[0]))
            # Else somebody was quicker.
            if rows:
                return rows[0]
        return None

    async def _attempt(self, row: Record) -> Outcome:
        # Composing takes as long as the attachments are large.
        message = await asyncio.to_thread(self._composed, row)
        return await deliver(self._server, row["recipients"], message)

    def _composed(self, row: Record) -> bytes:
        parts = zip(row["file_names"], row["media_types"], row["contents"], strict=True)
        return compose(
            row["id"],
            sender=self._server.sender,
            recipients=row["addressed_to"],
            subject=row["subject"],
            text=row["text"],
            attachments=[Attachment(*each) for each in parts],
            time=row["gather_time"],
        )

    async def _mark(self, row: Record, after: Progress) -> None:
        """Write what became of an attempt, unless the mail was claimed anew meanwhile."""
        values = {
            "tenant_id": row["tenant_id"],
            "claimed_attempts": row["attempts"],
            "id": after.id,
            "recipients": after.recipients,
            "refused": after.refused,
            "state": after.state,
            "reason": after.reason,
            "attempts": after.attempts,
            "next_attempt_time": after.next_attempt_time,
        }
        await self._tenants.database.all(row["tenant_id"], mark(), values)
        if after.state is State.FAILED:
            log.warning("mail.failed", mail_id=str(after.id), attempts=after.attempts, refused=len(after.refused))

    def _server_away(self, error: Unavailable) -> None:
        if self._wait_seconds == SERVER_FIRST_SECONDS:
            # Once, however long it lasts.
            log.warning("mail.server_away", error=error.detail)
        self._again = asyncio.get_running_loop().time() + self._wait_seconds * random.uniform(0.75, 1.25)
        self._wait_seconds = min(2 * self._wait_seconds, SERVER_LAST_SECONDS)


def progress_of(row: Record) -> Progress:
    """How far the mail of a row has come."""
    values = {name: row[name] for name in ("id", "attempts", "gather_time", "next_attempt_time", "reason")}
    recipients, refused = tuple(row["recipients"]), tuple(row["refused"])
    return Progress(recipients=recipients, refused=refused, state=State(row["state"]), **values)


# --- statements ---


def _now() -> Any:
    return bindparam("now", type_=DateTime(timezone=True))


@statement
def any_due() -> Any:
    """Whether anything is due in any tenant: mostly not, and then no tenant is looked at."""
    mails = outgoing_mails.c
    due = mails.next_attempt_time <= _now()
    return select(mails.id).where(mails.state == State.WAITING, due).order_by(mails.next_attempt_time).limit(1)


@statement
def next_due() -> Any:
    """The mail that is due the longest, of the tenants that have the fewest under way and not their share."""
    mails, tenant = outgoing_mails, access_tenants
    of_tenant = mails.c.tenant_id == tenant.c.tenant_id
    due = (
        select(mails.c.id, mails.c.attempts.label("seen_attempts"), mails.c.next_attempt_time)
        .where(of_tenant, mails.c.state == State.WAITING, mails.c.next_attempt_time <= _now())
        .order_by(mails.c.next_attempt_time)
        .limit(1)
        .lateral("due")
    )
    under_way = select(func.count().label("count")).where(of_tenant, mails.c.claim_end_time > _now()).lateral("way")
    return (
        select(tenant.c.tenant_id, due.c.id, due.c.seen_attempts)
        .join_from(tenant, due, true())
        .join(under_way, true())
        .where(tenant.c.active, under_way.c.count < A_TENANTS_SHARE)
        .order_by(under_way.c.count, due.c.next_attempt_time)
        .limit(1)
    )


@statement
def claim() -> Any:
    mails, until = outgoing_mails, bindparam("until", type_=DateTime(timezone=True))
    return (
        update(mails)
        .where(
            mails.c.tenant_id == bindparam("tenant_id"),
            mails.c.id == bindparam("id"),
            mails.c.state == State.WAITING,
            mails.c.attempts == bindparam("seen_attempts"),
            mails.c.next_attempt_time <= _now(),
        )
        .values(attempts=mails.c.attempts + 1, next_attempt_time=until, claim_end_time=until)
        .returning(*mails.c)
    )


@statement
def mark() -> Any:
    mails, is_over = outgoing_mails, bindparam("state", type_=outgoing_mails.c.state.type) != State.WAITING
    names = ("recipients", "refused", "state", "reason", "attempts", "next_attempt_time")
    changed: dict[str, Any] = {name: bindparam(name, type_=mails.c[name].type) for name in names}
    # What was said is kept no longer than it is needed: that it was sent, or not, is.
    for name, nothing in (("text", ""), ("contents", [])):
        changed[name] = case((is_over, literal(nothing, mails.c[name].type)), else_=mails.c[name])
    return (
        update(mails)
        .where(
            mails.c.tenant_id == bindparam("tenant_id"),
            mails.c.id == bindparam("id"),
            mails.c.state == State.WAITING,
            mails.c.attempts == bindparam("claimed_attempts"),
        )
        .values(**changed, claim_end_time=None)
        .returning(mails.c.id)
    )
