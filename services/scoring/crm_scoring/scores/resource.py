"""Scores, declared. An account has them once, under its own id; who may see the account may see them."""

from crm.scoring.v1 import events_pb2 as events
from crm.scoring.v1 import scores_pb2 as pb
from crm_kit.resource.reach import of_owned_account
from crm_kit.resource.writing import Resource
from sqlalchemy import and_, select

from crm_scoring.accounts.tables import accounts
from crm_scoring.scores.model import AccountScores
from crm_scoring.scores.tables import rescorings, scores

# Under a name of its own: the accounts that a scope reaches are asked for beside it.
account = accounts.alias("account")
LAST_RESCORING = select(rescorings.c.compute_time).where(rescorings.c.tenant_id == scores.c.tenant_id)

SCORES = Resource(
    "account_scores",
    entity=AccountScores,
    table=scores,
    message=pb.AccountScores,
    created=events.AccountScoresCreated,
    updated=events.AccountScoresUpdated,
    joined=scores.outerjoin(account, and_(account.c.tenant_id == scores.c.tenant_id, account.c.id == scores.c.id)),
    computed={
        "account_id": scores.c.id,
        "account_owner_id": account.c.owner_id,
        "compute_time": LAST_RESCORING.correlate(scores).scalar_subquery(),
    },
    unversioned={"account_owner_id", "compute_time"},
    within={
        "rfm.value": scores.c.rfm_value,
        "rfm.band": scores.c.rfm_band,
        "value_tier.value": scores.c.contribution,
        "value_tier.band": scores.c.tier,
    },
    visible=of_owned_account(scores, scores.c.id, accounts),
    default_order="value_tier.value desc",
)
