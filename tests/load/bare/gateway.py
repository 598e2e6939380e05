"""The least a gateway can be: a raw ASGI application with three routes, under the same server as ours.

python -m tests.load.bare.gateway LISTEN_ADDRESS SERVICE_ADDRESS
"""

import sys
from typing import Any

import grpc
import orjson
import uvicorn
import uvloop
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import accounts_pb2_grpc
from crm.type.v1.value_tier_pb2 import ValueTier
from crm_gateway.listening import uvicorn_config
from crm_gateway.settings import Settings
from google.protobuf.json_format import MessageToDict


def values_of(enum: Any) -> dict[int, str]:
    """Numbers to values as REST speaks them, without the prefix `KIND_`."""
    names: dict[int, str] = {number: name for name, number in enum.items()}
    prefix = names[0].removesuffix("UNSPECIFIED")
    return {number: name.removeprefix(prefix) if number else "" for number, name in names.items()}


KINDS = values_of(pb.Account.Kind)
ROLES = values_of(pb.Account.Role)
STATUSES = values_of(pb.Account.Status)
TIERS = values_of(ValueTier)
ADDRESS_KINDS = values_of(pb.Address.Kind)
CONSENTS = values_of(pb.Consent.State)
HEADERS = [(b"content-type", b"application/json")]
PREFIX = len("/v1/accounts/")


def account_json(account: pb.Account) -> dict[str, Any]:
    """The JSON of an account, field by field."""
    profile = account.competitor_profile if account.HasField("competitor_profile") else None
    contact = account.last_contact_time.ToJsonString() if account.HasField("last_contact_time") else None
    return {
        "id": account.id,
        "kind": KINDS[account.kind] or None,
        "display_name": account.display_name,
        "legal_name": account.legal_name or None,
        "short_name": account.short_name or None,
        "credit_code": account.credit_code or None,
        "roles": [ROLES[role] for role in account.roles],
        "status": STATUSES[account.status],
        "industry": account.industry or None,
        "employee_count": account.employee_count if account.HasField("employee_count") else None,
        "region_code": account.region_code or None,
        "addresses": [
            {
                "kind": ADDRESS_KINDS[each.kind] or None,
                "region_code": each.region_code or None,
                "city": each.city or None,
                "line": each.line or None,
                "postal_code": each.postal_code or None,
            }
            for each in account.addresses
        ],
        "phone_numbers": account.phone_numbers[:],
        "emails": account.emails[:],
        "website": account.website or None,
        "source": account.source or None,
        "parent_id": account.parent_id or None,
        "parent_name": account.parent_name or None,
        "owner_id": account.owner_id or None,
        "owner_name": account.owner_name or None,
        "owner_team_id": account.owner_team_id or None,
        "owner_team_name": account.owner_team_name or None,
        "external_ids": [{"source": each.source, "value": each.value} for each in account.external_ids],
        "tags": account.tags[:],
        "preferences": account.preferences or None,
        "taboos": account.taboos or None,
        "consents": [
            {
                "channel": each.channel,
                "state": CONSENTS[each.state],
                "change_time": each.change_time.ToJsonString(),
                "evidence": each.evidence or None,
            }
            for each in account.consents
        ],
        "competitor_profile": profile
        and {
            "main_products": profile.main_products or None,
            "strengths": profile.strengths or None,
            "weaknesses": profile.weaknesses or None,
        },
        "merged_into_id": account.merged_into_id or None,
        "merged_into_name": account.merged_into_name or None,
        "last_contact_time": contact,
        "value_tier": TIERS[account.value_tier] or None,
        "custom": {key: MessageToDict(value) for key, value in account.custom.items()},
        "etag": account.etag,
        "create_time": account.create_time.ToJsonString(),
        "update_time": account.update_time.ToJsonString(),
    }


class Gateway:
    def __init__(self, service: str) -> None:
        self._stub: Any = accounts_pb2_grpc.AccountServiceStub(grpc.aio.insecure_channel(service))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        path, status = scope["path"], 200
        content: dict[str, Any]
        if scope["method"] == "POST":
            account = pb.Account(**orjson.loads((await receive())["body"]))
            content = account_json(await self._stub.CreateAccount(pb.CreateAccountRequest(account=account)))
            status = 201
        elif len(path) > PREFIX:
            content = account_json(await self._stub.GetAccount(pb.GetAccountRequest(id=path[PREFIX:])))
        else:
            size = int(scope["query_string"].partition(b"=")[2])
            page = await self._stub.ListAccounts(pb.ListAccountsRequest(page_size=size))
            content = {"accounts": [account_json(each) for each in page.accounts], "next_page_token": None}
        body = orjson.dumps(content)
        headers = [*HEADERS, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Any, send: Any) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def serve(address: str, service: str) -> None:
    config = uvicorn_config(Gateway(service), Settings(listen_address=address))
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:3]))
