"""IdentityProviderService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import identity_providers_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.directory.identity_providers import commands
from crm_customer.directory.identity_providers.client_secrets import ClientSecrets
from crm_customer.directory.identity_providers.resource import IDENTITY_PROVIDERS
from crm_customer.directory.roles.rights import check_administers


class IdentityProviderServicer:
    contract = pb.DESCRIPTOR.services_by_name["IdentityProviderService"]

    def __init__(self, tokens: PageTokens, secrets: ClientSecrets, *, loopback: bool) -> None:
        self._tokens = tokens
        self._secrets = secrets
        self._loopback = loopback

    async def CreateIdentityProvider(
        self, request: pb.CreateIdentityProviderRequest, work: UnitOfWork
    ) -> pb.IdentityProvider:
        check_administers(work.actor.access)
        values = IDENTITY_PROVIDERS.values_of(request.identity_provider)
        created = await commands.create_provider(work, values, loopback=self._loopback)
        return IDENTITY_PROVIDERS.message(work, created)

    async def GetIdentityProvider(self, request: pb.GetIdentityProviderRequest, reader: Reader) -> pb.IdentityProvider:
        return await IDENTITY_PROVIDERS.read(reader, request.id)

    async def ListIdentityProviders(
        self, request: pb.ListIdentityProvidersRequest, reader: Reader
    ) -> pb.ListIdentityProvidersResponse:
        return await IDENTITY_PROVIDERS.list(reader, request, pb.ListIdentityProvidersResponse, self._tokens)

    async def UpdateIdentityProvider(
        self, request: pb.UpdateIdentityProviderRequest, work: UnitOfWork
    ) -> pb.IdentityProvider:
        check_administers(work.actor.access)
        before, values = await IDENTITY_PROVIDERS.to_update(work, request)
        changed = await commands.update_provider(work, before, values, loopback=self._loopback)
        return IDENTITY_PROVIDERS.message(work, changed)

    async def SetClientSecret(self, request: pb.SetClientSecretRequest, work: UnitOfWork) -> pb.IdentityProvider:
        check_administers(work.actor.access)
        before = await IDENTITY_PROVIDERS.get(work, UUID(request.id))
        sealed = self._secrets.seal(work.tenant_id, before.id, request.client_secret)
        return IDENTITY_PROVIDERS.message(work, commands.set_client_secret(work, before, sealed))
