"""Every write on users' settings."""

from dataclasses import fields, replace

import orjson
from crm_kit.database.work import UnitOfWork

from crm_customer.directory.user_settings.model import UserSettings
from crm_customer.directory.user_settings.tables import user_settings

_NAMES = tuple(each.name for each in fields(UserSettings))


def save_settings(work: UnitOfWork, before: UserSettings, after: UserSettings) -> UserSettings:
    """Gather changed settings, one version further; nothing is written when nothing changes."""
    if after == before:
        return before
    after = replace(
        after.checked(values_bytes=len(orjson.dumps(dict(after.values)))),
        version=before.version + 1,
        create_time=before.create_time or work.now,
        update_time=work.now,
    )
    row = {name: getattr(after, name) for name in _NAMES}
    if before.version:
        work.save(user_settings, row, version=before.version)
    else:
        work.insert(user_settings, row)
    return after
