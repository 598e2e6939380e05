"""Accounts, declared."""

from dataclasses import replace
from operator import attrgetter

from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.filtering.schema import user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Actor, Scope, reaches
from crm_kit.identity.membership import is_current
from crm_kit.resource.label import Label
from crm_kit.resource.reach import everywhere, owned
from crm_kit.resource.writing import Resource
from crm_kit.wire import id_from
from sqlalchemy import ColumnElement, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from crm_customer.records.accounts.hierarchy import GROUP_IDS, GROUPS
from crm_customer.records.accounts.model import Account, Status
from crm_customer.records.accounts.reads import note_reads
from crm_customer.records.accounts.tables import account_members, accounts
from crm_customer.records.quality_rules.keeping import QUALITY
from crm_customer.records.segments.naming import SEGMENT_IDS, named_segments

MEMBER_IDS = (
    select(func.coalesce(func.array_agg(aggregate_order_by(account_members.c.user_id, account_members.c.id)), []))
    .where(
        account_members.c.tenant_id == accounts.c.tenant_id,
        account_members.c.account_id == accounts.c.id,
        is_current(account_members),
    )
    .scalar_subquery()
)


def with_member(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Which accounts have a member today of whom the condition is true."""
    members = account_members.c
    is_there = (members.tenant_id == bindparam("tenant_id")) & (members.account_id == accounts.c.id)
    return exists().where(is_there, is_current(account_members), condition).correlate(accounts)


OF_MEMBER = user_field(account_members.c.user_id, type=FieldType.UUID_LIST)

# What those see of a restricted account to whom it is closed: that it is there, and whom to ask. Lists leave accounts
# out by their status.
LABEL = frozenset(
    {
        "id",
        "kind",
        "display_name",
        "status",
        "merged_into_id",
        "owner_id",
        "owner_team_id",
        "restricted",
        "etag",
        "create_time",
        "update_time",
    }
)


IS_RESTRICTED = attrgetter("restricted")


def is_closed_to(actor: Actor, scope: Scope, account: pb.Account) -> bool:
    """Whether a restricted account is closed to a reader: the rule of `is_open` for what is no row here."""
    if str(actor.user_id) in account.team_member_ids:
        return False
    owner_id, team_id = id_from(account.owner_id), id_from(account.owner_team_id)
    return not reaches(scope, actor, owner_id, team_id, restricted=True)


ACCOUNTS = Resource(
    "account",
    entity=Account,
    table=accounts,
    message=pb.Account,
    created=events.AccountCreated,
    updated=events.AccountUpdated,
    beside={"last_contact_time", "value_tier", "value_tier_version"},
    computed={"team_member_ids": MEMBER_IDS},
    nested={"team_member_ids": replace(OF_MEMBER, within=with_member)},
    kept_filters={SEGMENT_IDS: named_segments(accounts), GROUP_IDS: GROUPS},
    unversioned=QUALITY | {"team_member_ids"},
    hidden={"status": {Status.ARCHIVED, Status.MERGED}},
    label=Label(LABEL, replace(owned(accounts), open=everywhere), IS_RESTRICTED, is_closed_to, note_reads),
    verbs={
        "ChangeAccountStatus": lambda account, _: account.change_status(account.status),
        "ConfirmAccountFields": lambda account, _: account.confirm((), ()),
        "AdoptAccountSourceValue": lambda account, _: account.confirm((), ()),
        "ArchiveAccount": lambda account, _: account.archive(),
        "RestoreAccount": lambda account, _: account.restore(),
        "RestrictAccount": lambda account, _: account.restrict(""),
        "UnrestrictAccount": lambda account, _: account.unrestrict(""),
    },
    assigned="owner_id",
)
