"""Every write on quality rules. Each function is one transaction's work: row, history, event and what follows."""

from dataclasses import replace
from typing import Any

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.ids import new_id
from google.protobuf.message import Message

from crm_customer.records.quality_rules.book import book_of, rules_of
from crm_customer.records.quality_rules.defaults import DEFAULT_RULES
from crm_customer.records.quality_rules.keeping import AnyResource, fillable_with_custom
from crm_customer.records.quality_rules.model import MAX_IN_USE, Assessment, QualityRule
from crm_customer.records.quality_rules.resource import QUALITY_RULES
from crm_customer.records.quality_rules.visits import look_at


async def create_rule(work: UnitOfWork, resource: AnyResource, values: dict[str, Any]) -> QualityRule:
    """Create a rule for the records of a collection."""
    rule = QualityRule(id=new_id(), create_time=work.now, update_time=work.now, **values)
    rule.checked(await fillable_with_custom(work, resource))
    await require_room(work, rule.collection)
    return put_new(work, rule)


def put_new(work: UnitOfWork, rule: QualityRule) -> QualityRule:
    """Gather a new rule."""
    follow(work, rule)
    return QUALITY_RULES.create(work, rule)


async def update_rule(
    work: UnitOfWork, resource: AnyResource, before: QualityRule, values: dict[str, Any]
) -> QualityRule:
    """Change some fields of a rule; nothing is written when nothing changes. Fields that it had may be gone by now."""
    kept = {each.field for each in before.expected_fields}
    after = before.update(values).checked(kept | await fillable_with_custom(work, resource))
    return save(work, before, after, events.QualityRuleUpdated)


def archive_rule(work: UnitOfWork, before: QualityRule) -> QualityRule:
    """Put a rule away."""
    return save(work, before, before.archive(), events.QualityRuleArchived)


async def restore_rule(work: UnitOfWork, before: QualityRule) -> QualityRule:
    """Bring a rule back."""
    after = before.restore()
    await require_room(work, after.collection)
    return save(work, before, after, events.QualityRuleRestored)


def create_default_rules(work: UnitOfWork) -> None:
    """Create the rules that every tenant begins with."""
    for values in DEFAULT_RULES:
        put_new(work, QualityRule(id=new_id(), create_time=work.now, update_time=work.now, **values))


async def require_room(work: UnitOfWork, collection: str) -> None:
    """FailedPrecondition where as many rules are in use as can be."""
    # Those that come at the same time are counted one after the other.
    await advisory_lock(work, f"quality rules of {collection}")
    if len((await rules_of(work, collection, fresh=True)).rules) >= MAX_IN_USE:
        detail = f"{collection} have {MAX_IN_USE} quality rules in use, and cannot have more; archive one first"
        raise FailedPrecondition(detail, reason="QUALITY_RULE_LIMIT_REACHED", metadata={"most": str(MAX_IN_USE)})


def save(work: UnitOfWork, before: QualityRule, after: QualityRule, event: type[Message]) -> QualityRule:
    """Gather a changed rule, and that records are assessed by it."""
    if after == before:
        return before
    follow(work, after)
    return QUALITY_RULES.save(work, before, replace(after, assessment=Assessment.PENDING, assessed_count=0), event)


def follow(work: UnitOfWork, rule: QualityRule) -> None:
    """Gather that the records of a rule's collection are to be assessed anew."""
    look_at(work, rule.collection)
    book, tenant_id = book_of(work.database), work.tenant_id
    work.after_commit.append(lambda: book.forget(tenant_id))
