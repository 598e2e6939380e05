"""Pools, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import pools_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_sales.pools.model import Pool
from crm_sales.pools.tables import pools

POOLS = Resource(
    "pool",
    entity=Pool,
    table=pools,
    message=pb.Pool,
    created=events.PoolCreated,
    updated=events.PoolUpdated,
    default_order="create_time",
    # Any rules can be tried on any pool.
    verbs={"SimulatePool": lambda pool, _: pool},
)
