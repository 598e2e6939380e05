"""What requests name: of which kind each record is, read from the contract's routes and field names."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from crm_gateway.contract import Rpc
from crm_gateway.expansion import load_contract
from google.protobuf.message import Message

from tests.factories.messages import Path, id_paths

RPCS: Mapping[str, Rpc] = {rpc.name: rpc for rpc in load_contract().rpcs}
SERVICES = tuple(sorted({rpc.owner for rpc in RPCS.values()}))
VARIABLE = re.compile(r"/([a-z_-]+)/\{([a-z0-9_.]+)\}")
# What the id in a field is of. A `parent_id` is of the same kind as what has it.
NAMED: Mapping[str, str] = {
    "account_id": "accounts",
    "account_owner_id": "people",
    "assignee_id": "people",
    "calendar_id": "calendars",
    "contact_id": "contacts",
    "contact_ids": "contacts",
    "lead_id": "leads",
    "opportunity_id": "opportunities",
    "order_id": "orders",
    "owner_id": "people",
    "pipeline_id": "pipelines",
    "reports_to_id": "contacts",
    "role_ids": "roles",
    "stage_id": "stages",
    "team_id": "teams",
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
PARENTS: Mapping[str, str] = {"account": "accounts", "team": "teams"}


def paths_of(rpc: Rpc) -> tuple[Path, ...]:
    """Every place of an id in the request, first those in the route."""
    return tuple(dict.fromkeys((*route_paths(rpc), *id_paths(rpc.request))))


def route_paths(rpc: Rpc) -> tuple[Path, ...]:
    """Of which records the request is about, as the route names them."""
    return tuple(
        tuple(name.split(".")) for binding in rpc.bindings[:1] for _, name in VARIABLE.findall(binding.template)
    )


def kind_of(rpc: Rpc, path: Path) -> str:
    """What the id at this place of a request is of; the place itself for a field that nobody has told about."""
    for binding in rpc.bindings[:1]:
        for collection, name in VARIABLE.findall(binding.template):
            if tuple(name.split(".")) == path:
                # Each collection has custom fields of its own.
                above = binding.template.split("/")[2]
                return f"{above}/{collection}" if above == CUSTOM_FIELDS else str(collection)
    if path == ("ids",):
        return rpc.bindings[0].template.removeprefix("/v1/").partition(":")[0]
    if path[-2:] == ("stages", "id"):
        return "stages"
    if path[-1] == "parent_id":
        return PARENTS.get(path[0], ".".join(path))
    return NAMED.get(path[-1], ".".join(path))


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


def open_on_mondays(calendar: Any) -> None:
    del calendar.weekly[:]
    calendar.weekly.add(weekday=1).hours.add(opens="09:00", closes="18:00")


def is_text(custom_field: Any) -> None:
    """No options and no collection to refer to are needed then."""
    custom_field.type = 1


# What the services ask for beyond the rules of the contract.
COMPLETED: Mapping[str, Callable[[Any], None]] = {
    "CreateCalendar": lambda request: open_on_mondays(request.calendar),
    "UpdateCalendar": lambda request: open_on_mondays(request.calendar),
    **{
        f"Create{name}CustomField": lambda request: is_text(request.custom_field)
        for name in WITH_CUSTOM_FIELDS.values()
    },
    **{f"Retype{name}CustomField": is_text for name in WITH_CUSTOM_FIELDS.values()},
}
