"""Accounts, declared."""

from dataclasses import replace

from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.filtering.schema import user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.membership import is_current
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, bindparam, exists, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from crm_customer.records.accounts.model import Account, Status
from crm_customer.records.accounts.tables import account_members, accounts
from crm_customer.records.quality_rules.keeping import QUALITY

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
    unversioned=QUALITY | {"team_member_ids"},
    hidden={"status": {Status.ARCHIVED, Status.MERGED}},
    verbs={
        "ChangeAccountStatus": lambda account, _: account.change_status(account.status),
        "ConfirmAccountFields": lambda account, _: account.confirm((), ()),
        "ArchiveAccount": lambda account, _: account.archive(),
        "RestoreAccount": lambda account, _: account.restore(),
    },
    assigned="owner_id",
)
