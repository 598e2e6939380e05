"""Who is to be told, and how they have chosen to be."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.notice_texts import Language, language_of_region
from crm_kit.plumbing import access_tenants, access_users
from sqlalchemy import DateTime, Select, and_, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.directory.user_settings.tables import user_settings
from crm_customer.workspace.notification_preferences.model import NotificationPreference
from crm_customer.workspace.notification_preferences.resource import PREFERENCES
from crm_customer.workspace.notification_preferences.tables import notification_preferences
from crm_customer.workspace.notifications.resource import NOTIFICATIONS
from crm_customer.workspace.notifications.tables import notifications

# Where Chinese is read.
MAX_USERS_OF_LOOK = 100
MAX_LINES = 100


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody who may be told; `preference` is None for who has chosen nothing."""

    id: UUID
    login: str
    language: Language
    preference: NotificationPreference | None


async def recipients_among(reader: Reader, ids: Collection[UUID]) -> list[Recipient]:
    """Those of the users who are active, by id, so that whoever writes for several meets others in one order."""
    rows = await reader.all(active_recipients(), ids=list(ids))
    preferences = await reader.all(preferences_of(), ids=list(ids))
    found = {each.id: each for each in map(PREFERENCES.entity_from, preferences)}
    return [_recipient(row, found.get(row["id"])) for row in rows]


def _recipient(row: Record, preference: NotificationPreference | None) -> Recipient:
    chosen = row["language"]
    language: Language = ("zh" if chosen == "ZH" else "en") if chosen else language_of_region(row["default_region"])
    return Recipient(row["id"], row["login"], language, preference)


@statement
def active_recipients() -> Select[Any]:
    users, tenants, settings = access_users.c, access_tenants.c, user_settings.c
    return (
        select(users.id, users.login, tenants.default_region, settings.language)
        .join(access_tenants, tenants.tenant_id == users.tenant_id)
        .outerjoin(user_settings, and_(settings.tenant_id == users.tenant_id, settings.id == users.id))
        .where(
            users.tenant_id == bindparam("tenant_id"),
            users.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
            users.active,
        )
        .order_by(users.id)
    )


@statement
def preferences_of() -> Select[Any]:
    of = notification_preferences.c
    return select(*PREFERENCES.columns).where(
        of.tenant_id == bindparam("tenant_id"), of.id == any_(bindparam("ids", type_=ARRAY(Uuid)))
    )


def _in_digest() -> Any:
    of = notifications.c
    before = of.notice_time < bindparam("before", type_=DateTime(timezone=True))
    return and_(of.tenant_id == bindparam("tenant_id"), of.digest, before)


@statement
def users_with_digest() -> Select[Any]:
    """Some of those for whom a mail of the day is due."""
    of = notifications.c
    return select(of.user_id).where(_in_digest()).distinct().order_by(of.user_id).limit(MAX_USERS_OF_LOOK)


@statement
def digest_of_user() -> Select[Any]:
    """What the mail of the day tells somebody, the newest first; one more than it tells at most."""
    of = notifications.c
    return (
        select(*NOTIFICATIONS.columns)
        .where(_in_digest(), of.user_id == bindparam("user_id"))
        .order_by(of.notice_time.desc(), of.id.desc())
        .limit(MAX_LINES + 1)
    )
