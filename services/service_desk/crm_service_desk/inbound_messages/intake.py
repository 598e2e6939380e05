"""How what comes from outside is taken in, by whichever way it comes."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from crm_kit.attachments.contents import Contents
from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork
from crm_kit.identity.access import Actor

from crm_service_desk.inbound_messages.commands import receive_message
from crm_service_desk.inbound_messages.filing import BroughtFile, FileBounds, Filing, in_order
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.mail.parsing import Mail, parse_mail
from crm_service_desk.mail.reports import DeliveryReport
from crm_service_desk.mail.streaming import FileBegins, FileBytes, FileEnds, MailStream, Step


class Reports(Protocol):
    """Notes what a mail server reports on a message of ours by that channel; the case of that, if there is one."""

    async def __call__(self, work: UnitOfWork, *, channel_id: UUID, report: DeliveryReport) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class ReadMail:
    """A mail, and what became of its files; `is_open` if it has parts and ends before they do."""

    mail: Mail
    files: Sequence[BroughtFile]
    is_open: bool = False


class Intake:
    """Takes messages and mails in. `window`: how long a case can be reopened."""

    def __init__(self, reports: Reports, contents: Contents, bounds: FileBounds, *, window: timedelta) -> None:
        self._reports = reports
        self._contents = contents
        self._bounds = bounds
        self._window = window

    async def message(
        self, work: UnitOfWork, values: dict[str, Any], files: Sequence[BroughtFile] = ()
    ) -> InboundMessage:
        """Take a message in, by the values of its fields; as `receive_message`."""
        return await self._receive(work, values, files)

    async def mail(self, work: UnitOfWork, channel_id: UUID, read: ReadMail) -> InboundMessage:
        """Take a mail in that came by a channel, and note what it reports on one of ours."""
        values = {"channel_id": channel_id} | row_of(read.mail)
        report = values.pop("report")
        follow = partial(self._reports, channel_id=channel_id, report=report) if report else None
        return await self._receive(work, values, read.files, by_mail=True, follow=follow)

    async def _receive(
        self, work: UnitOfWork, values: dict[str, Any], files: Sequence[BroughtFile], **more: Any
    ) -> InboundMessage:
        most = self._bounds.max_tenant_bytes
        return await receive_message(work, values, files, window=self._window, max_file_bytes=most, **more)

    # --- before it is taken in

    async def read(self, actor: Actor, now: datetime, pieces: AsyncIterator[bytes]) -> ReadMail:
        """Read a mail as it comes. Its files are in the store by then, and go again unless it is taken in."""
        stream, filing = MailStream(), self.filing(actor, now)
        async for piece in pieces:
            # Beside requests of others, which may not wait so long.
            await filing.take(await asyncio.to_thread(stream.feed, piece))
            if stream.is_cut_off:
                break
        await filing.take(await asyncio.to_thread(stream.end))
        mail = await asyncio.to_thread(parse_mail, bytes(stream.letter), digest=stream.digest)
        return ReadMail(mail, filing.files, is_open=stream.is_open and not stream.is_cut_off)

    async def read_bytes(self, actor: Actor, now: datetime, raw: bytes) -> ReadMail:
        """Read a mail that is here."""
        return await self.read(actor, now, in_order([raw]))

    async def read_files(
        self, actor: Actor, now: datetime, files: Iterable[tuple[str, bytes]]
    ) -> Sequence[BroughtFile]:
        """Put files into the store that came beside a message, by name and content."""
        filing = self.filing(actor, now)
        for name, content in files:
            steps: list[Step] = [FileBegins(name), FileBytes(content), FileEnds()]
            await filing.take(steps)
        return filing.files

    def filing(self, actor: Actor, now: datetime) -> Filing:
        """What takes the files of one message."""
        return Filing(self._contents, self._bounds, actor, now)
