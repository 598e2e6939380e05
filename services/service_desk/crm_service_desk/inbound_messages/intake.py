"""How what comes from outside is taken in, by whichever way it comes."""

from datetime import timedelta
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from crm_kit.database.connections import row_of
from crm_kit.database.work import UnitOfWork

from crm_service_desk.inbound_messages.commands import receive_message
from crm_service_desk.inbound_messages.model import InboundMessage
from crm_service_desk.mail.parsing import Mail
from crm_service_desk.mail.reports import DeliveryReport


class Reports(Protocol):
    """Notes what a mail server reports on a message of ours by that channel; the case of that, if there is one."""

    async def __call__(self, work: UnitOfWork, *, channel_id: UUID, report: DeliveryReport) -> UUID | None: ...


class Intake:
    """Takes messages and mails in. `window`: how long a case can be reopened."""

    def __init__(self, reports: Reports, *, window: timedelta) -> None:
        self._reports = reports
        self._window = window

    async def message(self, work: UnitOfWork, values: dict[str, Any]) -> InboundMessage:
        """Take a message in, by the values of its fields; as `receive_message`."""
        return await receive_message(work, values, window=self._window)

    async def mail(self, work: UnitOfWork, channel_id: UUID, mail: Mail) -> InboundMessage:
        """Take a mail in that came by a channel, and note what it reports on one of ours."""
        values = {"channel_id": channel_id} | row_of(mail)
        report = values.pop("report")
        follow = partial(self._reports, channel_id=channel_id, report=report) if report else None
        return await receive_message(work, values, window=self._window, follow=follow)
