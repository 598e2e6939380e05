"""Webhook deliveries, declared. They have no history: what came of each try they say themselves."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import webhook_deliveries_pb2 as pb
from crm_kit.identity.access import EVERYTHING, READ_RESTRICTED, Scope
from crm_kit.resource.writing import Resource
from crm_kit.thin_events.types import known_event_types
from sqlalchemy import Boolean, ColumnElement, Integer, bindparam, case, cast, func, literal_column, or_
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.integrations.webhook_deliveries.model import WebhookDelivery
from crm_customer.integrations.webhook_deliveries.tables import webhook_deliveries
from crm_customer.integrations.webhook_endpoints.rights import needed

EVERY: ColumnElement[str] = literal_column(f"'{EVERYTHING}'")


def of_what_one_reads(_scope: Scope) -> ColumnElement[bool]:
    """Those of collections whose records the actor may all read: it says that there is one, and when that changed."""
    permissions = {each.collection: each.permission for each in known_event_types().all}
    at_accounts = [name for name, each in permissions.items() if READ_RESTRICTED in needed(each)]
    permission = case(permissions, value=webhook_deliveries.c.collection)
    # As `granted_scope` of a permission that is not known before the row is.
    grants = bindparam("grants", type_=JSONB)
    of_collection, of_all = (cast(grants.op("->>")(each), Integer) for each in (permission, EVERY))
    reads_all = func.coalesce(func.greatest(of_collection, of_all), 0) == Scope.ALL.value
    reads_restricted = bindparam("reads_restricted", type_=Boolean)
    return reads_all & or_(reads_restricted, webhook_deliveries.c.collection.not_in(at_accounts))


DELIVERIES = Resource(
    "webhook_delivery",
    entity=WebhookDelivery,
    table=webhook_deliveries,
    message=pb.WebhookDelivery,
    created=events.WebhookDeliveryFailed,
    unversioned={
        "state",
        "attempt_count",
        "attempts",
        "next_attempt_time",
        "failure_count",
        "give_up_time",
        "update_time",
    },
    visible=of_what_one_reads,
    verbs={"RedeliverWebhookDelivery": lambda delivery, attempt: delivery.begin_anew(now=attempt.now)},
)
