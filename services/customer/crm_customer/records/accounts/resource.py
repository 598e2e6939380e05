"""Accounts, declared."""

from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_kit.resource.writing import Resource

from crm_customer.records.accounts.model import Account, Status
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.quality_rules.keeping import QUALITY

ACCOUNTS = Resource(
    "account",
    entity=Account,
    table=accounts,
    message=pb.Account,
    created=events.AccountCreated,
    updated=events.AccountUpdated,
    beside={"last_contact_time", "value_tier", "value_tier_version"},
    unversioned=QUALITY,
    hidden={"status": {Status.ARCHIVED, Status.MERGED}},
    verbs={
        "ChangeAccountStatus": lambda account, _: account.change_status(account.status),
        "ConfirmAccountFields": lambda account, _: account.confirm((), ()),
        "ArchiveAccount": lambda account, _: account.archive(),
        "RestoreAccount": lambda account, _: account.restore(),
    },
    assigned="owner_id",
)
