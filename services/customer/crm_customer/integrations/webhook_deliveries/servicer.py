"""WebhookDeliveryService: from message to command or query and back, nothing else."""

from crm.customer.v1 import webhook_deliveries_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.integrations.webhook_deliveries import commands
from crm_customer.integrations.webhook_deliveries.resource import DELIVERIES


class WebhookDeliveryServicer:
    contract = pb.DESCRIPTOR.services_by_name["WebhookDeliveryService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def GetWebhookDelivery(self, request: pb.GetWebhookDeliveryRequest, reader: Reader) -> pb.WebhookDelivery:
        return await DELIVERIES.read(reader, request.id)

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, reader: Reader
    ) -> pb.ListWebhookDeliveriesResponse:
        return await DELIVERIES.list(reader, request, pb.ListWebhookDeliveriesResponse, self._tokens)

    async def RedeliverWebhookDelivery(
        self, request: pb.RedeliverWebhookDeliveryRequest, work: UnitOfWork
    ) -> pb.WebhookDelivery:
        before = await DELIVERIES.target(work, request)
        return DELIVERIES.message(work, await commands.redeliver(work, before))
