"""InteractionService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import interactions_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.interactions.commands import record_interaction
from crm_customer.records.interactions.resource import INTERACTIONS, OF_ACCOUNT


class InteractionServicer:
    contract = pb.DESCRIPTOR.services_by_name["InteractionService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateInteraction(self, request: pb.CreateInteractionRequest, work: UnitOfWork) -> pb.Interaction:
        values = INTERACTIONS.values_of(request.interaction)
        return INTERACTIONS.message(work, await record_interaction(work, values))

    async def GetInteraction(self, request: pb.GetInteractionRequest, reader: Reader) -> pb.Interaction:
        return await INTERACTIONS.read(reader, request.id)

    async def ListInteractions(
        self, request: pb.ListInteractionsRequest, reader: Reader
    ) -> pb.ListInteractionsResponse:
        response = pb.ListInteractionsResponse
        if not request.account_id:
            return await INTERACTIONS.list(reader, request, response, self._tokens)
        account = await ACCOUNTS.get(reader, UUID(request.account_id))
        of = {"account_id": account.id}
        return await INTERACTIONS.list(reader, request, response, self._tokens, listing=OF_ACCOUNT, binds=of)
