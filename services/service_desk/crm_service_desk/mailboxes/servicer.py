"""MailboxService: from message to command or query and back, nothing else."""

from collections.abc import Callable
from uuid import UUID

from crm.service_desk.v1 import mailboxes_pb2 as pb
from crm_kit.clock import system_now
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build

from crm_service_desk.mailboxes import commands
from crm_service_desk.mailboxes.passwords import Passwords
from crm_service_desk.mailboxes.queries import SET_ASIDE
from crm_service_desk.mailboxes.resource import MAILBOXES
from crm_service_desk.mailboxes.trying import Trying


class MailboxServicer:
    contract = pb.DESCRIPTOR.services_by_name["MailboxService"]

    def __init__(
        self, tokens: PageTokens, passwords: Passwords, trying: Trying, wake: Callable[[], None], *, loopback: bool
    ) -> None:
        self._tokens = tokens
        self._passwords = passwords
        self._trying = trying
        self._wake = wake
        self._loopback = loopback

    async def CreateMailbox(self, request: pb.CreateMailboxRequest, work: UnitOfWork) -> pb.Mailbox:
        values = MAILBOXES.values_of(request.mailbox)
        return MAILBOXES.message(work, await commands.create_mailbox(work, values, loopback=self._loopback))

    async def GetMailbox(self, request: pb.GetMailboxRequest, reader: Reader) -> pb.Mailbox:
        return await MAILBOXES.read(reader, request.id)

    async def ListMailboxes(self, request: pb.ListMailboxesRequest, reader: Reader) -> pb.ListMailboxesResponse:
        return await MAILBOXES.list(reader, request, pb.ListMailboxesResponse, self._tokens)

    async def UpdateMailbox(self, request: pb.UpdateMailboxRequest, work: UnitOfWork) -> pb.Mailbox:
        before, values = await MAILBOXES.to_update(work, request)
        return MAILBOXES.message(work, commands.update_mailbox(work, before, values, loopback=self._loopback))

    async def SetMailboxPassword(self, request: pb.SetMailboxPasswordRequest, work: UnitOfWork) -> pb.Mailbox:
        before = await MAILBOXES.target(work, request)
        sealed = self._passwords.seal(work.tenant_id, before.id, request.password)
        changed = commands.set_password(work, before, sealed, due=system_now())
        work.after_commit.append(self._wake)
        return MAILBOXES.message(work, changed)

    async def ArchiveMailbox(self, request: pb.ArchiveMailboxRequest, work: UnitOfWork) -> pb.Mailbox:
        return MAILBOXES.message(work, commands.archive_mailbox(work, await MAILBOXES.target(work, request)))

    async def RestoreMailbox(self, request: pb.RestoreMailboxRequest, work: UnitOfWork) -> pb.Mailbox:
        return MAILBOXES.message(work, commands.restore_mailbox(work, await MAILBOXES.target(work, request)))

    async def TestMailbox(self, request: pb.TestMailboxRequest, work: UnitOfWork) -> pb.TestMailboxResponse:
        trial = await self._trying.try_mailbox(work, MAILBOXES.values_of(request.mailbox), request.password)
        return build(
            pb.TestMailboxResponse,
            fetching_failure=trial.fetching_failure,
            sending_failure=trial.sending_failure,
        )

    async def ListSetAsideMails(
        self, request: pb.ListSetAsideMailsRequest, reader: Reader
    ) -> pb.ListSetAsideMailsResponse:
        mailbox = await MAILBOXES.read(reader, request.id)
        asked = PageOf(request.page_size, request.page_token)
        page = await SET_ASIDE.page(reader, asked, self._tokens, mailbox_id=UUID(mailbox.id))
        mails = [
            pb.SetAsideMail(
                uid=str(row["uid"]), reason=row["reason"], detail=row["detail"], create_time=row["create_time"]
            )
            for row in page.rows
        ]
        return pb.ListSetAsideMailsResponse(
            set_aside_mails=mails, next_page_token=page.next_token, prev_page_token=page.prev_token
        )
