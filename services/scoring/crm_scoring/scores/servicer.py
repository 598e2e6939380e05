"""ScoreService: from message to query and back, nothing else."""

from dataclasses import replace
from uuid import UUID

from crm.scoring.v1 import scores_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.work import Reader
from crm_kit.paging import PageTokens

from crm_scoring.accounts.queries import get_account
from crm_scoring.scores.queries import LISTING, get_scores, scores_from
from crm_scoring.scores.wire import scores_to_pb


class ScoreServicer:
    contract = pb.DESCRIPTOR.services_by_name["ScoreService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts) -> None:
        self._tokens = tokens
        self._accounts = accounts

    async def GetScores(self, request: pb.GetScoresRequest, reader: Reader) -> pb.AccountScores:
        account = await get_account(reader, self._accounts, UUID(request.account_id))
        scores = await get_scores(reader, account.id)
        # The account may be known to its owner only.
        return scores_to_pb(replace(scores, account_name=account.display_name, account_owner_id=account.owner_id))

    async def ListScores(self, request: pb.ListScoresRequest, reader: Reader) -> pb.ListScoresResponse:
        page = await LISTING.page(reader, request, self._tokens)
        found = [scores_to_pb(scores_from(row)) for row in page.rows]
        return pb.ListScoresResponse(scores=found, next_page_token=page.next_token, prev_page_token=page.prev_token)
