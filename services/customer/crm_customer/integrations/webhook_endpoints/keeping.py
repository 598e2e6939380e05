"""The secrets of endpoints: kept encrypted, read only to sign what is sent."""

from uuid import UUID

import structlog
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import Unavailable
from crm_kit.sealing import Sealer
from crm_kit.webhook_signatures import new_secret

from crm_customer.integrations.webhook_endpoints.queries import find_secrets

log = structlog.get_logger()


class SigningSecrets:
    """Those of this installation, sealed each for its tenant and endpoint."""

    def __init__(self, secret: str) -> None:
        self._sealer = Sealer(secret, b"guanxi webhook secrets")

    def make(self, work: UnitOfWork, endpoint_id: UUID) -> tuple[str, bytes]:
        """A new one, as the receiver is given it and as it is stored."""
        secret = new_secret()
        return secret, self._sealer.seal(secret.encode(), self._context(work, endpoint_id))

    async def find(self, reader: Reader, endpoint_id: UUID) -> list[str]:
        """Those that sign at the reader's time, the newest first. Unavailable when they were sealed by another key."""
        return [self._opened(reader, endpoint_id, each) for each in await find_secrets(reader, endpoint_id)]

    def _opened(self, reader: Reader, endpoint_id: UUID, sealed: bytes) -> str:
        data = self._sealer.open(sealed, self._context(reader, endpoint_id))
        if data is None:
            hint = "was CRM_SIGNING_KEY_SECRET changed? give the endpoint a new secret"
            log.warning("webhook.secret_unreadable", endpoint_id=str(endpoint_id), hint=hint)
            raise Unavailable("nothing can be signed for this webhook endpoint at this moment")
        return data.decode()

    def _context(self, reader: Reader, endpoint_id: UUID) -> bytes:
        return reader.tenant_id.bytes + endpoint_id.bytes
