"""A tenant with a restricted account: whose it is, who is above, and others whose permissions reach all accounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm_kit.directory.projection import project_team
from crm_kit.identity.access import READ_RESTRICTED, Scope
from crm_kit.ids import new_id
from crm_kit.permissions import known_permissions
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.factories.places import RPCS
from tests.service.eventually import eventually
from tests.service.examples import World
from tests.service.running import Running, User

Account = accounts_pb2.Account
# All that there is but for seeing restricted accounts.
EVERYBODY = dict.fromkeys(known_permissions() - {READ_RESTRICTED}, Scope.ALL)
ACCOUNT: Mapping[str, Any] = {
    "kind": "KIND_ORGANIZATION",
    "display_name": "华信电力有限公司",
    "legal_name": "Zebra Holdings",
    "industry": "power",
    "employee_count": 300,
    "phone_numbers": ["+8613800138000"],
    "tags": ["vip"],
}
# What is at an account, by the service that has it: the rpc that makes one, and what it takes besides.
AT_ACCOUNT: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "contacts": ("CreateContact", {"contact": {"display_name": "李小明", "accounts": [{}]}}),
    "interactions": (
        "CreateInteraction",
        {
            "interaction": {
                "channel": "CHANNEL_CALL",
                "direction": "DIRECTION_INBOUND",
                "subject": "asked for a quote",
            }
        },
    ),
    "opportunities": ("CreateOpportunity", {"opportunity": {"display_name": "boilers"}}),
    "orders": (
        "CreateOrder",
        {
            "order": {
                "currency_code": "CNY",
                "lines": [
                    {"product": "boiler", "quantity": "1", "unit_price": {"amount": "9.00", "currency_code": "CNY"}}
                ],
            }
        },
    ),
    "payments": (
        "RecordPayment",
        {"payment": {"amount": {"amount": "9.00", "currency_code": "CNY"}, "reference": "transfer"}},
    ),
    "cases": ("CreateCase", {"case": {"kind": "KIND_COMPLAINT", "title": "leaks", "channel": "CHANNEL_EMAIL"}}),
}


async def made_at(world: World, by: User, kind: str, account_id: str, **values: Any) -> str:
    """A record at an account; `values` are fields of it, as JSON has them."""
    rpc, fields = AT_ACCOUNT[kind]
    place, given = next(iter(fields.items()))
    at = {"accounts": [{"account_id": account_id}]} if kind == "contacts" else {"account_id": account_id}
    request: Message = ParseDict({place: {**given, **at, **values}}, GetMessageClass(RPCS[rpc].request)())
    made: Any = await world.call(RPCS[rpc], request, by.metadata)
    return str(made.id)


@dataclass
class Office:
    """People of one tenant, whom all services know; `people` are called by what they may see."""

    world: World
    admin: User
    people: dict[str, User] = field(default_factory=dict)

    async def call(self, rpc: str, by: User, **fields: Any) -> Any:
        """The answer to a request, whose fields are as JSON has them."""
        request: Message = ParseDict(fields, GetMessageClass(RPCS[rpc].request)())
        return await self.world.call(RPCS[rpc], request, by.metadata)

    async def account(self, by: User, **fields: Any) -> Account:
        """An account of somebody's, known to all services."""
        made: Account = await self.call("CreateAccount", by, account={**ACCOUNT, **fields})
        await self.heard(made.id, restricted=made.restricted)
        return made

    async def restrict(self, account: Account, by: User, reason: str = "price negotiation") -> Account:
        """Restrict an account, and wait until every service has heard of it."""
        shown: Account = await self.call("RestrictAccount", by, id=account.id, reason=reason)
        await self.heard(account.id, restricted=True)
        return shown

    async def heard(self, id: str, *, restricted: bool) -> None:
        """Wait until every service has heard whether an account is restricted."""

        async def heard() -> bool:
            known = [await is_restricted(each, self.admin, id) for each in self.world.services.values()]
            return all(each is restricted for each in known)

        await eventually(heard)


async def is_restricted(service: Running, user: User, id: str) -> bool | None:
    """How a service knows the account; None while it does not."""
    async with service.service.database.connection(user.tenant_id) as connection:
        found: list[Any] = await connection.fetch("SELECT restricted FROM accounts WHERE id = $1", UUID(id))
    return bool(found[0][0]) if found else None


async def office(world: World) -> Office:
    """Li sells in a branch; Chen leads the head office above. Wang has a branch of their own."""
    tenant_id = await world.tenant()
    head_office, branch, elsewhere = new_id(), new_id(), new_id()
    for service in world.services.values():
        async with service.unit_of_work(tenant_id) as work:
            project_team(work, id=head_office, display_name="Head office", parent_id=None, version=2)
            for id, name in ((branch, "North"), (elsewhere, "South")):
                project_team(work, id=id, display_name=name, parent_id=head_office, version=2)
    own, team = (dict.fromkeys(EVERYBODY, scope) for scope in (Scope.OWN, Scope.TEAM))
    found = Office(world, await world.user(tenant_id))
    found.people = {
        "owner": await world.user(tenant_id, grants=own, team_id=branch),
        "peer": await world.user(tenant_id, grants=own, team_id=branch),
        "above": await world.user(tenant_id, grants=team, team_id=head_office),
        "elsewhere": await world.user(tenant_id, grants=team, team_id=elsewhere),
        "above with ALL": await world.user(tenant_id, grants=EVERYBODY, team_id=head_office),
        "elsewhere with ALL": await world.user(tenant_id, grants=EVERYBODY, team_id=elsewhere),
        "permitted": await world.user(tenant_id, grants=EVERYBODY | {READ_RESTRICTED: Scope.ALL}, team_id=elsewhere),
        "permitted for OWN": await world.user(
            tenant_id, grants=EVERYBODY | {READ_RESTRICTED: Scope.TEAM}, team_id=elsewhere
        ),
        "member": await world.user(tenant_id, grants=own, team_id=elsewhere),
        "member with ALL": await world.user(tenant_id, grants=EVERYBODY, team_id=elsewhere),
    }
    return found
