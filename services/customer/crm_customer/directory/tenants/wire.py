"""Tenants between protobuf and entity."""

from datetime import datetime

from crm.customer.v1 import events_pb2
from crm.customer.v1 import tenants_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import timestamp

from crm_customer.directory.tenants.model import Tenant


def tenant_to_pb(tenant: Tenant, *, now: datetime) -> pb.Tenant:
    """The tenant as it is at `now` on its own clock."""
    message = pb.Tenant(
        id=str(tenant.id),
        slug=tenant.slug,
        display_name=tenant.display_name,
        sandbox=tenant.sandbox,
        active=tenant.active,
        current_time=timestamp(now),
        etag=etag_of(tenant.version),
        create_time=timestamp(tenant.create_time),
        update_time=timestamp(tenant.update_time),
    )
    message.clock_offset.FromTimedelta(tenant.clock_offset)
    return message


def tenant_changed(tenant: Tenant) -> events_pb2.TenantChanged:
    return events_pb2.TenantChanged(tenant=tenant_to_pb(tenant, now=tenant.update_time))
