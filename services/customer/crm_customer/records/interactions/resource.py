"""Interactions, declared. Who may see the account may see what happened with it, nobody else."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import interactions_pb2 as pb
from crm_kit.resource.reach import of_owned_account
from crm_kit.resource.writing import Resource
from sqlalchemy import bindparam

from crm_customer.records.accounts.tables import accounts
from crm_customer.records.interactions.model import Interaction
from crm_customer.records.interactions.tables import interactions

NEWEST_FIRST = "interaction_time desc"

INTERACTIONS = Resource(
    "interaction",
    entity=Interaction,
    table=interactions,
    message=pb.Interaction,
    created=events.InteractionCreated,
    beside={"call_version"},
    visible=of_owned_account(interactions, interactions.c.account_id, accounts),
    default_order=NEWEST_FIRST,
)
# Needs the bind parameter `account_id`; the caller has been found to see the account.
OF_ACCOUNT = INTERACTIONS.list_of("account_interactions", of=interactions.c.account_id == bindparam("account_id"))
