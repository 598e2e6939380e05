"""Tenants, declared. A reader knows one: their own."""

from datetime import timedelta

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import tenants_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_customer.directory.tenants.model import Tenant
from crm_customer.directory.tenants.tables import tenants

TENANTS = Resource(
    "tenant",
    entity=Tenant,
    table=tenants,
    message=pb.Tenant,
    created=events.TenantCreated,
    updated=events.TenantUpdated,
    beside={"turn"},
    at=Tenant.at,
    momentary={"current_time"},
    default_order="id",
    verbs={"AdvanceTestClock": lambda tenant, _: tenant.advance(timedelta(0))},
)
