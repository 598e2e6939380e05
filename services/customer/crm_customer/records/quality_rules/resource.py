"""Quality rules, declared."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import quality_rules_pb2 as pb
from crm_kit.resource.writing import Resource
from sqlalchemy import case, func, select

from crm_customer.records.quality_rules.model import Assessment, QualityRule, State
from crm_customer.records.quality_rules.tables import quality_rules, quality_visits

_VISIT = (quality_visits.c.tenant_id == quality_rules.c.tenant_id) & (
    quality_visits.c.collection == quality_rules.c.collection
)
_PENDING = select(quality_visits.c.pending).where(_VISIT).scalar_subquery()

QUALITY_RULES = Resource(
    "quality_rule",
    entity=QualityRule,
    table=quality_rules,
    message=pb.QualityRule,
    created=events.QualityRuleCreated,
    updated=events.QualityRuleUpdated,
    computed={
        "assessment": case((_PENDING, Assessment.PENDING.value), else_=Assessment.CURRENT.value),
        "assessed_count": func.coalesce(select(quality_visits.c.assessed_count).where(_VISIT).scalar_subquery(), 0),
    },
    unversioned={"assessment", "assessed_count"},
    hidden={"state": {State.ARCHIVED}},
    default_order="position",
    verbs={
        "ArchiveQualityRule": lambda rule, _: rule.archive(),
        "RestoreQualityRule": lambda rule, _: rule.restore(),
    },
)
