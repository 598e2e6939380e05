"""WebhookEndpointService: from message to command or query and back, nothing else."""

from collections.abc import Awaitable, Callable
from typing import TypedDict

from crm.customer.v1 import webhook_endpoints_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.ids import new_id
from crm_kit.outbound_http.addresses import Reach
from crm_kit.paging import PageTokens
from crm_kit.thin_events.types import known_event_types

from crm_customer.integrations.webhook_endpoints import commands
from crm_customer.integrations.webhook_endpoints.keeping import SigningSecrets
from crm_customer.integrations.webhook_endpoints.model import DisableReason, WebhookEndpoint, check_replayed
from crm_customer.integrations.webhook_endpoints.resource import ENDPOINTS
from crm_customer.integrations.webhook_endpoints.testing import Tests

Replay = Callable[
    [UnitOfWork, WebhookEndpoint, pb.ReplayWebhookEndpointRequest], Awaitable[pb.ReplayWebhookEndpointResponse]
]


class Where(TypedDict):
    """Where an endpoint may be."""

    loopback: bool
    reach: Reach


class WebhookEndpointServicer:
    contract = pb.DESCRIPTOR.services_by_name["WebhookEndpointService"]

    def __init__(
        self, tokens: PageTokens, secrets: SigningSecrets, tests: Tests, replay: Replay, *, loopback: bool, reach: Reach
    ) -> None:
        self._tokens = tokens
        self._secrets = secrets
        self._tests = tests
        self._replay = replay
        self._where: Where = {"loopback": loopback, "reach": reach}

    async def CreateWebhookEndpoint(
        self, request: pb.CreateWebhookEndpointRequest, work: UnitOfWork
    ) -> pb.WebhookEndpoint:
        values, id = ENDPOINTS.values_of(request.webhook_endpoint), new_id()
        secret, sealed = self._secrets.make(work, id)
        types, where = known_event_types().all, self._where
        created = await commands.create_endpoint(work, id, values, sealed, types, **where)
        return with_secret(ENDPOINTS.message(work, created), secret)

    async def GetWebhookEndpoint(self, request: pb.GetWebhookEndpointRequest, reader: Reader) -> pb.WebhookEndpoint:
        return await ENDPOINTS.read(reader, request.id)

    async def ListWebhookEndpoints(
        self, request: pb.ListWebhookEndpointsRequest, reader: Reader
    ) -> pb.ListWebhookEndpointsResponse:
        return await ENDPOINTS.list(reader, request, pb.ListWebhookEndpointsResponse, self._tokens)

    async def UpdateWebhookEndpoint(
        self, request: pb.UpdateWebhookEndpointRequest, work: UnitOfWork
    ) -> pb.WebhookEndpoint:
        before, values = await ENDPOINTS.to_update(work, request)
        types, where = known_event_types().all, self._where
        changed = await commands.update_endpoint(work, before, values, types, **where)
        return ENDPOINTS.message(work, changed)

    async def EnableWebhookEndpoint(
        self, request: pb.EnableWebhookEndpointRequest, work: UnitOfWork
    ) -> pb.WebhookEndpoint:
        before = await ENDPOINTS.target(work, request)
        enabled = commands.enable_endpoint(work, before, known_event_types().all, **self._where)
        return ENDPOINTS.message(work, enabled)

    async def DisableWebhookEndpoint(
        self, request: pb.DisableWebhookEndpointRequest, work: UnitOfWork
    ) -> pb.WebhookEndpoint:
        before = await ENDPOINTS.target(work, request)
        return ENDPOINTS.message(work, commands.disable_endpoint(work, before, DisableReason.REQUESTED))

    async def RotateWebhookEndpointSecret(
        self, request: pb.RotateWebhookEndpointSecretRequest, work: UnitOfWork
    ) -> pb.WebhookEndpoint:
        before = await ENDPOINTS.target(work, request)
        secret, sealed = self._secrets.make(work, before.id)
        return with_secret(ENDPOINTS.message(work, commands.rotate_secret(work, before, sealed)), secret)

    async def TestWebhookEndpoint(
        self, request: pb.TestWebhookEndpointRequest, work: UnitOfWork
    ) -> pb.TestWebhookEndpointResponse:
        ENDPOINTS.check_reaches(work.scope)
        endpoint = await ENDPOINTS.target(work, request)
        endpoint.require_present("tested")
        secrets = await self._secrets.find(work, endpoint.id)
        await work.release()
        outcome = await self._tests.run(work.tenant_id, endpoint, secrets, now=work.now)
        return pb.TestWebhookEndpointResponse(
            status=outcome.status, duration_ms=outcome.duration_ms, error=outcome.error or "", body=outcome.body
        )

    async def ReplayWebhookEndpoint(
        self, request: pb.ReplayWebhookEndpointRequest, work: UnitOfWork
    ) -> pb.ReplayWebhookEndpointResponse:
        ENDPOINTS.check_reaches(work.scope)
        check_replayed(request.event_types, known_event_types().all)
        endpoint = await ENDPOINTS.target(work, request)
        endpoint.require_sending("replayed")
        return await self._replay(work, endpoint, request)

    async def ArchiveWebhookEndpoint(
        self, request: pb.ArchiveWebhookEndpointRequest, work: UnitOfWork
    ) -> pb.WebhookEndpoint:
        before = await ENDPOINTS.target(work, request)
        return ENDPOINTS.message(work, commands.archive_endpoint(work, before))

    async def RestoreWebhookEndpoint(
        self, request: pb.RestoreWebhookEndpointRequest, work: UnitOfWork
    ) -> pb.WebhookEndpoint:
        before = await ENDPOINTS.target(work, request)
        return ENDPOINTS.message(work, await commands.restore_endpoint(work, before))


def with_secret(shown: pb.WebhookEndpoint, secret: str) -> pb.WebhookEndpoint:
    """The answer that has it; what was told of the endpoint has not."""
    answer = pb.WebhookEndpoint()
    answer.CopyFrom(shown)
    answer.secret = secret
    return answer
