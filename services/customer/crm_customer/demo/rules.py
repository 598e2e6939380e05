"""What happens by itself in the demo tenant."""

from collections.abc import Mapping
from typing import Any

from crm_kit.automation.rules.model import Action, Creation, DateReached, Notification, Recipient, Trigger
from crm_kit.automation.watched import Watched
from crm_kit.automation_rules.commands import activate_rule, create_rule
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.etags import etag_of
from crm_kit.plumbing import automation_rules
from sqlalchemy import Select, bindparam, select

RULES: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "accounts": (
        {
            "display_name": "休眠客户三天内联系",
            "trigger": Trigger(events=("STATUS_CHANGED",)),
            "filter": "status = DORMANT",
            "actions": (
                Action(
                    creation=Creation(
                        "tasks",
                        {
                            "title": "致电{{record.display_name}}, 了解原因",
                            "note": "客户转为休眠",
                            "assignee_id": "{{record.owner_id}}",
                            "due_date": "{{cause.date+3d}}",
                        },
                    )
                ),
            ),
        },
    ),
    "contacts": (
        {
            "display_name": "生日提醒",
            "trigger": Trigger(date_reached=DateReached("birth_date", offset_days=-3, at="09:00", every_year=True)),
            "actions": (
                Action(
                    notification=Notification("{{record.display_name}} 三天后过生日", recipients=(Recipient.OWNER,))
                ),
            ),
        },
    ),
}


async def add_rules(work: UnitOfWork, called: Mapping[str, Watched]) -> int:
    """How many were missing; who is at work has activated them."""
    added = 0
    for collection, rules in RULES.items():
        present = {row["display_name"] for row in await work.all(names_of_rules(), collection=collection)}
        for values in rules:
            if values["display_name"] not in present:
                rule = await create_rule(work, called, collection, dict(values))
                await work.flush()
                await activate_rule(work, called, collection, str(rule.id), etag=etag_of(rule.version))
                added += 1
    return added


@statement
def names_of_rules() -> Select[Any]:
    """Those of a collection, also of rules that were put away."""
    rules = automation_rules.c
    return select(rules.display_name).where(
        rules.tenant_id == bindparam("tenant_id"), rules.collection == bindparam("collection")
    )
