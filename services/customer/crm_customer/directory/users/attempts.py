"""The verbs of a user, tried: what they need of the user, and of who attempts them."""

from crm_kit.resource.actions import Attempt

from crm_customer.directory.roles.queries import check_administrator_stays
from crm_customer.directory.users.commands import administers, check_manages
from crm_customer.directory.users.model import User
from crm_customer.directory.users.resource import USERS


async def deactivate(user: User, attempt: Attempt) -> None:
    """Not the last administrator, nor somebody who may do more than the caller."""
    roles = await check_manages(attempt.reader, user)
    if administers(user, roles) and not administers(user.deactivate(), roles):
        await check_administrator_stays(attempt.reader, without_user=user.id)


async def activate(user: User, attempt: Attempt) -> None:
    """Not somebody who may do more than the caller."""
    await check_manages(attempt.reader, user)


async def set_password(user: User, attempt: Attempt) -> None:
    """Not that of somebody who may do more than the caller, also with what they own in teams that they have left."""
    await check_manages(attempt.reader, user, lends=True)


TRIED_USERS = USERS.trying(DeactivateUser=deactivate, ActivateUser=activate, SetPassword=set_password)
