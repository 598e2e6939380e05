"""What requests name: of which kind each record is, read from the contract's routes and field names."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from crm_gateway.contract import Rpc
from crm_gateway.expansion import load_contract
from google.protobuf.message import Message

from tests.factories.messages import ABSENT_ID, Path, id_paths

RPCS: Mapping[str, Rpc] = {rpc.name: rpc for rpc in load_contract().rpcs}
SERVICES = tuple(sorted({rpc.owner for rpc in RPCS.values()}))
VARIABLE = re.compile(r"/([a-z_-]+)/\{([a-z0-9_.]+)\}")
# What the id in a field is of. A `parent_id` is of the same kind as what has it.
NAMED: Mapping[str, str] = {
    "account_id": "accounts",
    "account_ids": "accounts",
    "account_owner_id": "people",
    "assignee_id": "people",
    "calendar_id": "calendars",
    "case_id": "cases",
    "channel_id": "channels",
    "contact_id": "contacts",
    "contact_ids": "contacts",
    "default_role_ids": "roles",
    "default_for_role_ids": "roles",
    "deputy_id": "colleagues",
    "endpoint_id": "webhook-endpoints",
    "excluded_product_ids": "products",
    "feed_id": "feeds",
    "interaction_id": "interactions",
    "from_id": "people",
    "lead_id": "leads",
    "leader_id": "people",
    "mentioned_user_ids": "people",
    "opportunity_id": "opportunities",
    "needed_product_ids": "products",
    "option_product_ids": "products",
    "order_id": "orders",
    "owner_id": "people",
    "pipeline_id": "pipelines",
    "price_book_id": "price-books",
    "product_id": "products",
    "report_id": "reports/leads",
    "record_id": "accounts",
    "reports_to_id": "contacts",
    "responsible_id": "people",
    "role_ids": "roles",
    "stage_id": "stages",
    "team_id": "teams",
    "to_user_id": "people",
    "upload_id": "uploads",
    "user_id": "people",
    "user_ids": "people",
}
CUSTOM_FIELDS = "custom-fields"
# The collections whose resources have custom fields.
WITH_CUSTOM_FIELDS: Mapping[str, str] = {
    "accounts": "Account",
    "cases": "Case",
    "contacts": "Contact",
    "leads": "Lead",
    "opportunities": "Opportunity",
    "orders": "Order",
}
SUBMIT, REQUEST = "Submit", "request"
APPROVALS, POLICIES = "approvals", "approval-policies"
# The collections with a verb that can be approved, and the verb.
WITH_APPROVALS: Mapping[str, tuple[str, str]] = {
    "credit-limits": ("CreditLimit", "SetCreditLimit"),
    "orders": ("Order", "ReleaseOrder"),
    "quotes": ("Quote", "SubmitQuote"),
}
# What people have submitted they read and withdraw with the permission of the verb, too.
ALSO_PERMITTED: Mapping[str, str] = {
    name.format(noun): RPCS[verb].permission
    for noun, verb in WITH_APPROVALS.values()
    for name in (
        "Get{}Approval",
        "List{}Approvals",
        "Count{}Approvals",
        "Count{}ApprovalValues",
        "Summarize{}Approvals",
        "List{}ApprovalChanges",
        "Withdraw{}Approval",
    )
}
AUTOMATION_RULES, AUTOMATION_RUNS = "automation-rules", "automation-runs"
# The collections that automation rules are for.
WITH_AUTOMATION: Mapping[str, str] = {
    "accounts": "Account",
    "cases": "Case",
    "contacts": "Contact",
    "leads": "Lead",
    "opportunities": "Opportunity",
    "orders": "Order",
    "visits": "Visit",
}
REPORTS = "reports"
# The collections that there are reports of.
WITH_REPORTS: Mapping[str, str] = {
    "accounts": "Account",
    "cases": "Case",
    "contacts": "Contact",
    "interactions": "Interaction",
    "leads": "Lead",
    "opportunities": "Opportunity",
    "orders": "Order",
    "payments": "Payment",
    "scores": "AccountScores",
    "visits": "Visit",
}
JOBS = "jobs"
# The collections whose records jobs change, and what one of them is called: whatever rules may call, jobs may.
WITH_JOBS: Mapping[str, str] = {
    rpc.bindings[0].template.split("/")[3]: name.removeprefix("Get").removesuffix("Job")
    for name, rpc in RPCS.items()
    if name.startswith("Get") and rpc.response.name == "Job"
}
PROPOSALS = "change-proposals"
# The collections whose records people propose changes of, and what one of them is called.
WITH_PROPOSALS: Mapping[str, str] = {
    rpc.bindings[0].template.split("/")[3]: name.removeprefix("Create").removesuffix("ChangeProposal")
    for name, rpc in RPCS.items()
    if name.startswith("Create") and rpc.response.name == "ChangeProposal"
}
TASKS = "tasks"
# The collections whose records have tasks, and what one of them is called.
WITH_TASKS: Mapping[str, str] = {
    rpc.bindings[0].template.split("/")[3]: name.removeprefix("Create").removesuffix("Task")
    for name, rpc in RPCS.items()
    if name.startswith("Create") and rpc.response.name == "Task"
}
COMMENTS = "comments"
# The collections whose records are discussed, and what one of them is called.
DISCUSSED: Mapping[str, str] = {
    rpc.bindings[0].template.split("/")[2]: name.removeprefix("Create").removesuffix("Comment")
    for name, rpc in RPCS.items()
    if name.startswith("Create") and rpc.response.name == "Comment"
}
ATTACHMENTS, ATTACHMENT_UPLOADS = "attachments", "attachment-uploads"
SOURCE_VALUES = "source-values"
# The collections that sources say something of, and what one of their records is called.
WITH_SOURCES: Mapping[str, str] = {"accounts": "Account", "contacts": "Contact"}
# What each record has of its own.
OF_RECORDS = (COMMENTS, ATTACHMENTS, ATTACHMENT_UPLOADS, SOURCE_VALUES)
# The collections that files are attached to.
WITH_FILES: Mapping[str, str] = {
    collection: noun for collection, noun in DISCUSSED.items() if f"List{noun}Attachments" in RPCS
}
# What each collection has of its own.
OF_EACH = (CUSTOM_FIELDS, APPROVALS, POLICIES, AUTOMATION_RULES, AUTOMATION_RUNS, REPORTS, JOBS, PROPOSALS, TASKS)
# Parts of a record that have ids of their own.
OF_PARTS: Mapping[Path, str] = {
    ("stages", "id"): "stages",
    ("subscriptions", "id"): "report subscriptions",
    ("outbound_message", "attachment_ids"): "files of answered cases",
    ("outbound_message", "case_id"): "answered cases",
}
# What is of the collection in the route, by the parts of that.
OF_COLLECTIONS: Mapping[Path, str] = {
    ("comment", "parent_id"): f"{{2}}/{COMMENTS}",
    ("change_proposal", "record_id"): "{3}",
    ("task", "record_id"): "{3}",
    ("change_proposal", "attachment_ids"): f"{{3}}/{ATTACHMENTS}",
    ("source_value_id",): f"{{2}}/{SOURCE_VALUES}",
}
# Rpcs that are good only for some of a kind, by the field that names it.
OF_RPCS: Mapping[tuple[str, Path], str] = {
    ("ReceiveCallEvent", ("channel_id",)): "telephones",
    ("DialCall", ("channel_id",)): "telephones",
    # Whoever takes a member out is told that it was one.
    ("RemoveSegmentMembers", ("account_ids",)): "accounts in no segment",
}
PARENTS: Mapping[str, str] = {"account": "accounts", "team": "teams"}


def paths_of(rpc: Rpc) -> tuple[Path, ...]:
    """Every place of an id in the request, first those in the route."""
    return tuple(dict.fromkeys((*route_paths(rpc), *id_paths(rpc.request))))


def route_paths(rpc: Rpc) -> tuple[Path, ...]:
    """Of which records the request is about, as the route names them; that of the verb, where one is submitted."""
    if verb := submitted_by(rpc):
        return tuple((REQUEST, *path) for path in route_paths(verb))
    return tuple(
        tuple(name.split(".")) for binding in rpc.bindings[:1] for _, name in VARIABLE.findall(binding.template)
    )


def submitted_by(rpc: Rpc) -> Rpc | None:
    """The verb that an rpc submits for approval."""
    return RPCS.get(rpc.name.removeprefix(SUBMIT)) if rpc.name.startswith(SUBMIT) else None


def kind_of(rpc: Rpc, path: Path) -> str:
    """What the id at this place of a request is of; the place itself for a field that nobody has told about."""
    if (verb := submitted_by(rpc)) and path[0] == REQUEST:
        return kind_of(verb, path[1:])
    for binding in rpc.bindings[:1]:
        for collection, name in VARIABLE.findall(binding.template):
            if tuple(name.split(".")) == path:
                above = binding.template.split("/")[2]
                if collection in OF_RECORDS:
                    return f"{above}/{collection}"
                return f"{above}/{collection}" if above in OF_EACH else str(collection)
    if path == ("ids",):
        return rpc.bindings[0].template.removeprefix("/v1/").partition(":")[0]
    if path[-2:] in OF_PARTS:
        return OF_PARTS[path[-2:]]
    if path in OF_COLLECTIONS:
        return OF_COLLECTIONS[path].format(*rpc.bindings[0].template.split("/"))
    if path[-1] == "parent_id":
        return PARENTS.get(path[0], ".".join(path))
    return OF_RPCS.get((rpc.name, path)) or NAMED.get(path[-1], ".".join(path))


# --- what the contract does not tell


def nothing(message: Message) -> None:
    """The contract's rules are all there is to it."""


def make_unique(message: Message, text: str) -> None:
    """Give what may be there only once in a tenant a name of its own."""
    for field, inner in message.ListFields():
        if field.name == "user":
            inner.login = f"{text}@example.com"
        if field.name == "identity_provider":
            inner.issuer = f"https://{text}.example.com"
        if field.name == "custom_field" and inner.key:
            inner.key = f"k{text}"
        if field.name == "event":
            inner.source_id = text
        if field.name == "feed_delivery":
            inner.delivery_id = text
        if field.name == "product":
            inner.code = text
        if field.name == "tax_rate":
            inner.tax_class = f"T{text[-20:].upper()}"
        if field.name == "price_book":
            inner.channel = f"C{text[-20:].upper()}"


def open_on_mondays(calendar: Any) -> None:
    del calendar.weekly[:]
    calendar.weekly.add(weekday=1).hours.add(opens="09:00", closes="18:00")


def is_away_for_long(delegation: Any) -> None:
    delegation.first_date, delegation.last_date, delegation.collection = "2000-01-01", "2900-01-01", ""


def is_member_for_long(member: Any) -> None:
    member.start_date, member.end_date = "2000-01-01", "2900-01-01"


def asks_for_euros(rpc: str, request: Any) -> None:
    """Somebody is asked for amounts in euros, which nothing else here is in, so that all else goes as without it."""
    policy = request.approval_policy
    policy.verb = RPCS[rpc].bindings[0].template.rpartition(":")[2]
    del policy.rows[:]
    first = policy.rows.add(outcome=2)
    first.up_to.amount, first.up_to.currency_code = "1000", "EUR"
    first.steps.add(mode=1, user_ids=[ABSENT_ID])
    policy.rows.add(outcome=1)


def is_in_euros(request: Any) -> None:
    request.amount.currency_code = "EUR"


# What a rule of each kind of record may do.
ACTIONS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("Account", "Contact", "Lead", "Opportunity"), ("update", "display_name")),
    "Case": ("addNote", "text"),
    "Order": ("cancel", "reason"),
    "Visit": ("update", "display_name"),
}


def runs_on_creation(noun: str, request: Any) -> None:
    """A rule that is for nothing that is created now, so that all else goes as without it."""
    rule = request.automation_rule
    rule.trigger.events[:] = ["CREATED"]
    rule.filter = "create_time < 2000-01-01T00:00:00Z"
    del rule.actions[:]
    verb, field = ACTIONS[noun]
    rule.actions.add(verb=verb).request[field].string_value = "x"


def asks_how_many(question: Any) -> None:
    """What every collection can be asked."""
    question.Clear()
    question.measures.append("count")


def is_for_an_account(book: Any) -> None:
    """Whose, `ALSO_NAMED` says."""
    book.audience = 3


def is_a_bundle(product: Any) -> None:
    product.kind = 3


def is_by_hand(quote: Any) -> None:
    """At a price that no price book has to have, for ever."""
    quote.valid_until_date = "2900-01-31"
    for line in quote.lines:
        line.quantity, line.unit_price = "1", "99.50"


def is_revised_for_long(request: Any) -> None:
    request.valid_until_date = "2900-01-31"


def is_daily(schedule: Any) -> None:
    """At a time of day, and nothing else."""
    schedule.Clear()
    schedule.every, schedule.at = 1, "08:30"


def is_own_report(report: Any) -> None:
    """As everybody may keep one."""
    asks_how_many(report.question)
    is_private(report)


def is_private(kept: Any) -> None:
    """Shared with nobody."""
    kept.visibility = 1
    del kept.role_ids[:]


def is_told_of_accounts(endpoint: Any) -> None:
    """Where nobody is."""
    endpoint.url, endpoint.event_types[:], endpoint.collections[:] = "http://127.0.0.1:1/", [], ["accounts"]


def is_of_accounts(view: Any) -> None:
    """Any collection that has a list would do."""
    view.collection = "accounts"


def is_a_list(segment: Any) -> None:
    """Its members are told one by one, and by no filter."""
    segment.kind = segment.KIND_STATIC
    for name in ("filter", "order_by", "max_members"):
        segment.ClearField(name)


def many_of(collection: str) -> tuple[str, str]:
    """The routes that change all records that a filter takes, or try to."""
    return f"/v1/{collection}:bulkChange", f"/v1/{collection}:tryBulkChange"


def changes_many(noun: str, request: Any) -> None:
    """What all records of a kind may be asked; nobody has a record so far."""
    request.verb, name = ACTIONS[noun]
    request.request[name].string_value = "changed"


def proposes_name(request: Any) -> None:
    """Another one than any record here has."""
    request.change_proposal.values.clear()
    request.change_proposal.values["display_name"].string_value = "proposed"
    request.change_proposal.attachment_ids[:] = []


def says_name(request: Any) -> None:
    """A source that calls the record otherwise."""
    request.values.clear()
    request.values["display_name"].string_value = "said"
    request.ClearField("observed_time")


def is_due_some_day(task: Any) -> None:
    """On a day, for whoever asks."""
    task.due_date = "2900-01-31"
    for name in ("due_time", "reminder_time", "assignee_id"):
        task.ClearField(name)


def is_to_come(visit: Any) -> None:
    """So that it counts as missed in no test."""
    visit.planned_time.FromDatetime(datetime(2900, 1, 31, tzinfo=UTC))
    visit.ClearField("planned_end_time")


def expects_industry(rule: Any) -> None:
    """What is expected is a field that people fill in."""
    rule.collection = "accounts"
    del rule.expected_fields[:]
    rule.expected_fields.add(field="industry", weight=1)


def is_text(custom_field: Any) -> None:
    """No options and no collection to refer to are needed then."""
    custom_field.type = 1


def takes_mail(channel: Any) -> None:
    """So that it can have a mailbox."""
    channel.kind = 1


def rings_today(event: Any) -> None:
    """A call that began with the day, so that a seed makes the same one a moment later."""
    event.Clear()
    event.type, event.direction, event.source_id = 1, 1, "a call"
    event.happen_time.FromDatetime(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))


def is_a_number(request: Any) -> None:
    request.number = "+8613800138000"


def is_held(delivery: Any) -> None:
    """For a day that has been, without the rows that it says it has."""
    delivery.delivery_id, delivery.data_date, delivery.expected_rows = "a delivery", "2020-01-01", 7


def is_one_row(request: Any) -> None:
    """As `is_held`, with its only row."""
    is_held(request)
    request.ClearField("rows")
    request.rows.add().update({"客户编号": "K-1", "客户名称": "华信电力"})


# What the services ask for beyond the rules of the contract.
COMPLETED: Mapping[str, Callable[[Any], None]] = {
    "CreateApprovalDelegation": lambda request: is_away_for_long(request.approval_delegation),
    "UpdateApprovalDelegation": lambda request: is_away_for_long(request.approval_delegation),
    "CreateAccountMember": lambda request: is_member_for_long(request.account_member),
    "UpdateAccountMember": lambda request: is_member_for_long(request.account_member),
    "CreateChannel": lambda request: takes_mail(request.channel),
    "UpdateChannel": lambda request: takes_mail(request.channel),
    "DialCall": is_a_number,
    "ReceiveCallEvent": lambda request: rings_today(request.event),
    "CreateFeedDelivery": lambda request: is_held(request.feed_delivery),
    "DeliverFeedRows": is_one_row,
    "CreateCalendar": lambda request: open_on_mondays(request.calendar),
    "UpdateCalendar": lambda request: open_on_mondays(request.calendar),
    "CreateWebhookEndpoint": lambda request: is_told_of_accounts(request.webhook_endpoint),
    "UpdateWebhookEndpoint": lambda request: is_told_of_accounts(request.webhook_endpoint),
    **{
        f"Create{name}CustomField": lambda request: is_text(request.custom_field)
        for name in WITH_CUSTOM_FIELDS.values()
    },
    **{
        RPCS[name].name: partial(changes_many, noun)
        for collection, noun in WITH_JOBS.items()
        for name in RPCS
        if RPCS[name].bindings and RPCS[name].bindings[0].template in many_of(collection)
    },
    **{
        f"{verb}{noun}Task": lambda request: is_due_some_day(request.task)
        for noun in WITH_TASKS.values()
        for verb in ("Create", "Update")
    },
    **{f"Create{name}ChangeProposal": proposes_name for name in WITH_PROPOSALS.values()},
    **{f"State{name}SourceValues": says_name for name in WITH_SOURCES.values()},
    **{f"Retype{name}CustomField": is_text for name in WITH_CUSTOM_FIELDS.values()},
    **{
        f"{verb}{noun}ApprovalPolicy": partial(asks_for_euros, rpc)
        for noun, rpc in WITH_APPROVALS.values()
        for verb in ("Create", "Update")
    },
    **{
        f"{verb}{noun}AutomationRule": partial(runs_on_creation, noun)
        for noun in WITH_AUTOMATION.values()
        for verb in ("Create", "Update")
    },
    **{
        f"{verb}{noun}Report": lambda request: is_own_report(request.report)
        for noun in WITH_REPORTS.values()
        for verb in ("Create", "Update")
    },
    **{f"SubscribeTo{noun}Report": lambda request: is_daily(request.schedule) for noun in WITH_REPORTS.values()},
    **{f"RunUnsaved{noun}Report": lambda request: asks_how_many(request.question) for noun in WITH_REPORTS.values()},
    **{f"{verb}Dashboard": lambda request: is_private(request.dashboard) for verb in ("Create", "Update")},
    **{f"{verb}QualityRule": lambda request: expects_industry(request.quality_rule) for verb in ("Create", "Update")},
    "CreatePriceBook": lambda request: is_for_an_account(request.price_book),
    "CreateProduct": lambda request: is_a_bundle(request.product),
    **{f"{verb}Quote": lambda request: is_by_hand(request.quote) for verb in ("Create", "Update")},
    "ReviseQuote": is_revised_for_long,
    "CreateSavedView": lambda request: is_of_accounts(request.saved_view),
    "UpdateSavedView": lambda request: is_of_accounts(request.saved_view),
    "CreateSegment": lambda request: is_a_list(request.segment),
    "UpdateSegment": lambda request: is_a_list(request.segment),
    **{f"{verb}Visit": lambda request: is_to_come(request.visit) for verb in ("Create", "Update")},
    "SubmitSetCreditLimit": lambda submit: is_in_euros(submit.request),
}
