"""ScoreService: from message to query and back, nothing else."""

from uuid import UUID

from crm.scoring.v1 import scores_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.work import Reader
from crm_kit.paging import PageTokens

from crm_scoring.accounts.queries import get_account
from crm_scoring.scores.queries import get_scores
from crm_scoring.scores.resource import SCORES


class ScoreServicer:
    contract = pb.DESCRIPTOR.services_by_name["ScoreService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts) -> None:
        self._tokens = tokens
        self._accounts = accounts

    async def GetAccountScores(self, request: pb.GetAccountScoresRequest, reader: Reader) -> pb.AccountScores:
        account = await get_account(reader, self._accounts, UUID(request.account_id))
        return SCORES.message(reader, await get_scores(reader, account))

    async def ListScores(self, request: pb.ListScoresRequest, reader: Reader) -> pb.ListScoresResponse:
        return await SCORES.list(reader, request, pb.ListScoresResponse, self._tokens)
