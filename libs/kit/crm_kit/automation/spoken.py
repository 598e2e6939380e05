"""Which fields of the record a rule goes by besides its filters: whoever activates it has to see them."""

from collections.abc import Iterator

from crm_kit.automation import templates
from crm_kit.automation.rules.model import Action, AutomationRule


def spoken_of(rule: AutomationRule) -> frozenset[str]:
    """Their paths: of the trigger, of what names the records that are called, and within the texts of the actions."""
    trigger = rule.trigger
    dates = () if trigger.date_reached is None else (trigger.date_reached.field,)
    texts = (path for action in rule.actions for text in _texts_of(action) for path in templates.paths_in(text))
    targets = (action.target for action in rule.actions if action.target)
    return frozenset((*trigger.changed_fields, *dates, *targets, *texts))


def _texts_of(action: Action) -> Iterator[object]:
    yield action.request
    if action.submission is not None:
        yield action.submission.request
        yield action.submission.comment
    if action.notification is not None:
        yield action.notification.text
    if action.webhook_call is not None:
        yield action.webhook_call.values
    if action.creation is not None:
        yield action.creation.values
