"""Mailboxes that are tried before they are saved, at real servers on this machine."""

from typing import Any

import grpc
import pytest
from crm.service_desk.v1 import mailboxes_pb2 as pb
from crm.service_desk.v1.mailboxes_pb2_grpc import MailboxServiceStub
from crm_kit.identity.access import Scope
from crm_kit.rpc.status import reason_of
from crm_service_desk.mailboxes import trying

from tests.service.eventually import eventually
from tests.service.mailing import Inbox, saying, serving_mail
from tests.service.running import User, refused
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake, intake_of
from tests.service.service_desk.mail_server import HOST, LOGIN, PASSWORD, mail_server

Mailbox = pb.Mailbox


@pytest.fixture
async def intake(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Intake:
    monkeypatch.setattr(trying, "PAUSE_SECONDS", 0.2)
    return await intake_of(desk)


async def tried(
    intake: Intake,
    port: int,
    password: str = PASSWORD,
    *,
    by: User | None = None,
    patient: bool = True,
    **fields: Any,
) -> tuple[str, str]:
    """How it went, by fetching and by sending."""
    values: dict[str, Any] = {"channel_id": intake.mailbox.id, "host": HOST, "port": port, "login": LOGIN} | fields
    request = pb.TestMailboxRequest(mailbox=Mailbox(**values), password=password)
    stub: Any = MailboxServiceStub(intake.running.channel)
    metadata = (by or intake.desk.user).metadata

    async def answered() -> Any:
        try:
            return await stub.TestMailbox(request, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            # The one before is a moment ago.
            if patient and reason_of(error) == "RATE_LIMITED":
                return None
            raise

    answer = await eventually(answered)
    names = (Mailbox.Failure.Name(each) for each in (answer.fetching_failure, answer.sending_failure))
    fetching, sending = (each.removeprefix("FAILURE_").replace("UNSPECIFIED", "") for each in names)
    return fetching, sending


async def test_a_mailbox_is_tried_both_ways_and_what_is_wrong_is_named_by_its_way(intake: Intake) -> None:
    refusing = {"ehlo": b"250-mail.test\r\n250 AUTH LOGIN", "AUTH": b"334 x", "c2Vy": b"334 x"}
    async with mail_server() as server, serving_mail(Inbox()) as inbox:
        assert await tried(intake, server.port) == ("", "")
        smtp: dict[str, Any] = {"smtp_host": HOST, "smtp_port": inbox.port}
        assert await tried(intake, server.port, **smtp) == ("", "")
        assert await tried(intake, server.port, "wrong", **smtp) == ("LOGIN_REFUSED", "")
        assert await tried(intake, server.port, folder="Nowhere", **smtp) == ("FOLDER_MISSING", "")
        assert inbox.mails == []
        async with saying(refusing) as port:
            assert await tried(intake, server.port, smtp_host=HOST, smtp_port=port) == ("", "LOGIN_REFUSED")
        assert await tried(intake, server.port, smtp_host=HOST, smtp_port=server.port) == ("", "BROKEN_OFF")
        assert await server.unseen() == 0


async def test_one_is_tried_at_a_time_and_another_after_a_pause(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "PAUSE_SECONDS", 3600.0)
    async with mail_server() as server:
        assert await tried(intake, server.port) == ("", "")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await tried(intake, server.port, patient=False)
        assert (caught.value.code().name, reason_of(caught.value)) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
        other = await intake_of(Desk(intake.running, await intake.running.user()))
        assert await tried(other, server.port) == ("", "")


async def test_only_who_writes_channels_of_the_whole_tenant_tries_mailboxes_and_none_that_could_not_be_saved(
    intake: Intake,
) -> None:
    own = await intake.running.user(intake.desk.user.tenant_id, grants={"channels.write": Scope.OWN})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await tried(intake, 1993, by=own)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await tried(intake, 1000)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await tried(intake, 1993, channel_id="00000000-0000-0000-0000-000000000001")
