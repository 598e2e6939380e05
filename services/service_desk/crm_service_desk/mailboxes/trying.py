"""A mailbox is tried before it is saved."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from crm_kit.database.connections import Database
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import ResourceExhausted
from crm_kit.events.leases import Lease
from crm_kit.outbound_http.addresses import Reach

from crm_service_desk.mailboxes.commands import drafted
from crm_service_desk.mailboxes.imap import opened
from crm_service_desk.mailboxes.lines import MailServerError
from crm_service_desk.mailboxes.model import Failure, Mailbox
from crm_service_desk.mailboxes.resource import MAILBOXES
from crm_service_desk.mailboxes.servers import fetching_server, sending_server
from crm_service_desk.mailboxes.smtp import try_login

# Somebody waits for the answer.
TRIAL_SECONDS = 20.0
# Whoever tries one after the other guesses passwords, or looks for servers.
PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Trial:
    """How it went: why nothing can be fetched, or sent; None where something can."""

    fetching_failure: Failure | None
    sending_failure: Failure | None


class Trying:
    """Tries mailboxes of all tenants, for each one at a time, and pauses behind it, whichever process does it."""

    def __init__(self, database: Database, reach: Reach, *, loopback: bool) -> None:
        self._database = database
        self._reach = reach
        self._loopback = loopback

    async def try_mailbox(self, work: UnitOfWork, values: dict[str, Any], password: str) -> Trial:
        """Log in to its servers. InvalidArgument as for creating it, ResourceExhausted while another one is tried."""
        MAILBOXES.check_reaches(work.scope)
        mailbox = await drafted(work, values, loopback=self._loopback)
        # Who holds a connection does not wait for a server.
        await work.release()
        lease = Lease(self._database, f"trial of a mailbox of {work.tenant_id}", PAUSE_SECONDS)
        if not await lease.hold():
            detail = f"one mailbox is tried at a time, and another {PAUSE_SECONDS:.0f} seconds later"
            raise ResourceExhausted(detail, metadata={"rule": "mailbox_trials"})
        async with lease.kept():
            tries = (self._fetching(mailbox, password), self._sending(mailbox, password))
            return Trial(*await asyncio.gather(*map(failure_of, tries)))

    async def _fetching(self, mailbox: Mailbox, password: str) -> None:
        server = await fetching_server(mailbox, loopback=self._loopback)
        async with opened(server, password, self._reach):
            pass

    async def _sending(self, mailbox: Mailbox, password: str) -> None:
        if mailbox.smtp_host is not None:
            await try_login(await sending_server(mailbox, loopback=self._loopback), password, self._reach)


async def failure_of(attempt: Awaitable[None]) -> Failure | None:
    """Why it does not work; None when it does."""
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            await attempt
    except MailServerError as error:
        return error.failure
    except TimeoutError:
        return Failure.TIMED_OUT
    return None
