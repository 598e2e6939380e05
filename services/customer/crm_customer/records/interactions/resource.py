"""Interactions, declared. Who may see the account may see what happened with it, nobody else."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import interactions_pb2 as pb
from crm_kit.identity.access import Scope, visible
from crm_kit.resource.writing import Resource
from sqlalchemy import ColumnElement, bindparam, exists, true

from crm_customer.records.accounts.tables import accounts
from crm_customer.records.interactions.model import Interaction
from crm_customer.records.interactions.tables import interactions

NEWEST_FIRST = "interaction_time desc"


def of_seen_account(scope: Scope) -> ColumnElement[bool]:
    """Whether the actor may see the account."""
    if scope is Scope.ALL:
        return true()
    account = (accounts.c.tenant_id == interactions.c.tenant_id) & (accounts.c.id == interactions.c.account_id)
    return exists().where(account, visible(accounts, scope)).correlate(interactions)


INTERACTIONS = Resource(
    "interaction",
    entity=Interaction,
    table=interactions,
    message=pb.Interaction,
    created=events.InteractionCreated,
    visible=of_seen_account,
    default_order=NEWEST_FIRST,
)
# Needs the bind parameter `account_id`; the caller has been found to see the account.
OF_ACCOUNT = INTERACTIONS.list_of("account_interactions", of=interactions.c.account_id == bindparam("account_id"))
