"""What somebody can do with a record, asked of the same rules that decide when they do it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.database.work import Reader, ReadSession
from crm_kit.errors import PermissionDenied
from crm_kit.identity.access import Actor, Scope
from crm_kit.identity.membership import NONE, READING, WRITING
from crm_kit.record_access.grants import RoleGrant, grants_of
from crm_kit.resource.actions import Action, Approving, Verb, verbs_beside
from crm_kit.resource.permitted import AnyResource, Reached, action_on, check_reached, may_be_restricted, reached_by
from crm_kit.rpc.methods import AUTHENTICATED

Roles = Sequence[tuple[UUID, Mapping[str, str]]]
SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Operation:
    """Whether somebody can do something, and which of their roles grant what it takes."""

    action: Action
    grants: Sequence[RoleGrant]


@dataclass(frozen=True, slots=True)
class RecordAccess:
    """What an active user can do with a record; `needed` is the narrowest scope that reaches it for them, if any."""

    operations: Sequence[Operation]
    needed: Scope | None
    hidden: frozenset[str]
    # Whether no scope as narrow would reach it if they were in the team of no account.
    by_membership: bool = False
    # Whether no scope reaches it, since it is, or is at, an account that is closed to them.
    restricted: bool = False


async def explain(
    resource: AnyResource, record: Any, actor: Actor, roles: Roles, reader: Reader, approving: Approving
) -> RecordAccess:
    """As it is for `actor`, who has these roles, whoever asks."""
    theirs, changing, alone = (
        ReadSession(reader.database, actor, scope=Scope.ALL, now=reader.now, memberships=memberships)
        for memberships in (READING, WRITING, NONE)
    )
    # Also by ALL: what is private to who asks nothing reaches for others.
    reached, changed, reached_alone = [
        await reached_by(resource, [record.id], each, SCOPES) for each in (theirs, changing, alone)
    ]
    need_of = await approving.needs(resource.collection, theirs)
    actions = [
        _beside(resource, record.id, each, actor, reached if each.permission == resource.permission else changed)
        for each in verbs_beside(resource.message_type)
    ]
    actions += [await action_on(resource, record, each, theirs, changed, need_of) for each in resource.verbs.values()]
    needed = narrowest(record.id, reached)
    return RecordAccess(
        [Operation(each, grants_of(each.verb.permission, roles)) for each in actions],
        needed,
        await _hidden(resource, record.id, theirs) if not actions[0].reason else frozenset(),
        by_membership=needed != narrowest(record.id, reached_alone),
        restricted=needed is None and may_be_restricted(resource),
    )


def narrowest(id: UUID, reached: Reached) -> Scope | None:
    """The narrowest scope that reaches a record, if any does."""
    return min((scope for scope in SCOPES if id in reached[scope]), default=None)


def _beside(resource: AnyResource, id: UUID, verb: Verb, actor: Actor, reached: Reached) -> Action:
    """Reading and changing a record: nothing but the permission decides, as long as nobody knows what is changed."""
    try:
        # Who has signed in reads what is for everybody, and of what is private their own.
        scope = Scope.ALL if verb.permission == AUTHENTICATED else actor.access.scope(verb.permission)
        if verb.permission != resource.permission:
            resource.check_reaches(scope)
        check_reached(id, verb.permission, scope, reached)
    except PermissionDenied as error:
        return Action(verb, error.reason, error.detail, error.metadata)
    return Action(verb)


async def _hidden(resource: AnyResource, id: UUID, theirs: ReadSession) -> frozenset[str]:
    """The fields that are masked from who may read the record."""
    return (await resource.readable(theirs, [id])).get(id, frozenset())
