"""Files of what is brought to us, put into the store as they come, before it is known whose they are."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from crm_kit.attachments.contents import Contents
from crm_kit.attachments.staging import Staged, Staging, attach
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.identity.access import Actor

from crm_service_desk.inbound_messages.model import InboundMessage, MessageFile, Refusal, place_of
from crm_service_desk.mail.streaming import FileBegins, FileBytes, FileEnds, Step

# What a file is called that stands for all that are too many.
OTHERS = "…"
# Why files are refused, by the rule that refuses them.
REFUSALS = {
    "runs": Refusal.RUNS,
    "program": Refusal.PROGRAM,
    "mismatch": Refusal.MISMATCH,
    "too_large": Refusal.TOO_LARGE,
    "empty": Refusal.EMPTY,
    "no_file_store": Refusal.NO_STORE,
}


@dataclass(frozen=True, slots=True)
class BroughtFile:
    """A file that came with a message: in the store, or refused. `size_bytes` are those that came."""

    name: str
    size_bytes: int = 0
    staged: Staged | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class FileBounds:
    """How large a file may be, and all of a tenant's together, of what comes unasked."""

    max_bytes: int
    max_tenant_bytes: int

    @classmethod
    def of(cls, *, max_bytes: int, max_tenant_bytes: int) -> "FileBounds":
        """A fifth of the room is kept for what people attach: whoever sends us mail must not be able to take that."""
        return cls(max_bytes, max_tenant_bytes * 4 // 5)


class Filing:
    """Takes the files of one message. `take` what the stream of a mail says of them; `files` are those that have come.

    A file that is refused ends none of the others. Unavailable while the store does not answer.
    """

    def __init__(self, contents: Contents, bounds: FileBounds, actor: Actor, now: datetime) -> None:
        self.files: list[BroughtFile] = []
        self._contents, self._bounds, self._actor, self._now = contents, bounds, actor, now
        self._staging: Staging | None = None
        # Of the tenant, once it has been asked for: what has none does not go into the store for an hour either.
        self._room: int | None = None

    async def take(self, steps: Iterable[Step]) -> None:
        """Follow what has become of the files."""
        for step in steps:
            match step:
                case FileBegins(None):
                    self.files.append(BroughtFile(OTHERS, refusal=Refusal.TOO_MANY))
                case FileBegins(str() as name):
                    self._begin(name)
                case FileBytes(content):
                    await self._write(content)
                case FileEnds(cut_off):
                    await self._end(cut_off=cut_off)

    def _begin(self, name: str) -> None:
        self.files.append(BroughtFile(name))
        try:
            max_bytes = self._bounds.max_bytes
            self._staging = Staging(self._contents, self._actor, self._now, name, max_bytes=max_bytes)
        except InvalidArgument as error:
            self._refuse(error)

    async def _write(self, content: bytes) -> None:
        size = self.files[-1].size_bytes + len(content)
        self._change(size_bytes=size)
        if self._staging is None:
            return
        if self._room is None:
            self._room = await self._contents.room_left(self._actor, self._now, most=self._bounds.max_tenant_bytes)
        if size > self._room and size <= self._bounds.max_bytes:
            self._staging = None
            self._change(refusal=Refusal.NO_ROOM)
            return
        try:
            await self._staging.write(content)
        except (InvalidArgument, FailedPrecondition) as error:
            self._refuse(error)

    async def _end(self, *, cut_off: bool) -> None:
        staging, self._staging = self._staging, None
        if staging is None:
            return
        if cut_off:
            self._change(refusal=Refusal.CUT_OFF)
            return
        try:
            staged = await staging.end()
            self._change(staged=staged)
            if self._room is not None:
                self._room -= staged.size_bytes
        except (InvalidArgument, FailedPrecondition) as error:
            self._refuse(error)

    def _refuse(self, error: InvalidArgument | FailedPrecondition) -> None:
        refusal = REFUSALS.get(error.metadata.get("rule", ""))
        if refusal is None:
            raise error
        self._staging = None
        self._change(refusal=refusal)

    def _change(self, **values: Any) -> None:
        self.files[-1] = replace(self.files[-1], **values)


async def attach_files(
    work: UnitOfWork, message: InboundMessage, brought: Sequence[BroughtFile], *, max_tenant_bytes: int
) -> tuple[MessageFile, ...]:
    """Gather that the files of a message are attached to its case, or to itself while it belongs to none."""
    collection, record_id = place_of(message.id, message.case_id)
    found = []
    for each in brought:
        refusal, attachment_id = each.refusal, None
        if each.staged is not None:
            attached = await attach(
                work, each.staged, collection=collection, record_id=record_id, max_tenant_bytes=max_tenant_bytes
            )
            attachment_id = attached.id if attached else None
            refusal = None if attached else Refusal.NO_ROOM
        found.append(MessageFile(each.name, each.size_bytes, attachment_id, refusal))
    return tuple(found)


async def in_order(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """What is here already, as what comes."""
    for each in pieces:
        yield each
