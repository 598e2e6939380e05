"""Notification preferences, declared. A reader knows those of one user: their own."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import notification_preferences_pb2 as pb
from crm_kit.resource.writing import Resource
from sqlalchemy import bindparam

from crm_customer.workspace.notification_preferences.model import NotificationPreference
from crm_customer.workspace.notification_preferences.tables import notification_preferences

PREFERENCES = Resource(
    "notification_preference",
    entity=NotificationPreference,
    table=notification_preferences,
    message=pb.NotificationPreference,
    created=events.NotificationPreferenceCreated,
    updated=events.NotificationPreferenceUpdated,
    # Whatever else somebody may do.
    visible=lambda _scope: notification_preferences.c.id == bindparam("me"),
    default_order="id",
)
