"""Accounts with scores of every kind, as their orders bring them."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from crm.scoring.v1 import scores_pb2 as pb
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_scoring.scores.tables import rescorings
from sqlalchemy import select

from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.scoring.business import new_account, order, tell

if TYPE_CHECKING:
    from crm.scoring.v1.scores_pb2_grpc import ScoreServiceAsyncStub

BUYERS = 20


async def get(stub: "ScoreServiceAsyncStub", user: User, account_id: UUID) -> pb.AccountScores:
    return await stub.GetAccountScores(pb.GetAccountScoresRequest(account_id=str(account_id)), metadata=user.metadata)


async def settled(scoring: Running, tenant_id: UUID) -> None:
    """Wait until the scores follow all that was told."""
    query = compile_statement(select(rescorings))

    async def is_done() -> bool:
        rows = await scoring.service.database.all(tenant_id, query, {})
        return bool(rows) and rows[0]["asked"] == rows[0]["done"]

    await eventually(is_done)


async def twenty_buyers(scoring: Running, user: User, ahead: timedelta = timedelta(0)) -> list[UUID]:
    """Accounts of which each has ordered more often, later and for more than the one before it; the last for most.

    `ahead` is where the tenant's clock stands.
    """

    async def buyer(number: int) -> UUID:
        account_id = await new_account(scoring, user.tenant_id, user, f"n{number:02}")
        at = system_now() + ahead - timedelta(days=300 - 15 * number)
        amount = 1000 if number == BUYERS - 1 else 1 + number
        bought = [order(user.tenant_id, account_id, amount).released(at=at) for _ in range(1 + number // 4)]
        await tell(scoring, *bought)
        return account_id

    accounts = list(await asyncio.gather(*(buyer(number) for number in range(BUYERS))))
    await settled(scoring, user.tenant_id)
    return accounts
