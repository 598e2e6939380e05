"""Webhook endpoints, declared."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import webhook_endpoints_pb2 as pb
from crm_kit.resource.actions import Attempt
from crm_kit.resource.writing import Resource

from crm_customer.integrations.webhook_endpoints.model import DisableReason, State, WebhookEndpoint
from crm_customer.integrations.webhook_endpoints.tables import webhook_endpoints


def enabled(endpoint: WebhookEndpoint, attempt: Attempt) -> WebhookEndpoint:
    """As the caller would enable it."""
    return endpoint.enable(by=attempt.reader.actor.user_id)


ENDPOINTS = Resource(
    "webhook_endpoint",
    entity=WebhookEndpoint,
    table=webhook_endpoints,
    message=pb.WebhookEndpoint,
    created=events.WebhookEndpointCreated,
    updated=events.WebhookEndpointUpdated,
    unversioned={"failing_since_time"},
    hidden={"state": {State.ARCHIVED}},
    verbs={
        "EnableWebhookEndpoint": enabled,
        "DisableWebhookEndpoint": lambda endpoint, attempt: endpoint.disable(DisableReason.REQUESTED, now=attempt.now),
        "RotateWebhookEndpointSecret": lambda endpoint, attempt: endpoint.rotate(now=attempt.now),
        "TestWebhookEndpoint": lambda endpoint, _: endpoint.require_present("tested"),
        "ReplayWebhookEndpoint": lambda endpoint, _: endpoint.require_sending("replayed"),
        "ArchiveWebhookEndpoint": lambda endpoint, attempt: endpoint.archive(now=attempt.now),
        "RestoreWebhookEndpoint": lambda endpoint, _: endpoint.restore(),
    },
)
