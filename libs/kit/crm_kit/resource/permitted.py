"""What somebody may do with a record: by permission, by the records that its scope reaches, and by the verb's rule."""

from collections.abc import Mapping, Sequence, Set
from typing import Any
from uuid import UUID

from crm_kit.database.work import Reader, ReadSession
from crm_kit.errors import PermissionDenied, denied
from crm_kit.identity.access import Scope
from crm_kit.identity.membership import WRITING
from crm_kit.resource.actions import Action, Attempt, NeedOf, Verb, tried
from crm_kit.resource.reach import Reach, everywhere
from crm_kit.resource.writing import Resource

AnyResource = Resource[Any, Any]
# Of each scope that was asked for, the ids of the records that it reaches. One that was not reaches all of them.
Reached = Mapping[Scope, Set[UUID]]


async def actions_on(
    resource: AnyResource, records: Sequence[Any], reader: Reader, need_of: NeedOf
) -> list[list[Action]]:
    """Of each record, whether the caller may do each of its verbs, and whether it can be done.

    What a scope reaches is asked once for all records; a rule may ask more of each.
    """
    access, ids = reader.actor.access, [record.id for record in records]
    permissions = {verb.permission for verb in resource.verbs.values()}
    scopes = {access.scope(permission) for permission in permissions if access.may(permission)}
    if access.reads_restricted or not may_be_restricted(resource):
        # What the caller reads ALL reaches.
        scopes.discard(Scope.ALL)
    # A verb changes the record, which not every member of an account's team may.
    changing = ReadSession(reader.database, reader.actor, scope=reader.scope, now=reader.now, memberships=WRITING)
    reached = await reached_by(resource, ids, changing, scopes)
    return [
        [await action_on(resource, record, verb, reader, reached, need_of) for verb in resource.verbs.values()]
        for record in records
    ]


def may_be_restricted(resource: AnyResource) -> bool:
    """Whether its records are accounts, or at accounts, so that ALL does not reach each of them."""
    return isinstance(resource.visible, Reach) and resource.visible.open is not everywhere


async def reached_by(resource: AnyResource, ids: Sequence[UUID], reader: Reader, scopes: Set[Scope]) -> Reached:
    """Which of the records each scope would reach for the reader."""
    return {scope: (await resource.get_many(reader, ids, scope=scope)).keys() for scope in scopes}


async def action_on(
    resource: AnyResource, record: Any, verb: Verb, reader: Reader, reached: Reached, need_of: NeedOf
) -> Action:
    """Whether the reader may do a verb, and whether it can be done with the record as it is."""
    try:
        scope = reader.actor.access.scope(verb.permission)
        resource.check_reaches(scope)
        check_reached(record.id, verb.permission, scope, reached)
    except PermissionDenied as error:
        return Action(verb, error.reason, error.detail, error.metadata)
    return await tried(verb, resource.tries[verb.rpc], record, Attempt(reader, scope), need_of)


def check_reached(id: UUID, permission: str, scope: Scope, reached: Reached) -> None:
    """PermissionDenied for a record that a permission in this scope does not reach."""
    if id not in reached.get(scope, {id}):
        detail = f"the permission {permission} does not reach this record"
        raise denied("out_of_reach", detail, permission=permission)
