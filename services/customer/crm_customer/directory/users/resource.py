"""Users, declared."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import users_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, any_, bindparam, or_, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.directory.users.model import User
from crm_customer.directory.users.tables import users


def seen(scope: Scope) -> ColumnElement[bool]:
    """Which users the actor may see: OWN is themselves, TEAM those of their team and below."""
    if scope is Scope.ALL:
        return true()
    themselves: ColumnElement[bool] = users.c.id == bindparam("me")
    if scope is Scope.OWN:
        return themselves
    return or_(themselves, users.c.team_id == any_(bindparam("team_ids", type_=ARRAY(Uuid))))


USERS = Resource(
    "user",
    entity=User,
    table=users,
    message=pb.User,
    created=events.UserCreated,
    updated=events.UserUpdated,
    visible=seen,
    verbs={
        "DeactivateUser": lambda user, _: user.deactivate(),
        "ActivateUser": lambda user, _: user.activate(),
        "SetPassword": lambda user, attempt: user.with_new_password(now=attempt.now),
    },
)
