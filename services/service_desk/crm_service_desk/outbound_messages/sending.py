"""Sends what is due by the mailboxes of its channels, each message in one process at a time.

A message is claimed, with its attempt counted, before anything is said to a server, and what came of it is noted behind
that. Whoever dies in between has sent it or not: it is sent again once the claim has lapsed, under the same Message-ID,
by which servers and readers know it. Messages share places in a process, of which a tenant has a part, and where a
server is away all that its channel has waits together: a server that hangs delays its own tenant at most.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from crm_kit.attachments.contents import Contents
from crm_kit.attachments.model import Attachment
from crm_kit.attachments.queries import parts_of
from crm_kit.background import PeriodicJob, Tenants, each
from crm_kit.database.work import retried
from crm_kit.errors import Conflict, Unavailable
from crm_kit.mail.model import Outcome as Replies
from crm_kit.mail.model import address_of
from crm_kit.outbound_http.addresses import Reach

from crm_service_desk.channels.model import Channel, ChannelState
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.mail.composing import Draft, File, compose
from crm_service_desk.mailboxes.lines import MailServerError
from crm_service_desk.mailboxes.model import Failure as ServerFailure
from crm_service_desk.mailboxes.model import Mailbox
from crm_service_desk.mailboxes.passwords import Passwords, UnreadableError
from crm_service_desk.mailboxes.queries import find_sending
from crm_service_desk.mailboxes.resource import MAILBOXES
from crm_service_desk.mailboxes.sending_failures import note_sending
from crm_service_desk.mailboxes.servers import sending_server
from crm_service_desk.mailboxes.smtp import Letter, send
from crm_service_desk.outbound_messages import commands
from crm_service_desk.outbound_messages.model import (
    GIVE_UP_AFTER,
    WAIT_REFUSED,
    Failure,
    OutboundMessage,
    Outcome,
    wait_after,
)
from crm_service_desk.outbound_messages.queries import (
    MAX_DUE,
    Due,
    find_files,
    find_place,
    get_crowded,
    get_due,
    get_ended,
    get_unordered,
)
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES

log = structlog.get_logger()
# Messages that a process sends at a time, and of them those of one tenant.
MAX_MESSAGES, MAX_MESSAGES_OF_TENANT = 16, 3
LOOK_SECONDS = 5.0
# Longer than an attempt may take: it is another's then.
ATTEMPT_SECONDS = 420.0
CLAIM = timedelta(minutes=10)
# Until it is looked again whether so many still wait for earlier ones.
WAIT_HELD = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """A message while this process sends it, for the how-manieth time since it was to go or to go again.

    Without a password where nobody can read the one of its mailbox.
    """

    due: Due
    message: OutboundMessage
    tries: int
    channel: Channel
    mailbox: Mailbox
    password: str | None
    files: Sequence[Attachment] | None


class Sending:
    """Sends for all tenants, in one process. `run` it once."""

    name = "outbound_messages"

    def __init__(
        self, tenants: Tenants, passwords: Passwords, contents: Contents, reach: Reach, *, loopback: bool
    ) -> None:
        self._tenants = tenants
        self._passwords = passwords
        self._contents = contents
        self._reach = reach
        self._loopback = loopback
        self._tasks: dict[Due, asyncio.Task[None]] = {}
        self.job = PeriodicJob(self.name, self.look, every_seconds=LOOK_SECONDS)

    async def run(self) -> None:
        """Send what is due, for ever."""
        try:
            await self.job.run()
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> bool:
        """Begin with what is due, as far as there are places; True when others may wait behind those of one tenant."""
        now, database = self._tenants.now(), self._tenants.database
        await self._put_in_order()
        busy = Counter(each.tenant_id for each in self._tasks)
        full = [tenant_id for tenant_id, count in busy.items() if count >= MAX_MESSAGES_OF_TENANT]
        found, begun = await get_due(database, now, without=full), False
        seen_more = await self._make_seen(now, found, without=full)
        for due in [*found, *await get_ended(database, now)]:
            if len(self._tasks) >= MAX_MESSAGES:
                return False
            if due not in self._tasks and busy[due.tenant_id] < MAX_MESSAGES_OF_TENANT:
                busy[due.tenant_id] += 1
                self._begin(due)
                begun = True
        return seen_more or (begun and len(found) == MAX_DUE)

    async def _put_in_order(self) -> None:
        async def order(tenant_id: UUID) -> None:
            async with self._tenants.unit(tenant_id) as work:
                work.execute(commands.put_in_order())

        await each(await get_unordered(self._tenants.database), order, name=self.name)

    async def _make_seen(self, now: datetime, found: Sequence[Due], *, without: Sequence[UUID]) -> bool:
        """Put off what waits for an earlier one where it is so much that a look sees nothing else of its tenant.

        True when another look sees more.
        """
        if len(found) == MAX_DUE:
            return False
        seen = Counter(each.tenant_id for each in found)
        enough = [tenant_id for tenant_id, count in seen.items() if count >= MAX_MESSAGES_OF_TENANT]
        hidden = await get_crowded(self._tenants.database, now, without=[*without, *enough])

        async def put_off(tenant_id: UUID) -> None:
            async with self._tenants.unit(tenant_id) as work:
                work.execute(commands.put_off_held(), due_by=now, later=now + WAIT_HELD)

        return bool(await each(hidden, put_off, name=self.name))

    def _begin(self, due: Due) -> None:
        task = self._tasks[due] = asyncio.create_task(self._hold(due))

        def end(_: object) -> None:
            del self._tasks[due]
            self.job.wake()

        task.add_done_callback(end)

    async def _hold(self, due: Due) -> None:
        """Send a message; whatever fails has it tried again when its claim lapses."""
        try:
            await self.send(due)
        except Conflict:
            # Another process was quicker, or somebody has cancelled it.
            await asyncio.sleep(LOOK_SECONDS)
        except Unavailable as error:
            log.warning("outbound_messages.waiting", error=error.detail)
            await asyncio.sleep(LOOK_SECONDS)
        except Exception:
            log.exception("outbound_messages.failed", message_id=str(due.message_id))
            await asyncio.sleep(LOOK_SECONDS)

    # --- an attempt

    async def send(self, due: Due) -> None:
        """Try a message once, unless another process does, or it has been tried for too long."""
        turn = await self._turn(due)
        if turn is None:
            return
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                outcome = await self._attempt(turn)
        except MailServerError as error:
            failure = error.failure
            await retried(lambda: self._put_off(turn, failure))
            return
        except TimeoutError:
            outcome = Outcome(later=dict.fromkeys(turn.message.pending_addresses, "the server took too long"))
        except (Unavailable, Conflict):
            raise
        except Exception:
            # Not foreseen, and perhaps of this message alone: the log knows what, and it waits as others do.
            log.exception("outbound_messages.failed", message_id=str(due.message_id))
            outcome = Outcome(later=dict.fromkeys(turn.message.pending_addresses, "an internal error"))
        await retried(lambda: self._note(turn, outcome))

    async def _turn(self, due: Due) -> Turn | None:
        """The message, claimed; None when it is not to be sent now."""
        now = self._tenants.now()
        async with self._tenants.unit(due.tenant_id) as work:
            place = await find_place(work, due.message_id)
            if place is None or place.is_held or min(place.end_time, place.due_time) > now:
                return None
            before = await OUTBOUND_MESSAGES.get(work, due.message_id)
            if place.end_time <= now:
                if before.failure is not Failure.EARLIER_WAITS:
                    await commands.advance(work, before, before.given_up())
                    return None
                # It has had no turn yet: its days begin where the earlier one's have ended.
                await commands.prolong(work, before, by=now + GIVE_UP_AFTER)
                if not place.by_mailbox:
                    await commands.advance(work, before, before.moved_up())
            if not place.by_mailbox:
                return None
            mailbox_id = await find_sending(work, place.channel_id)
            mailbox = await MAILBOXES.get(work, mailbox_id) if mailbox_id else None
            channel = await CHANNELS.get(work, place.channel_id)
            if mailbox is None or not mailbox.sends or channel.state is not ChannelState.ACTIVE:
                waiting = before.put_back(Failure.NO_MAILBOX)
                await commands.advance(work, before, waiting, due=now + WAIT_REFUSED)
                return None
            password = None
            with contextlib.suppress(UnreadableError):
                password = await self._passwords.get(work, mailbox.id)
            message = commands.begin(work, before, until=now + CLAIM)
            tries = message.attempt_count - place.first_attempt
            return Turn(due, message, tries, channel, mailbox, password, await find_files(work, message))

    async def _attempt(self, turn: Turn) -> Outcome:
        """What the server says to a message; MailServerError when it cannot be spoken to."""
        message = turn.message
        if turn.files is None:
            return message.file_gone
        if turn.password is None:
            raise MailServerError(ServerFailure.KEY_CHANGED)
        written = {address_of(each, field="to"): each for each in message.pending_addresses}
        files = [await self._file(turn, each) for each in turn.files]
        pieces = await asyncio.to_thread(compose, draft_of(turn), files)
        assert message.from_address is not None
        letter = Letter(message.from_address, tuple(written), pieces)
        server = await sending_server(turn.mailbox, loopback=self._loopback)
        replies = await send(server, turn.password, letter, self._reach)
        return outcome_of(replies, written)

    async def _file(self, turn: Turn, file: Attachment) -> File:
        async with self._tenants.unit(turn.due.tenant_id) as work:
            parts = await parts_of(work, file.id, 0, file.size_bytes)
        content = b"".join([some async for some in self._contents.all_of(turn.due.tenant_id, parts)])
        return File(file.name, file.content_type, content)

    # --- what came of it

    async def _note(self, turn: Turn, outcome: Outcome) -> None:
        attempt = turn.message.attempt_count
        async with self._tenants.unit(turn.due.tenant_id) as work:
            before = await OUTBOUND_MESSAGES.get(work, turn.message.id)
            after = before.after(outcome, attempt=attempt, now=work.now)
            due = self._tenants.now() + wait_after(turn.tries, random.random())
            is_latest = before.attempt_count == attempt
            await commands.advance(work, before, after, due=due if is_latest else None)
            await note_sending(work, turn.mailbox, None)

    async def _put_off(self, turn: Turn, failure: ServerFailure) -> None:
        """Let all that is due of the channel wait for its server; nothing was said to it of this message."""
        log.warning("outbound_messages.server_away", mailbox_id=str(turn.mailbox.id), failure=failure)
        now, attempt = self._tenants.now(), turn.message.attempt_count
        is_refused = failure in (ServerFailure.LOGIN_REFUSED, ServerFailure.KEY_CHANGED)
        wait = max(wait_after(turn.tries, random.random()), WAIT_REFUSED if is_refused else timedelta(0))
        async with self._tenants.unit(turn.due.tenant_id) as work:
            before = await OUTBOUND_MESSAGES.get(work, turn.message.id)
            if before.attempt_count == attempt:
                waiting = before.put_back(Failure.SERVER_AWAY, failure)
                await commands.advance(work, before, waiting, due=now + wait)
            values: dict[str, Any] = {"later": now + wait, "due_by": now}
            work.execute(commands.put_off_channel(), channel_id=turn.channel.id, **values)
            await note_sending(work, turn.mailbox, failure)


def draft_of(turn: Turn) -> Draft:
    """What a mail says, the same at every attempt."""
    message = turn.message
    assert message.from_address is not None
    to_addresses, cc_addresses = (
        tuple(address_of(each, field="to") for each in found) for found in (message.to_addresses, message.cc_addresses)
    )
    return Draft(
        message_id=message.source_id,
        from_name=turn.channel.display_name,
        from_address=message.from_address,
        to_addresses=to_addresses,
        cc_addresses=cc_addresses,
        subject=message.subject or "",
        text=message.text,
        references=message.thread_references,
        time=message.create_time,
        automatic=message.automatic,
    )


def outcome_of(replies: Replies, written: dict[str, str]) -> Outcome:
    """The replies by the addresses as they are kept; `written`: those by what the server was told."""
    later, never = ({written[each]: said for each, said in found.items()} for found in (replies.later, replies.never))
    return Outcome(later=later, never=never)
