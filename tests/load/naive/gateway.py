"""A gateway as it is usually written: FastAPI with models, and dicts between models and messages.

python -m tests.load.naive.gateway LISTEN_ADDRESS SERVICE_ADDRESS
"""

import sys
from datetime import datetime
from typing import Annotated, Any

import grpc
import uvicorn
import uvloop
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import accounts_pb2_grpc
from crm_gateway.listening import uvicorn_config
from crm_gateway.settings import Settings
from fastapi import FastAPI, HTTPException
from google.protobuf.json_format import MessageToDict, ParseDict
from pydantic import BaseModel, Field

Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")]


class Address(BaseModel):
    kind: str = "KIND_UNSPECIFIED"
    region_code: str | None = None
    city: str | None = Field(default=None, max_length=100)
    line: str | None = Field(default=None, max_length=500)
    postal_code: str | None = Field(default=None, max_length=20)


class ExternalId(BaseModel):
    source: str
    value: str = Field(min_length=1, max_length=200)


class Consent(BaseModel):
    channel: str
    state: str
    change_time: datetime | None = None
    evidence: str | None = None


class CompetitorProfile(BaseModel):
    main_products: str | None = None
    strengths: str | None = None
    weaknesses: str | None = None


class AccountIn(BaseModel):
    kind: str = Field(pattern="^KIND_(ORGANIZATION|PERSON)$")
    display_name: str = Field(min_length=1, max_length=200)
    legal_name: str | None = Field(default=None, max_length=200)
    short_name: str | None = Field(default=None, max_length=100)
    credit_code: str | None = Field(default=None, pattern="^[0-9A-HJ-NP-RT-UW-Y]{18}$")
    roles: list[str] = []
    industry: str | None = Field(default=None, max_length=100)
    employee_count: int | None = Field(default=None, ge=0)
    region_code: str | None = Field(default=None, pattern="^[A-Z]{2}(-[A-Z0-9]{1,3})?$")
    addresses: list[Address] = Field(default=[], max_length=20)
    phone_numbers: list[Phone] = Field(default=[], max_length=20)
    emails: list[str] = Field(default=[], max_length=20)
    website: str | None = Field(default=None, max_length=500)
    source: str | None = Field(default=None, max_length=100)
    parent_id: str | None = None
    owner_id: str | None = None
    custom: dict[str, Any] = {}
    external_ids: list[ExternalId] = []
    tags: list[str] = Field(default=[], max_length=50)
    preferences: str | None = Field(default=None, max_length=4000)
    taboos: str | None = Field(default=None, max_length=4000)
    consents: list[Consent] = []
    competitor_profile: CompetitorProfile | None = None


class AccountOut(AccountIn):
    id: str
    kind: str
    status: str
    parent_name: str | None = None
    owner_name: str | None = None
    owner_team_id: str | None = None
    owner_team_name: str | None = None
    merged_into_id: str | None = None
    merged_into_name: str | None = None
    last_contact_time: datetime | None = None
    value_tier: str | None = None
    etag: str
    create_time: datetime
    update_time: datetime


class AccountPage(BaseModel):
    accounts: list[AccountOut] = []
    next_page_token: str | None = None


def application(service: str) -> FastAPI:
    app = FastAPI()
    stubs: list[Any] = []

    def stub() -> Any:
        # The channel belongs to the loop that serves.
        if not stubs:
            stubs.append(accounts_pb2_grpc.AccountServiceStub(grpc.aio.insecure_channel(service)))
        return stubs[0]

    @app.get("/v1/accounts/{id}", response_model=AccountOut)
    async def get_account(id: str) -> Any:
        try:
            account = await stub().GetAccount(pb.GetAccountRequest(id=id))
        except grpc.aio.AioRpcError as error:
            raise HTTPException(404, error.details()) from error
        return rest_of(account)

    @app.get("/v1/accounts", response_model=AccountPage)
    async def list_accounts(page_size: Annotated[int, Field(ge=1, le=200)] = 50) -> Any:
        page = await stub().ListAccounts(pb.ListAccountsRequest(page_size=page_size))
        return {"accounts": [rest_of(account) for account in page.accounts]}

    @app.post("/v1/accounts", response_model=AccountOut, status_code=201)
    async def create_account(account: AccountIn) -> Any:
        sent = {"account": account.model_dump(mode="json", exclude_none=True)}
        made = await stub().CreateAccount(ParseDict(sent, pb.CreateAccountRequest()))
        return rest_of(made)

    return app


def rest_of(account: pb.Account) -> dict[str, Any]:
    """An account as REST has it: values of enums without their prefix."""
    values = MessageToDict(account, preserving_proto_field_name=True)
    values["kind"] = values["kind"].removeprefix("KIND_")
    values["status"] = values["status"].removeprefix("STATUS_")
    values["roles"] = [role.removeprefix("ROLE_") for role in values.get("roles", [])]
    for address in values.get("addresses", []):
        address["kind"] = address["kind"].removeprefix("KIND_")
    return values


async def serve(address: str, service: str) -> None:
    config = uvicorn_config(application(service), Settings(listen_address=address))
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:3]))
