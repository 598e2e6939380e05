"""Every write on notification preferences. Each function is one transaction's work."""

from difflib import get_close_matches
from typing import Any

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.mail.gathering import require_mail
from crm_kit.mail.model import address_of
from crm_kit.thin_events.types import known_event_types

from crm_customer.workspace.notification_preferences.model import NotificationPreference
from crm_customer.workspace.notification_preferences.queries import own_login
from crm_customer.workspace.notification_preferences.resource import PREFERENCES


async def own_preference(reader: Reader) -> NotificationPreference:
    """What the caller has chosen; what everybody begins with, as long as that is nothing."""
    found = await PREFERENCES.find(reader, reader.actor.user_id)
    return found or NotificationPreference(reader.actor.user_id, create_time=reader.now, update_time=reader.now)


async def begin_preference(work: UnitOfWork) -> None:
    """Have the caller's preferences be there, so that they can be changed."""
    if await PREFERENCES.find(work, work.actor.user_id) is None:
        PREFERENCES.create(work, await own_preference(work))
        await work.flush()


async def update_preference(
    work: UnitOfWork, before: NotificationPreference, values: dict[str, Any]
) -> NotificationPreference:
    """Change some fields; nothing is written when nothing changes.

    FailedPrecondition MAIL_NOT_SET_UP, InvalidArgument: for who comes to want mail that cannot reach them.
    """
    after = before.update(values)
    check_collections(before, after)
    if after.wants_mail and not before.wants_mail:
        require_mail(work)
        await check_reached(work)
    return PREFERENCES.save(work, before, after, events.NotificationPreferenceUpdated)


def check_collections(before: NotificationPreference, after: NotificationPreference) -> None:
    """InvalidArgument for a record that comes to be muted and is of no collection: of those nobody is ever told."""
    known = {each.collection for each in known_event_types().all}
    for index, each in enumerate(after.muted_records):
        if each.collection not in known and each not in before.muted_records:
            field = f"notification_preference.muted_records[{index}].collection"
            near = get_close_matches(each.collection, known, n=1)
            values = {"value": each.collection} | ({"near": near[0]} if near else {})
            meant = f"perhaps {near[0]} is meant" if near else "metadata names the collections"
            raise invalid_field(field, "webhook_collection", f"there is no {each.collection}; {meant}", metadata=values)


async def check_reached(work: UnitOfWork) -> None:
    """InvalidArgument for a caller whose login is no e-mail address."""
    login, field = await own_login(work), "notification_preference.choices"
    try:
        address_of(login, field=field)
    except InvalidArgument:
        detail = f"mail goes to your login, and {login} is no e-mail address"
        raise invalid_field(field, "login_is_address", detail, metadata={"login": login}) from None
