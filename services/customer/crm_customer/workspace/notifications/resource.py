"""Notifications, declared. They have no history: what changes is how often one was told, and whether it is read."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import notifications_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, and_, bindparam

from crm_customer.workspace.notifications.model import Notification
from crm_customer.workspace.notifications.tables import notifications


def own(_scope: Scope) -> ColumnElement[bool]:
    """The user's own, whatever they may do with all else."""
    return and_(notifications.c.user_id == bindparam("me"), notifications.c.shown)


NOTIFICATIONS = Resource(
    "notification",
    entity=Notification,
    table=notifications,
    message=pb.Notification,
    created=events.NotificationCreated,
    unversioned={
        "record_title",
        "actor_id",
        "text",
        "values",
        "count",
        "notice_time",
        "read",
        "read_time",
        "shown",
        "digest",
    },
    visible=own,
    default_order="notice_time desc",
    verbs={"MarkNotificationRead": lambda _notification, _: None},
)
