"""An account as far as scores and credit need it: its name, and who may see it."""

from dataclasses import dataclass
from uuid import UUID

from crm_kit.identity.access import Actor, Scope


@dataclass(frozen=True, slots=True)
class Account:
    """Who a score or a limit is of."""

    id: UUID
    display_name: str
    owner_id: UUID | None
    owner_team_id: UUID | None

    def is_visible(self, actor: Actor, scope: Scope) -> bool:
        """Whether the scope reaches it: the same rule as that of the rows of a list."""
        if scope is Scope.ALL or self.owner_id == actor.user_id:
            return True
        return scope is Scope.TEAM and self.owner_team_id in actor.access.team_ids
