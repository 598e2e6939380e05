"""Who brings something by a channel without a token: whoever signs by the channel's secret."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_kit.clock import Now, TenantClock, system_now
from crm_kit.database.connections import Database
from crm_kit.database.work import ReadSession
from crm_kit.directory.access import Directory
from crm_kit.errors import Unauthenticated
from crm_kit.identity.access import Actor, Scope, service_actor
from crm_kit.webhook_signatures import holds, new_secret

from crm_service_desk.channels.queries import find_tenant_of
from crm_service_desk.channels.secrets import ChannelSecrets

# What is nobody's is looked for and checked as well: an answer that came sooner would tell which channels there are.
NOBODY, NOBODYS = UUID(int=0), new_secret()


@dataclass(frozen=True, slots=True)
class Signature:
    """How a delivery is signed, as its sender has it."""

    id: str
    timestamp: str
    signatures: str


class Adapters:
    """The adapters of all tenants, known by the secrets of their channels. Signatures go by the system's time."""

    def __init__(
        self,
        database: Database,
        clock: TenantClock,
        directory: Directory,
        secrets: ChannelSecrets,
        now: Now = system_now,
    ) -> None:
        self._database = database
        self._clock = clock
        self._directory = directory
        self._secrets = secrets
        self._now = now

    async def actor(self, channel_id: UUID, signature: Signature, payload: bytes) -> Actor:
        """The service itself in the tenant of the channel; Unauthenticated for whatever is not signed by its secret."""
        tenant_id = await find_tenant_of(self._database, channel_id)
        now = await self._clock.now(tenant_id) if tenant_id else self._now()
        signed_by = await self._secrets_of(tenant_id or NOBODY, channel_id, now)
        is_signed = holds(
            signature.signatures, signature.id, signature.timestamp, payload, signed_by or [NOBODYS], now=self._now()
        )
        if not is_signed or not tenant_id or not signed_by:
            raise refused()
        try:
            return await self._directory.service(tenant_id)
        except Unauthenticated:
            raise refused() from None

    async def _secrets_of(self, tenant_id: UUID, channel_id: UUID, now: datetime) -> list[str]:
        reader = ReadSession(self._database, service_actor(tenant_id), scope=Scope.ALL, now=now)
        return await self._secrets.find(reader, channel_id)


def refused() -> Unauthenticated:
    """The same, whatever it is that does not hold."""
    return Unauthenticated("the signature does not hold, or is older than five minutes", metadata={"rule": "signature"})
