"""Duplicate pairs, declared. Who sees both accounts, and all their fields, sees the pair."""

from dataclasses import replace

from crm.customer.v1 import duplicate_pairs_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.filtering.schema import user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, sees_all_fields
from crm_kit.resource.reach import of_owned_account
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from crm_customer.records.accounts.model import IN_BUSINESS
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.duplicate_pairs.model import DuplicatePair, State
from crm_customer.records.duplicate_pairs.tables import duplicate_pairs

SIDES = (duplicate_pairs.c.account_id, duplicate_pairs.c.other_account_id)
_either = accounts.alias("either")
_is_side = and_(_either.c.tenant_id == duplicate_pairs.c.tenant_id, or_(*(_either.c.id == side for side in SIDES)))
OWNER_IDS = (
    select(func.coalesce(func.array_agg(aggregate_order_by(_either.c.owner_id, _either.c.id)), []))
    .where(_is_side, _either.c.owner_id.is_not(None))
    .scalar_subquery()
)


def with_owner(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Which pairs have an account whose owner the condition is true of."""
    return exists().where(_is_side, condition).correlate(duplicate_pairs)


OF_OWNER = user_field(_either.c.owner_id, type=FieldType.UUID_LIST)


def visible(scope: Scope) -> ColumnElement[bool]:
    """Pairs both of whose accounts somebody sees whole, and none of which is put away."""
    seen = (of_owned_account(duplicate_pairs, side, accounts)(scope) for side in SIDES)
    return and_(*seen, *map(_is_in_business, SIDES), sees_all_fields("accounts"))


def _is_in_business(side: ColumnElement[object]) -> ColumnElement[bool]:
    one = accounts.alias()
    there = and_(one.c.tenant_id == bindparam("tenant_id"), one.c.id == side, one.c.status.in_(list(IN_BUSINESS)))
    return exists().where(there).correlate(duplicate_pairs)


DUPLICATE_PAIRS = Resource(
    "duplicate_pair",
    entity=DuplicatePair,
    table=duplicate_pairs,
    message=pb.DuplicatePair,
    created=events.DuplicatePairCreated,
    updated=events.DuplicatePairUpdated,
    computed={"owner_ids": OWNER_IDS},
    nested={"owner_ids": replace(OF_OWNER, within=with_owner)},
    unversioned={"owner_ids"},
    visible=visible,
    hidden={"state": {State.OUTDATED}},
    verbs={"DismissDuplicatePair": lambda pair, attempt: pair.dismiss(pair.id, "", now=attempt.now)},
)
