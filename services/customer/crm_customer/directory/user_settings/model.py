"""The settings of a user."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field

MAX_VALUES_BYTES = 16 * 1024


class Language(enum.StrEnum):
    ZH = "ZH"
    EN = "EN"


class Theme(enum.StrEnum):
    SYSTEM = "SYSTEM"
    LIGHT = "LIGHT"
    DARK = "DARK"


class Density(enum.StrEnum):
    COMFORTABLE = "COMFORTABLE"
    COMPACT = "COMPACT"


class TimeFormat(enum.StrEnum):
    H24 = "H24"
    H12 = "H12"


@dataclass(frozen=True, slots=True)
class UserSettings:
    """Fields as in the contract; `id` is the user's. Of version 0 are the settings of who has never changed any."""

    id: UUID
    language: Language | None = None
    theme: Theme = Theme.SYSTEM
    density: Density = Density.COMFORTABLE
    time_format: TimeFormat = TimeFormat.H24
    start_page: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    version: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None

    def update(self, values: Mapping[str, Any]) -> "UserSettings":
        """With new values of some fields; what is None is as nobody has chosen it, also single keys of `values`."""
        unset = UserSettings(self.id)
        chosen = {name: getattr(unset, name) if value is None else value for name, value in values.items()}
        kept = {key: value for key, value in chosen.get("values", self.values).items() if value is not None}
        return replace(self, **chosen | {"values": kept})

    def checked(self, *, values_bytes: int) -> "UserSettings":
        """The settings themselves; `values_bytes` is how long `values` are as JSON. InvalidArgument when too long."""
        if values_bytes > MAX_VALUES_BYTES:
            detail = f"have {values_bytes} bytes as JSON, at most {MAX_VALUES_BYTES} are possible"
            told = {"bytes": str(values_bytes), "max_bytes": str(MAX_VALUES_BYTES)}
            raise invalid_field("user_settings.values", "json_bytes", detail, metadata=told)
        return self
