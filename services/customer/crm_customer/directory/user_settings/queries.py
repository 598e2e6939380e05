"""What users have set."""

from dataclasses import fields
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_customer.directory.user_settings.model import Density, Language, Theme, TimeFormat, UserSettings
from crm_customer.directory.user_settings.tables import user_settings

_COLUMNS = [user_settings.c[each.name] for each in fields(UserSettings)]


async def get_settings(reader: Reader, user_id: UUID) -> UserSettings:
    """The settings of a user; those of everybody where they have never changed any."""
    row = await reader.one(settings_of_user(), user_id=user_id)
    if row is None:
        return UserSettings(user_id)
    values: dict[str, Any] = dict(row)
    language = values["language"]
    return UserSettings(
        **values
        | {
            "language": None if language is None else Language(language),
            "theme": Theme(values["theme"]),
            "density": Density(values["density"]),
            "time_format": TimeFormat(values["time_format"]),
        }
    )


@statement
def settings_of_user() -> Select[Any]:
    return select(*_COLUMNS).where(
        user_settings.c.tenant_id == bindparam("tenant_id"), user_settings.c.id == bindparam("user_id")
    )
