"""PoolService: from message to command or query and back, nothing else."""

from collections.abc import Callable
from uuid import UUID

from crm.sales.v1 import pools_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build, value_in

from crm_sales.pools import commands
from crm_sales.pools.model import PoolRules
from crm_sales.pools.resource import POOLS
from crm_sales.pools.simulation import Holdings, simulate_rules


class PoolServicer:
    contract = pb.DESCRIPTOR.services_by_name["PoolService"]

    def __init__(self, tokens: PageTokens, *, holdings: Holdings, wake_reclaim: Callable[[], None]) -> None:
        self._tokens = tokens
        self._holdings = holdings
        self._wake_reclaim = wake_reclaim

    async def GetPool(self, request: pb.GetPoolRequest, reader: Reader) -> pb.Pool:
        return await POOLS.read(reader, request.id)

    async def ListPools(self, request: pb.ListPoolsRequest, reader: Reader) -> pb.ListPoolsResponse:
        return await POOLS.list(reader, request, pb.ListPoolsResponse, self._tokens)

    async def UpdatePool(self, request: pb.UpdatePoolRequest, work: UnitOfWork) -> pb.Pool:
        before, values = await POOLS.to_update(work, request)
        work.after_commit.append(self._wake_reclaim)
        return POOLS.message(work, commands.update_pool(work, before, values))

    async def SimulatePool(self, request: pb.SimulatePoolRequest, reader: Reader) -> pb.SimulatePoolResponse:
        # They are tried by who may bring them into force.
        POOLS.check_reaches(reader.scope)
        pool, proposed = await POOLS.get(reader, UUID(request.id)), value_in(request, "rules", PoolRules)
        simulation = await simulate_rules(reader, self._holdings, pool.rules, proposed)
        return build(
            pb.SimulatePoolResponse,
            held_count=simulation.held_count,
            return_count=simulation.return_count,
            newly_returned_count=simulation.newly_returned_count,
            newly_safe_count=simulation.newly_safe_count,
            owners=simulation.owners(),
            returns=simulation.first_returns,
        )
