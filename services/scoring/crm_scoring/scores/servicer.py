"""ScoreService: from message to query and back, nothing else."""

from uuid import UUID

from crm.scoring.v1 import scores_pb2 as pb
from crm_kit.database.work import Reader
from crm_kit.paging import PageTokens

from crm_scoring.accounts.queries import CustomerAccounts, get_account
from crm_scoring.scores.queries import LISTING, get_compute_time, get_scores, scores_from
from crm_scoring.scores.wire import scores_to_pb


class ScoreServicer:
    contract = pb.DESCRIPTOR.services_by_name["ScoreService"]

    def __init__(self, tokens: PageTokens, customer: CustomerAccounts) -> None:
        self._tokens = tokens
        self._customer = customer

    async def GetScores(self, request: pb.GetScoresRequest, reader: Reader) -> pb.AccountScores:
        account = await get_account(reader, self._customer, UUID(request.account_id))
        scores = await get_scores(reader, account.id)
        compute_time = await get_compute_time(reader)
        return scores_to_pb(scores, compute_time, display_name=account.display_name, owner_id=account.owner_id)

    async def ListScores(self, request: pb.ListScoresRequest, reader: Reader) -> pb.ListScoresResponse:
        page = await LISTING.page(reader, request, self._tokens)
        compute_time = await get_compute_time(reader)
        found = [
            scores_to_pb(
                scores_from(row), compute_time, display_name=row["display_name"] or "", owner_id=row["owner_id"]
            )
            for row in page.rows
        ]
        return pb.ListScoresResponse(scores=found, next_page_token=page.next_token, prev_page_token=page.prev_token)
