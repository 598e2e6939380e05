"""InteractionService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import interactions_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.records.accounts.queries import get_account
from crm_customer.records.interactions.commands import record_interaction
from crm_customer.records.interactions.queries import LISTING, get_interaction, interaction_from
from crm_customer.records.interactions.wire import interaction_to_pb, values_from


class InteractionServicer:
    contract = pb.DESCRIPTOR.services_by_name["InteractionService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateInteraction(self, request: pb.CreateInteractionRequest, work: UnitOfWork) -> pb.Interaction:
        return interaction_to_pb(await record_interaction(work, values_from(request.interaction)))

    async def GetInteraction(self, request: pb.GetInteractionRequest, reader: Reader) -> pb.Interaction:
        return interaction_to_pb(await get_interaction(reader, UUID(request.id)))

    async def ListInteractions(
        self, request: pb.ListInteractionsRequest, reader: Reader
    ) -> pb.ListInteractionsResponse:
        account = await get_account(reader, UUID(request.account_id))
        page = await LISTING.page(reader, request, self._tokens, account_id=account.id)
        interactions = [interaction_to_pb(interaction_from(row)) for row in page.rows]
        return pb.ListInteractionsResponse(
            interactions=interactions, next_page_token=page.next_token, prev_page_token=page.prev_token
        )
