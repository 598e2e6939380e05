"""Users between protobuf and entity."""

from uuid import UUID

from crm.customer.v1 import events_pb2
from crm.customer.v1 import users_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.identity.access import Access
from crm_kit.wire import Fields, id_from, id_text, same, timestamp

from crm_customer.directory.roles.wire import grants_to_pb
from crm_customer.directory.users.model import User, login_of

CHANGEABLE = Fields(
    display_name=same,
    login=login_of,
    team_id=id_from,
    role_ids=lambda values: tuple(UUID(each) for each in values),
)


def user_to_pb(user: User) -> pb.User:
    return pb.User(
        id=str(user.id),
        display_name=user.display_name,
        login=user.login,
        active=user.active,
        team_id=id_text(user.team_id),
        role_ids=map(str, user.role_ids),
        etag=etag_of(user.version),
        create_time=timestamp(user.create_time),
        update_time=timestamp(user.update_time),
    )


def current_user_to_pb(user: User, access: Access) -> pb.CurrentUser:
    """Who the caller is and what they may do."""
    return pb.CurrentUser(
        user=user_to_pb(user),
        grants=grants_to_pb((permission, scope.name) for permission, scope in access.grants.items()),
        team_ids=map(str, access.team_ids),
    )


def user_changed(user: User) -> events_pb2.UserChanged:
    return events_pb2.UserChanged(user=user_to_pb(user))
