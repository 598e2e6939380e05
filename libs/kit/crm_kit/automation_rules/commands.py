"""Every write on automation rules by people. Each function is one transaction's work."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from google.protobuf.message import Message

from crm_kit.automation.book import book_of, measure_active
from crm_kit.automation.requests import check_action, creatable_of
from crm_kit.automation.rules.model import Action, AutomationRule, Creation, DateReached
from crm_kit.automation.rules.resource import RULES
from crm_kit.automation.running import require_permissions
from crm_kit.automation.timing.commands import set_timer
from crm_kit.automation.timing.dates import dates_of
from crm_kit.automation.watched import UPDATED, Watched
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.custom_fields.model import CustomField
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.errors import FailedPrecondition, InvalidArgument, NotFound, invalid_field
from crm_kit.filtering.tree import Field, FieldType, Filter, fields_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.resource.declaration import CUSTOM
from crm_kit.resource.writing import Resource

# Of a tenant and collection: each event of it is held against all of them, and processes remember their filters and
# actions, which may have so many bytes together.
MAX_ACTIVE = 200
MAX_ACTIVE_BYTES = 256 * 1024
PLACE = "automation_rule"
# What the collections of a service offer, by name.
Called = Mapping[str, Watched]


async def create_rule(work: UnitOfWork, called: Called, collection: str, values: dict[str, Any]) -> AutomationRule:
    """Put down a rule, which does nothing yet."""
    rule = AutomationRule(id=new_id(), collection=collection, create_time=work.now, update_time=work.now, **values)
    await check_rule(work, called, rule)
    return RULES.create(work, rule)


async def update_rule(
    work: UnitOfWork, called: Called, before: AutomationRule, values: dict[str, Any]
) -> AutomationRule:
    """Change some properties of a rule; one that is active and would do something else stops."""
    after = before.update(values)
    await check_rule(work, called, after, before=before)
    return save_rule(work, before, after, events.AutomationRuleUpdated)


async def activate_rule(work: UnitOfWork, called: Called, collection: str, id: str, *, etag: str) -> AutomationRule:
    """Have a rule run with the caller's rights, which have to be enough for it."""
    # Those who activate at the same time are counted one after the other.
    await advisory_lock(work, f"automation rules of {collection}")
    before = await get_rule(work, collection, id, etag=etag)
    after = before.activate(work.actor.user_id, now=work.now)
    await check_rule(work, called, after, before=before)
    require_permissions(work.actor, called[collection], after, called)
    await require_room(work, after)
    return save_rule(work, before, after, events.AutomationRuleActivated)


async def require_room(work: UnitOfWork, rule: AutomationRule) -> None:
    """AUTOMATION_RULE_LIMIT_REACHED when the collection's active rules are too many, or too large, with one more."""
    reason, collection = "AUTOMATION_RULE_LIMIT_REACHED", rule.collection
    row = await work.one(measure_active(), collection=collection, id=rule.id)
    if row is None:
        return
    if row["active"] >= MAX_ACTIVE:
        detail = f"{collection} has {MAX_ACTIVE} active automation rules already"
        values = {"rule": "count", "collection": collection, "most": str(MAX_ACTIVE)}
        raise FailedPrecondition(detail, reason=reason, metadata=values)
    if row["bytes"] > MAX_ACTIVE_BYTES:
        detail = (
            f"filters and actions of the active automation rules of {collection} would have {row['bytes']} bytes "
            f"together, at most {MAX_ACTIVE_BYTES} are possible"
        )
        values = {"rule": "bytes", "collection": collection, "bytes": str(row["bytes"])}
        raise FailedPrecondition(detail, reason=reason, metadata=values | {"max_bytes": str(MAX_ACTIVE_BYTES)})


def save_rule(work: UnitOfWork, before: AutomationRule, after: AutomationRule, event: type[Message]) -> AutomationRule:
    """Gather a changed rule."""
    work.after_commit.append(lambda: book_of(work.database).forget(work.tenant_id))
    set_timer(work, before, after)
    return RULES.save(work, before, after, event)


async def get_rule(reader: Reader, collection: str, id: str, *, etag: str = "") -> AutomationRule:
    """The rule with this id; NotFound when it is one of another collection."""
    rule = await RULES.get(reader, UUID(id), etag=etag, scope=Scope.ALL)
    if rule.collection != collection:
        raise NotFound("the automation rule does not exist", reason=RULES.not_found)
    return rule


async def check_rule(
    reader: Reader, called: Called, rule: AutomationRule, *, before: AutomationRule | None = None
) -> None:
    """InvalidArgument for what the collection does not have: events, fields, filters, calls; and for who is not there.

    People who are told already may have left.
    """
    watched = called[rule.collection]
    fields = await custom_fields_of(reader, watched.resource)
    check_trigger(watched, rule, fields)
    if rule.trigger.timed is not None:
        # Lists find the records: all that they compare can be.
        await read_filter(reader, watched, rule.filter, field="filter")
    else:
        await check_filter(reader, watched, rule.filter, field="filter")
    await check_filter(reader, watched, rule.filter_before, field="filter_before")
    await check_task_filter(reader, watched, rule.trigger.task_filter)
    for index, action in enumerate(rule.actions):
        place = f"{PLACE}.actions[{index}]"
        target = target_of(called, watched, action, place=place)
        resource = target.resource
        if action.creation is not None:
            resource = creatable_of(watched, action.creation, place=f"{place}.creation").resource
            check_multiplies(rule, action.creation, place=f"{place}.creation.collection")
        custom = fields if resource is watched.resource else await custom_fields_of(reader, resource)
        check_action(watched, target, action, custom, place=place)
        if action.notification is not None:
            field = f"{place}.notification.user_ids[{{}}]"
            await require_users(reader, action.notification.user_ids, old_ids=told_by(before), field=field)


def check_multiplies(rule: AutomationRule, creation: Creation, *, place: str) -> None:
    """InvalidArgument for records by the calendar of the rule's own collection: each would have its own turn."""
    if rule.trigger.timed is not None and creation.collection == rule.collection:
        detail = f"a rule by the calendar creates no {rule.collection} for {rule.collection}: they would multiply"
        raise invalid_field(place, "multiplies", detail, metadata={"collection": rule.collection})


async def custom_fields_of(reader: Reader, resource: Resource[Any, Any]) -> Mapping[str, CustomField]:
    """The tenant's own fields of a collection as they are now, by key."""
    if not resource.has_custom:
        return {}
    return (await definitions_of(reader, resource.collection, fresh=True)).fields


def target_of(called: Called, watched: Watched, action: Action, *, place: str) -> Watched:
    """The collection whose record an action calls. InvalidArgument for a target that names none."""
    if not action.target:
        return watched
    require_one_of(action.target, watched.targets, field=f"{place}.target")
    return called[watched.targets[action.target]]


def told_by(rule: AutomationRule | None) -> set[UUID]:
    """The users whom a rule tells."""
    told = [each.notification for each in rule.actions if each.notification is not None] if rule else []
    return {id for each in told for id in each.user_ids}


def check_trigger(watched: Watched, rule: AutomationRule, custom: Mapping[str, CustomField]) -> None:
    """InvalidArgument for events, fields and dates that the collection does not have."""
    trigger, place = rule.trigger, f"{PLACE}.trigger"
    for index, event in enumerate(trigger.events):
        require_one_of(event, {*watched.events, *watched.task_events}, field=f"{place}.events[{index}]")
    check_tasks_apart(watched, rule, place=place)
    if trigger.changed_fields and UPDATED not in trigger.events:
        raise invalid_field(f"{place}.changed_fields", "updated_only", f"goes with the event {UPDATED} only")
    fields = [name for name, each in watched.resource.contract.items() if each.changeable and name != CUSTOM]
    known = [*fields, *(f"{CUSTOM}.{key}" for key in custom)]
    for index, path in enumerate(trigger.changed_fields):
        require_one_of(path, known, field=f"{place}.changed_fields[{index}]")
    if rule.filter_before and "CREATED" in trigger.events:
        raise invalid_field(f"{PLACE}.filter_before", "not_created", "a record that is created was nothing before")
    if rule.filter_before and trigger.timed is not None:
        raise invalid_field(f"{PLACE}.filter_before", "events_only", "goes with events only")
    if trigger.date_reached is not None:
        check_date(trigger.date_reached, dates_of(watched, custom), place=f"{place}.date_reached")


def check_tasks_apart(watched: Watched, rule: AutomationRule, *, place: str) -> None:
    """InvalidArgument for events of tasks beside those of records, and for what does not go with either."""
    of_tasks = [event in watched.task_events for event in rule.trigger.events]
    if any(of_tasks) and not all(of_tasks):
        detail = "a rule goes by events of tasks or by those of the record; make two rules"
        raise invalid_field(f"{place}.events", "tasks_apart", detail)
    if rule.trigger.task_filter and not any(of_tasks):
        raise invalid_field(f"{place}.task_filter", "tasks_only", "goes with events of tasks only")
    if rule.filter_before and any(of_tasks):
        detail = "does not go with events of tasks: they do not change the record"
        raise invalid_field(f"{PLACE}.filter_before", "not_of_tasks", detail)


async def check_task_filter(reader: Reader, watched: Watched, text: str) -> None:
    """InvalidArgument INVALID_FILTER as of the list of tasks, or for what events do not have of a task."""
    if not text or watched.tasks is None:
        return
    place = f"{PLACE}.trigger.task_filter"
    try:
        tree, _ = await watched.tasks.listing.read(reader, text)
    except InvalidArgument as error:
        raise placed(error, place) from None
    for path in sorted(fields_of(tree)):
        if path not in watched.tasks.versioned:
            raise invalid_field(place, "not_in_rules", f"rules do not compare {path}", metadata={"name": path})


def check_date(timing: DateReached, dates: Mapping[str, Field], *, place: str) -> None:
    """InvalidArgument for a date that the collection does not have, and for what does not go with its type."""
    require_one_of(timing.field, dates, field=f"{place}.field")
    if dates[timing.field].type is not FieldType.DATE:
        if timing.every_year:
            raise invalid_field(f"{place}.every_year", "dates_only", f"{timing.field} is a time: only dates come again")
    elif not timing.at:
        raise invalid_field(f"{place}.at", "required", f"{timing.field} is a date: say at which time of the day")


async def check_filter(reader: Reader, watched: Watched, text: str, *, field: str) -> None:
    """InvalidArgument INVALID_FILTER as of a list, or for fields that a rule cannot compare."""
    resource, place = watched.resource, f"{PLACE}.{field}"
    tree = await read_filter(reader, watched, text, field=field)
    known = resource.stored_readings.keys() if field == "filter" else set(resource.versioned)
    for path in sorted(fields_of(tree)):
        head = path.partition(".")[0]
        is_elsewhere = path in resource.nested or path in resource.kept_filters
        if head not in known or head in resource.listed_as or is_elsewhere:
            raise invalid_field(place, "not_in_rules", f"rules do not compare {path}", metadata={"name": path})


async def read_filter(reader: Reader, watched: Watched, text: str, *, field: str) -> Filter:
    """The filter of a list. InvalidArgument INVALID_FILTER."""
    try:
        tree, _ = await watched.resource.listing.parse(reader, text)
        # What it names is there as well.
        await watched.resource.listing.read(reader, text)
    except InvalidArgument as error:
        raise placed(error, f"{PLACE}.{field}") from None
    return tree


def placed(error: InvalidArgument, place: str) -> InvalidArgument:
    """The error of a list's filter, told of the rule's."""
    violations = [type(each)(place, each.rule, each.detail) for each in error.violations]
    return InvalidArgument(error.detail, reason=error.reason, violations=violations, metadata=error.metadata)


def require_one_of(value: str, known: Iterable[str], *, field: str) -> None:
    choices = ", ".join(sorted(known))
    if value not in known:
        raise invalid_field(field, "string.in", f"must be one of {choices}", metadata={"choices": choices})
