"""Automation rules, declared."""

from crm.resource.v1 import automation_rules_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import bindparam

from crm_kit.automation.rules.model import AutomationRule, State
from crm_kit.plumbing import automation_rules
from crm_kit.resource.writing import Resource

RULES = Resource(
    "automation_rule",
    entity=AutomationRule,
    table=automation_rules,
    message=pb.AutomationRule,
    created=events.AutomationRuleCreated,
    updated=events.AutomationRuleUpdated,
    hidden={"state": {State.ARCHIVED}},
    verbs={
        "TryAutomationRule": lambda *_: None,
        "ActivateAutomationRule": lambda rule, attempt: rule.activate(attempt.reader.actor.user_id, now=attempt.now),
        "DeactivateAutomationRule": lambda rule, _: rule.deactivate(),
        "ArchiveAutomationRule": lambda rule, _: rule.archive(),
        "RestoreAutomationRule": lambda rule, _: rule.restore(),
    },
)
# Needs the bind parameter `collection`.
OF_COLLECTION = RULES.list_of("automation_rules", of=automation_rules.c.collection == bindparam("collection"))
