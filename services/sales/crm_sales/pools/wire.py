"""Pools between protobuf and entity."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from crm.sales.v1 import leads_pb2
from crm.sales.v1 import pools_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, same, timestamp
from google.protobuf.duration_pb2 import Duration

from crm_sales.pools.model import FollowUpKind, Pool, PoolRules
from crm_sales.pools.queries import DURATIONS
from crm_sales.pools.simulation import Outcome

KINDS = EnumNames(leads_pb2.FollowUp.Kind, "KIND_", FollowUpKind)
LIMITS = ("capacity", "claims_per_day")
# How many leads a simulation names; it counts them all.
NAMED = 200


def rules_from(value: pb.PoolRules) -> PoolRules:
    """The rules as the message says; what it leaves out is off, or has the default that the contract names."""
    there = {field.name for field, _ in value.ListFields()}
    given: dict[str, Any] = {name: getattr(value, name).ToTimedelta() for name in DURATIONS if name in there}
    given |= {name: getattr(value, name) for name in LIMITS if name in there}
    extensions: Mapping[FollowUpKind, timedelta] = {
        KINDS.entity(each.kind): each.duration.ToTimedelta() for each in value.extensions
    }
    return PoolRules(**given, extensions=MappingProxyType(extensions), time_zone=value.time_zone or "UTC")


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
    for kind, extension in rules.extensions.items():
        message.extensions.add(kind=KINDS.wire(kind), duration=_duration(extension))
    return message


def simulation_to_pb(outcome: Outcome) -> pb.SimulatePoolResponse:
    owners = sorted(outcome.by_owner.items(), key=lambda pair: (-pair[1], pair[0]))
    newly = {each.id for each in outcome.newly_lapsed}
    first = sorted(outcome.lapsed, key=lambda each: (each.safe_until, each.id))[:NAMED]
    return pb.SimulatePoolResponse(
        held_count=outcome.held,
        return_count=len(outcome.lapsed),
        newly_returned_count=len(newly),
        newly_safe_count=outcome.newly_safe,
        owners=[pb.SimulatePoolResponse.OwnerCount(owner_id=id, lead_count=count) for id, count in owners],
        returns=[
            pb.SimulatePoolResponse.Return(
                lead_id=each.id,
                owner_id=each.owner_id,
                safe_until_time=timestamp(each.safe_until),
                lapsed_anyway=each.id not in newly,
            )
            for each in first
        ],
    )


def _duration(value: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(value)
    return message
