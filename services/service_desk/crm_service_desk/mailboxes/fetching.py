"""Fetches what is due, from each mailbox in one process at a time.

A mail is kept and the position moved on in one transaction, and then the mail is marked as seen: whoever dies between
any two lines has it neither lost nor kept twice. Mailboxes share places in a process, of which a tenant has a part: a
server that hangs delays its own tenant at most.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from crm_kit.background import PeriodicJob, Tenants
from crm_kit.database.work import UnitOfWork, retried, unit_of_work
from crm_kit.directory.access import Directory
from crm_kit.directory.keepers import get_keepers
from crm_kit.errors import Conflict, CrmError, FailedPrecondition, Unauthenticated, Unavailable
from crm_kit.events.leases import Lease
from crm_kit.identity.access import Actor, Scope
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from crm_kit.outbound_http.addresses import Reach

from crm_service_desk.channels.model import ChannelState
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.inbound_messages.intake import Intake, ReadMail
from crm_service_desk.mailboxes import commands
from crm_service_desk.mailboxes.imap import MAX_PIECE_BYTES, Folder, Piece, Session, opened
from crm_service_desk.mailboxes.lines import MailServerError
from crm_service_desk.mailboxes.model import EVERY, Failure, Mailbox, is_to_be_told, wait_after
from crm_service_desk.mailboxes.passwords import Passwords, UnreadableError
from crm_service_desk.mailboxes.queries import MAX_DUE, Due, Position, get_due, get_position
from crm_service_desk.mailboxes.resource import MAILBOXES
from crm_service_desk.mailboxes.servers import fetching_server

log = structlog.get_logger()
# Who has it for all of a tenant looks after its mailboxes.
CHANNELS_WRITE = "channels.write"
# Mailboxes that a process fetches from at a time, and of them those of one tenant.
MAX_MAILBOXES, MAX_MAILBOXES_OF_TENANT = 32, 4
LOOK_SECONDS, LEASE_SECONDS = 5.0, 30.0
# After so long the place is another's, if one waits.
TURN_SECONDS = 20.0
# So often in a row nothing could be fetched, and then a mail could not be read: it is put aside.
MAX_TRIES = 5
# For one mail, however large it is and however slowly its server sends.
MAIL_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A mailbox while this process fetches from it, in whose name, and where it had come to.

    Without a password where nobody can read the one that it has.
    """

    actor: Actor
    mailbox: Mailbox
    password: str | None
    position: Position


class Pieces:
    """A mail piece by piece, as its server hands it over: in shorter ones than it was asked for, if it likes."""

    def __init__(self, session: Session, uid: int, first: Piece) -> None:
        self._session, self._uid, self._first = session, uid, first
        self._size = 0

    async def all(self) -> AsyncIterator[bytes]:
        """All of them; MailServerError where the mail is gone before its end."""
        piece = self._first
        while piece.content:
            yield piece.content
            self._size += len(piece.content)
            # Of what is as long as it should be nobody asks whether more follows, unless the size was an estimate.
            if self._size == self._first.stated_bytes and len(piece.content) < MAX_PIECE_BYTES:
                return
            found = await self._session.read(self._uid, self._size)
            if found is None:
                raise MailServerError(Failure.BROKEN_OFF)
            piece = found

    def check_whole(self, *, is_open: bool) -> None:
        """FailedPrecondition where the server says that nothing follows, and has not handed over all.

        What it says of the size is no proof: some, such as Exchange, estimate it. What shows is a mail that `is_open`,
        or of which nothing came.
        """
        stated = self._first.stated_bytes or 0
        if self._size < stated and (is_open or not self._size):
            detail = f"the server hands over {self._size} bytes of {stated}"
            raise FailedPrecondition(detail, reason="MAIL_INCOMPLETE")


class StoppedError(Exception):
    """The channel takes nothing any more, or the mailbox is another by now."""


class Fetching:
    """Fetches for all tenants, in one process. `run` it once."""

    name = "mailboxes"

    def __init__(
        self,
        tenants: Tenants,
        directory: Directory,
        passwords: Passwords,
        intake: Intake,
        reach: Reach,
        *,
        loopback: bool,
    ) -> None:
        self._tenants = tenants
        self._database = tenants.database
        self._directory = directory
        self._passwords = passwords
        self._reach = reach
        self._loopback = loopback
        self._intake = intake
        self._tasks: dict[Due, asyncio.Task[None]] = {}
        self.job = PeriodicJob(self.name, self.look, every_seconds=LOOK_SECONDS)

    async def run(self) -> None:
        """Fetch what is due, for ever."""
        try:
            await self.job.run()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> bool:
        """Begin with what is due, as far as there are places; True when others may wait behind those of one tenant."""
        busy = Counter(each.tenant_id for each in self._tasks)
        full = [tenant_id for tenant_id, count in busy.items() if count >= MAX_MAILBOXES_OF_TENANT]
        found, begun = await get_due(self._database, self._tenants.now(), without=full), False
        for due in found:
            if len(self._tasks) >= MAX_MAILBOXES:
                return False
            if due not in self._tasks and busy[due.tenant_id] < MAX_MAILBOXES_OF_TENANT:
                busy[due.tenant_id] += 1
                self._begin(due)
                begun = True
        return begun and len(found) == MAX_DUE

    def _begin(self, due: Due) -> None:
        task = self._tasks[due] = asyncio.create_task(self._hold(due))

        def end(_: object) -> None:
            del self._tasks[due]
            self.job.wake()

        task.add_done_callback(end)

    async def _hold(self, due: Due) -> None:
        """Fetch from a mailbox unless another process does."""
        lease = Lease(self._database, f"mailbox {due.mailbox_id}", LEASE_SECONDS)
        try:
            if not await lease.hold():
                # Its holder says when it is due again; until then it is not looked at in every instant.
                await asyncio.sleep(LOOK_SECONDS)
                return
            try:
                async with lease.kept():
                    await self.fetch(due)
            finally:
                await lease.end()
        except (Unavailable, Conflict) as error:
            log.warning("mailboxes.waiting", error=error.detail)
            await self._put_off(due)
        except Exception:
            log.exception("mailboxes.failed", mailbox_id=str(due.mailbox_id))
            await self._put_off(due)

    async def _put_off(self, due: Due) -> None:
        """Let others have their turn: what fails before its end would be the first again in every look."""
        with contextlib.suppress(CrmError):
            async with self._tenants.unit(due.tenant_id) as work:
                position = await get_position(work, due.mailbox_id)
                self._schedule(work, due.mailbox_id, EVERY, position.failure_count, told=position.told)
        await asyncio.sleep(LOOK_SECONDS)

    # --- a turn

    async def fetch(self, due: Due) -> None:
        """Fetch until there is nothing more, or it is another's turn."""
        turn = await self._turn(due)
        if turn is None:
            return
        failure, more = None, False
        try:
            password, server = password_of(turn), await fetching_server(turn.mailbox, loopback=self._loopback)
            async with opened(server, password, self._reach) as session:
                more = await self._take_all(turn, session)
        except MailServerError as error:
            failure = error.failure
        except StoppedError:
            pass
        except (Unavailable, Conflict):
            raise
        except Exception:
            # Not foreseen, and perhaps of one mailbox alone: it is tried again after the same growing waits.
            log.exception("mailboxes.failed", mailbox_id=str(due.mailbox_id))
            failure = Failure.BROKEN_OFF
        await retried(lambda: self._end(turn, failure, more=more))

    async def _turn(self, due: Due) -> Turn | None:
        """The mailbox as it is now; None when nothing is to be fetched from it."""
        async with self._tenants.unit(due.tenant_id) as work:
            position = await get_position(work, due.mailbox_id)
            if position.due_time is None or position.due_time > self._tenants.now():
                return None
            mailbox = await MAILBOXES.get(work, due.mailbox_id)
            channel = await CHANNELS.get(work, mailbox.channel_id)
            if not mailbox.is_fetched or channel.state is not ChannelState.ACTIVE:
                self._schedule(work, mailbox.id, EVERY, position.failure_count, told=position.told)
                return None
            password = None
            with contextlib.suppress(UnreadableError):
                password = await self._passwords.get(work, mailbox.id)
        try:
            actor = await self._directory.service(due.tenant_id)
        except Unauthenticated:
            return None
        return Turn(actor, mailbox, password, position)

    async def _take_all(self, turn: Turn, session: Session) -> bool:
        """Take what is new; whether there is more, for which there was no time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + TURN_SECONDS
        validity, uid_next = session.folder.uid_validity, session.folder.uid_next
        first, first_uid_next = await self._begins(turn, session.folder)
        while first < uid_next:
            was_there = first < first_uid_next
            last = min(first + session.folder.window, first_uid_next if was_there else uid_next) - 1
            for uid in await session.find(first, last, unseen=was_there):
                await self._take(turn, session, validity, uid)
                if loop.time() > end:
                    return True
            await self._advance(turn, validity, last)
            first = last + 1
            # Also where no mail is found: a server may have far more numbers than mails.
            if loop.time() > end:
                return first < uid_next
        return False

    async def _begins(self, turn: Turn, folder: Folder) -> tuple[int, int]:
        """The first number that may be new, and the first of a mail that was not there when it was first fetched."""
        position = turn.position
        if position.uid_validity == folder.uid_validity:
            return position.last_uid + 1, position.first_uid_next
        async with self._unit(turn) as work:
            # Of another folder, which somebody has named meanwhile, the numbers may look the same.
            if (await MAILBOXES.get(work, turn.mailbox.id)).version != turn.mailbox.version:
                raise StoppedError
            values: dict[str, Any] = {"uid_validity": folder.uid_validity, "first_uid_next": folder.uid_next}
            work.execute(commands.begin_position(), mailbox_id=turn.mailbox.id, **values)
        return 1, folder.uid_next

    # --- a mail

    async def _take(self, turn: Turn, session: Session, validity: int, uid: int) -> None:
        try:
            read = await self._read(turn, session, validity, uid)
            if read is None:
                await self._advance(turn, validity, uid)
                return
            await retried(lambda: self._keep(turn, validity, uid, read))
        except (Unavailable, Conflict, MailServerError):
            raise
        except CrmError as error:
            await self._put_aside(turn, validity, uid, reason=error.reason, detail=error.detail)
            return
        except Exception:
            # Not foreseen: the log knows what, and the mailbox goes on.
            log.exception("mailboxes.mail_failed", mailbox_id=str(turn.mailbox.id), uid=uid)
            await self._put_aside(turn, validity, uid, reason="INTERNAL", detail="an internal error")
            return
        await session.mark_seen(uid)

    async def _read(self, turn: Turn, session: Session, validity: int, uid: int) -> ReadMail | None:
        """A mail; one with which a server fails again and again is put aside, or those behind it would never come."""
        try:
            first = await session.read(uid)
            if first is None:
                return None
            pieces = Pieces(session, uid, first)
            async with asyncio.timeout(MAIL_SECONDS):
                read = await self._intake.read(turn.actor, self._now_of(turn), pieces.all())
        except (MailServerError, TimeoutError) as error:
            failure = error.failure if isinstance(error, MailServerError) else Failure.TIMED_OUT
            if turn.position.failure_count >= MAX_TRIES:
                detail = f"the server does not hand it over: {failure}"
                await self._put_aside(turn, validity, uid, reason="UNAVAILABLE", detail=detail)
            raise MailServerError(failure) from None
        pieces.check_whole(is_open=read.is_open)
        return read

    async def _keep(self, turn: Turn, validity: int, uid: int, read: ReadMail) -> None:
        async with self._unit(turn) as work:
            await self._intake.mail(work, turn.mailbox.channel_id, read)
            work.execute(commands.advance_position(), mailbox_id=turn.mailbox.id, uid_validity=validity, uid=uid)

    async def _put_aside(self, turn: Turn, validity: int, uid: int, *, reason: str, detail: str) -> None:
        """Go on without a mail; StoppedError where it is its channel that takes none."""
        async with self._unit(turn) as work:
            channel = await CHANNELS.get(work, turn.mailbox.channel_id)
            if channel.state is not ChannelState.ACTIVE:
                raise StoppedError
            commands.put_aside(work, turn.mailbox.id, validity, uid, reason=reason, detail=detail)
            work.execute(commands.advance_position(), mailbox_id=turn.mailbox.id, uid_validity=validity, uid=uid)

    async def _advance(self, turn: Turn, validity: int, uid: int) -> None:
        async with self._unit(turn) as work:
            work.execute(commands.advance_position(), mailbox_id=turn.mailbox.id, uid_validity=validity, uid=uid)

    # --- what came of it

    async def _end(self, turn: Turn, failure: Failure | None, *, more: bool) -> None:
        """Note how it went, say when it is fetched again, and tell those who look after it where that is needed."""
        async with self._unit(turn) as work:
            mailbox = await MAILBOXES.get(work, turn.mailbox.id)
            if mailbox.version != turn.mailbox.version:
                # It was tried as it is no more; whoever changed it said when it is due.
                return
            position = turn.position
            count = 0 if failure is None else position.failure_count + 1
            since = None if failure is None else (mailbox.failing_since_time or work.now)
            told = position.told and failure is not None
            if since is not None and not told and is_to_be_told(failure, since, work.now):
                await tell(work, mailbox, failure)
                told = True
            if (failure, since) != (mailbox.failure, mailbox.failing_since_time):
                commands.set_failure(work, mailbox, failure, since)
            wait = timedelta(0) if more else wait_after(failure, count)
            self._schedule(work, mailbox.id, wait, count, told=told)
        if failure is not None:
            log.warning("mailboxes.unreachable", mailbox_id=str(turn.mailbox.id), failure=failure)

    def _schedule(self, work: UnitOfWork, mailbox_id: UUID, wait: timedelta, failures: int, *, told: bool) -> None:
        due_time = self._tenants.now() + wait
        values: dict[str, Any] = {"due_time": due_time, "failure_count": failures, "told": told}
        work.execute(commands.schedule(), mailbox_id=mailbox_id, **values)

    def _unit(self, turn: Turn) -> contextlib.AbstractAsyncContextManager[UnitOfWork]:
        return unit_of_work(self._database, turn.actor, scope=Scope.ALL, now=self._now_of(turn))

    def _now_of(self, turn: Turn) -> datetime:
        return self._tenants.now() + turn.actor.access.clock_offset


def password_of(turn: Turn) -> str:
    """Its password; MailServerError where nobody can read it any more."""
    if turn.password is None:
        raise MailServerError(Failure.KEY_CHANGED)
    return turn.password


async def tell(work: UnitOfWork, mailbox: Mailbox, failure: Failure | None) -> None:
    """Tell those who look after mailboxes that nothing can be fetched from one."""
    raise_notice(
        work,
        Kind.NOTICE_KIND_MAILBOX_FAILING,
        await get_keepers(work, CHANNELS_WRITE),
        record=(MAILBOXES.collection, mailbox.id),
        name=mailbox.login,
        values={OUTCOME: failure or ""},
    )
