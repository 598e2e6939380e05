"""The passwords of mailboxes: kept encrypted, read only to fetch."""

from uuid import UUID

import structlog
from crm_kit.database.work import Reader
from crm_kit.sealing import Sealer

from crm_service_desk.mailboxes.queries import find_sealed_password

log = structlog.get_logger()


class UnreadableError(Exception):
    """There is no password, or it was sealed by another key."""


class Passwords:
    """Those of this installation, sealed each for its tenant and mailbox."""

    def __init__(self, secret: str) -> None:
        self._sealer = Sealer(secret, b"guanxi mailbox passwords")

    def seal(self, tenant_id: UUID, mailbox_id: UUID, password: str) -> bytes:
        """As it is stored."""
        return self._sealer.seal(password.encode(), tenant_id.bytes + mailbox_id.bytes)

    async def get(self, reader: Reader, mailbox_id: UUID) -> str:
        """The password; UnreadableError when there is none that this installation can read."""
        sealed = await find_sealed_password(reader, mailbox_id)
        data = self._sealer.open(sealed or b"", reader.tenant_id.bytes + mailbox_id.bytes)
        if data is None:
            hint = "was CRM_CHANNEL_KEY_SECRET changed? set the password again"
            log.warning("mailbox.password_unreadable", mailbox_id=str(mailbox_id), hint=hint)
            raise UnreadableError
        return data.decode()
