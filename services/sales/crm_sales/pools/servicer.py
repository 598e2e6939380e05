"""PoolService: from message to command or query and back, nothing else."""

from collections.abc import Callable

from crm.sales.v1 import pools_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.wire import goes_inside

from crm_sales.pools import commands
from crm_sales.pools.queries import get_pool
from crm_sales.pools.simulation import Holdings, simulate_rules
from crm_sales.pools.wire import FIELDS, pool_to_pb, rules_from, simulation_to_pb


class PoolServicer:
    contract = pb.DESCRIPTOR.services_by_name["PoolService"]

    def __init__(self, *, holdings: Holdings, wake_reclaim: Callable[[], None]) -> None:
        self._holdings = holdings
        self._wake_reclaim = wake_reclaim

    async def GetPool(self, request: pb.GetPoolRequest, reader: Reader) -> pb.Pool:
        return pool_to_pb(await get_pool(reader))

    async def UpdatePool(self, request: pb.UpdatePoolRequest, work: UnitOfWork) -> pb.Pool:
        etag, current = request.pool.etag, None
        if goes_inside(request.update_mask):
            current = pool_to_pb(await get_pool(work))
            # What was not sent stays as it was read: nobody may change it in between.
            etag = etag or current.etag
        values = FIELDS.masked(request.pool, request.update_mask, current)
        work.after_commit.append(self._wake_reclaim)
        return pool_to_pb(await commands.update_pool(work, values, etag=etag))

    async def SimulatePool(self, request: pb.SimulatePoolRequest, reader: Reader) -> pb.SimulatePoolResponse:
        return simulation_to_pb(await simulate_rules(reader, self._holdings, rules_from(request.rules)))
