"""The secrets by which adapters sign: kept encrypted, read only to check what is brought."""

from uuid import UUID

import structlog
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import Unavailable
from crm_kit.sealing import Sealer
from crm_kit.webhook_signatures import new_secret

from crm_service_desk.channels.queries import find_sealed_secrets

log = structlog.get_logger()


class ChannelSecrets:
    """Those of this installation, sealed each for its tenant and channel."""

    def __init__(self, secret: str) -> None:
        self._sealer = Sealer(secret, b"guanxi channel secrets")

    def make(self, work: UnitOfWork, channel_id: UUID) -> tuple[str, bytes]:
        """A new one, as the adapter is given it and as it is stored."""
        secret = new_secret()
        return secret, self._sealer.seal(secret.encode(), _context(work, channel_id))

    async def find(self, reader: Reader, channel_id: UUID) -> list[str]:
        """Those that hold at the reader's time, the newest first. Unavailable when they were sealed by another key."""
        return [self._opened(reader, channel_id, each) for each in await find_sealed_secrets(reader, channel_id)]

    def _opened(self, reader: Reader, channel_id: UUID, sealed: bytes) -> str:
        data = self._sealer.open(sealed, _context(reader, channel_id))
        if data is None:
            hint = "was CRM_CHANNEL_KEY_SECRET changed? give the channel a new secret"
            log.warning("channel.secret_unreadable", channel_id=str(channel_id), hint=hint)
            raise Unavailable("nothing can be taken by this channel at this moment")
        return data.decode()


def _context(reader: Reader, channel_id: UUID) -> bytes:
    return reader.tenant_id.bytes + channel_id.bytes
