"""Pools between protobuf and entity."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from crm.sales.v1 import events_pb2, leads_pb2
from crm.sales.v1 import pools_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, same, timestamp
from google.protobuf.duration_pb2 import Duration

from crm_sales.pools.model import Extension, FollowUpKind, Pool, PoolRules
from crm_sales.pools.queries import DURATIONS
from crm_sales.pools.simulation import Return, Simulation

KINDS = EnumNames(leads_pb2.FollowUp.Kind, "KIND_", FollowUpKind)
LIMITS = ("capacity", "claims_per_day")
# How many leads a simulation names; it counts them all.
MAX_RETURNS = 200


def rules_from(value: pb.PoolRules) -> PoolRules:
    """The rules as the message says; what it leaves out is off, or has the default that the contract names."""
    there = {field.name for field, _ in value.ListFields()}
    given: dict[str, Any] = {name: getattr(value, name).ToTimedelta() for name in DURATIONS if name in there}
    given |= {name: getattr(value, name) for name in LIMITS if name in there}
    extensions = tuple(Extension(KINDS.entity(each.kind), each.duration.ToTimedelta()) for each in value.extensions)
    return PoolRules(**given, extensions=extensions, time_zone=value.time_zone or "UTC")


FIELDS = Fields(display_name=same, rules=rules_from)


def pool_to_pb(pool: Pool) -> pb.Pool:
    return pb.Pool(
        id=str(pool.id),
        display_name=pool.display_name,
        rules=rules_to_pb(pool.rules),
        etag=etag_of(pool.version),
        create_time=timestamp(pool.create_time),
        update_time=timestamp(pool.update_time),
    )


def rules_to_pb(rules: PoolRules) -> pb.PoolRules:
    message = pb.PoolRules(time_zone=rules.time_zone, capacity=rules.capacity, claims_per_day=rules.claims_per_day)
    for name in DURATIONS:
        duration: timedelta | None = getattr(rules, name)
        if duration is not None:
            getattr(message, name).FromTimedelta(duration)
    for extension in rules.extensions:
        message.extensions.add(kind=KINDS.wire(extension.kind), duration=_duration(extension.duration))
    return message


def simulation_to_pb(simulation: Simulation) -> pb.SimulatePoolResponse:
    returns = simulation.returns
    by_owner = Counter(str(each.owner_id) for each in returns)
    owners = sorted(by_owner.items(), key=lambda pair: (-pair[1], pair[0]))
    first = sorted(returns, key=lambda each: (each.safe_until_time, each.lead_id))[:MAX_RETURNS]
    return pb.SimulatePoolResponse(
        held_count=simulation.held_count,
        return_count=len(returns),
        newly_returned_count=sum(not each.lapsed_anyway for each in returns),
        newly_safe_count=simulation.newly_safe_count,
        owners=[pb.SimulatePoolResponse.OwnerCount(owner_id=id, lead_count=count) for id, count in owners],
        returns=map(return_to_pb, first),
    )


def return_to_pb(value: Return) -> pb.SimulatePoolResponse.Return:
    return pb.SimulatePoolResponse.Return(
        lead_id=str(value.lead_id),
        owner_id=str(value.owner_id),
        safe_until_time=timestamp(value.safe_until_time),
        lapsed_anyway=value.lapsed_anyway,
    )


def pool_created(pool: Pool) -> events_pb2.PoolCreated:
    return events_pb2.PoolCreated(pool=pool_to_pb(pool))


def pool_updated(pool: Pool, *, changed_fields: Iterable[str]) -> events_pb2.PoolUpdated:
    return events_pb2.PoolUpdated(pool=pool_to_pb(pool), changed_fields=changed_fields)


def _duration(value: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(value)
    return message
