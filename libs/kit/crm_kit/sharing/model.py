"""With whom something is shared."""

import enum
from collections.abc import Sequence
from uuid import UUID

from crm_kit.errors import invalid_field


class Visibility(enum.StrEnum):
    PRIVATE = "PRIVATE"
    ROLES = "ROLES"
    TENANT = "TENANT"


def check_roles(visibility: Visibility, role_ids: Sequence[UUID], *, place: str) -> None:
    """InvalidArgument below `place` for what is shared by role without roles, and for roles of anything else."""
    if visibility is Visibility.ROLES and not role_ids:
        raise invalid_field(f"{place}.role_ids", "shared_roles", "what is shared by role names the roles")
    if visibility is not Visibility.ROLES and role_ids:
        raise invalid_field(f"{place}.role_ids", "not_shared_roles", "goes with the visibility ROLES only")
