"""Account members, declared. Who sees the account sees its team."""

from crm.customer.v1 import account_members_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.resource.reach import of_owned_account
from crm_kit.resource.writing import Resource

from crm_customer.records.account_members.model import AccountMember, State
from crm_customer.records.accounts.tables import account_members, accounts

ACCOUNT_MEMBERS = Resource(
    "account_member",
    entity=AccountMember,
    table=account_members,
    message=pb.AccountMember,
    created=events.AccountMemberCreated,
    updated=events.AccountMemberUpdated,
    visible=of_owned_account(account_members, account_members.c.account_id, accounts),
    hidden={"state": {State.REMOVED}},
    verbs={"RemoveAccountMember": lambda member, _: member.remove()},
)
