"""What the providers know us by: kept encrypted, read only to sign somebody in."""

from uuid import UUID

import structlog
from crm_kit.database.work import Reader
from crm_kit.errors import Unavailable
from crm_kit.sealing import Sealer

from crm_customer.directory.identity_providers.queries import find_sealed_secret

log = structlog.get_logger()


class ClientSecrets:
    """The client secrets of this installation, sealed each for its tenant and provider."""

    def __init__(self, secret: str) -> None:
        self._sealer = Sealer(secret, b"guanxi client secrets")

    def seal(self, tenant_id: UUID, provider_id: UUID, client_secret: str) -> bytes:
        """As it is stored."""
        return self._sealer.seal(client_secret.encode(), tenant_id.bytes + provider_id.bytes)

    async def find(self, reader: Reader, provider_id: UUID) -> str | None:
        """The secret; None when the provider has none. Unavailable when it was sealed by another key than ours."""
        sealed = await find_sealed_secret(reader, provider_id)
        if sealed is None:
            return None
        data = self._sealer.open(sealed, reader.tenant_id.bytes + provider_id.bytes)
        if data is None:
            hint = "was CRM_SIGNING_KEY_SECRET changed? set the client secret again"
            log.warning("client_secret.unreadable", provider_id=str(provider_id), hint=hint)
            raise Unavailable("nobody can sign in with this provider at this moment")
        return data.decode()
