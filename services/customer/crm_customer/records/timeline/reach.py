"""How far somebody sees into a timeline."""

from dataclasses import dataclass
from uuid import UUID

from crm_kit.identity.access import Actor, Scope, reaches

from crm_customer.records.timeline.model import Kind, permission_of


@dataclass(frozen=True, slots=True)
class Reach:
    """Which kinds of entries somebody sees at an account: all of each, or those of records within their scope."""

    all: frozenset[Kind]
    team: frozenset[Kind]
    own: frozenset[Kind]


def reach_at(actor: Actor, owner_id: UUID | None, owner_team_id: UUID | None, *, is_member: bool = False) -> Reach:
    """What the actor, who may be in the account's team, sees on the timeline of an account of this owner.

    What is done at an account is seen with it: where the scope of a permission reaches the account, all
    entries that it is for are seen, and otherwise those of records that were within the scope when it happened, and of
    what the actor did.
    """
    kinds: dict[Scope, set[Kind]] = {scope: set() for scope in Scope}
    for kind in filter(lambda kind: actor.access.may(permission_of(kind)), Kind):
        scope = actor.access.scope(permission_of(kind))
        is_all = is_member or reaches(scope, actor, owner_id, owner_team_id)
        kinds[Scope.ALL if is_all else scope].add(kind)
    # Whoever sees the account at all sees what became of it.
    of_account = {kind for kind in Kind if permission_of(kind) == "accounts.read"}
    seen = frozenset(kinds[Scope.ALL] | of_account)
    return Reach(seen, team=frozenset(kinds[Scope.TEAM] - seen), own=frozenset(kinds[Scope.OWN] - seen))
