"""A service as it is usually written: ORM sessions, and dicts between rows and messages.

python -m tests.load.naive.service LISTEN_ADDRESS DATABASE_URL
"""

import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc
import uvloop
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import events_pb2
from crm_kit.ids import new_id
from google.protobuf.json_format import MessageToDict, ParseDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.load.naive.tables import AccountRow, OutboxRow, UserRow
from tests.load.serving import serve_accounts

PREFIXES = {"kind": "KIND_", "status": "STATUS_", "value_tier": "VALUE_TIER_"}
NAMED = ("parent", "owner", "owner_team", "merged_into")


class Accounts:
    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.Account:
        async with self._sessions() as session:
            row = await session.get(AccountRow, UUID(request.id))
            if row is None:
                await context.abort(grpc.StatusCode.NOT_FOUND, "the account does not exist")
            assert row is not None
            return ParseDict(account_dict(row), pb.Account())

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Any) -> pb.ListAccountsResponse:
        newest = select(AccountRow).order_by(AccountRow.create_time.desc(), AccountRow.id.desc())
        async with self._sessions() as session:
            rows = (await session.scalars(newest.limit(request.page_size))).all()
            return ParseDict({"accounts": [account_dict(row) for row in rows]}, pb.ListAccountsResponse())

    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Any) -> pb.Account:
        now = datetime.now(UTC)
        async with self._sessions.begin() as session:
            # There is one caller, to whom all that is created belongs.
            row = AccountRow(
                id=new_id(),
                status="POTENTIAL",
                owner=(await session.scalars(select(UserRow))).one(),
                version=1,
                create_time=now,
                update_time=now,
                **row_values(MessageToDict(request.account, preserving_proto_field_name=True)),
            )
            session.add(row)
            await session.flush()
            answer = ParseDict(account_dict(row), pb.Account())
            session.add(
                OutboxRow(
                    id=new_id(),
                    subject="crm.events.customer.AccountCreated",
                    aggregate_id=row.id,
                    event=events_pb2.AccountCreated(account=answer).SerializeToString(),
                    create_time=now,
                )
            )
        return answer


def row_values(sent: dict[str, Any]) -> dict[str, Any]:
    """What was sent, as columns."""
    empty: dict[str, Any] = {"addresses": [], "external_ids": [], "consents": []}
    values = empty | {"roles": [], "phone_numbers": [], "emails": [], "tags": [], "custom": {}} | sent
    values["kind"] = values["kind"].removeprefix("KIND_")
    values["roles"] = [role.removeprefix("ROLE_") for role in values["roles"]]
    values["addresses"] = [each | {"kind": each["kind"].removeprefix("KIND_")} for each in values["addresses"]]
    return values


def account_dict(row: AccountRow) -> dict[str, Any]:
    """The row, as the contract's JSON has it."""
    values: dict[str, Any] = {}
    for column in AccountRow.__table__.columns:
        value = getattr(row, column.name)
        if isinstance(value, UUID):
            value = str(value)
        elif isinstance(value, datetime):
            value = value.isoformat()
        if value is not None:
            values[column.name] = PREFIXES.get(column.name, "") + value if column.name in PREFIXES else value
    values["roles"] = ["ROLE_" + role for role in values["roles"]]
    values["addresses"] = [each | {"kind": "KIND_" + each["kind"]} for each in values["addresses"]]
    for name in NAMED:
        record = getattr(row, name)
        if record is not None:
            values[f"{name}_name"] = record.display_name
    values["etag"] = f"v{values.pop('version')}"
    return values


async def serve(address: str, url: str) -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=10)
    await serve_accounts(Accounts(async_sessionmaker(engine, expire_on_commit=False)), address)


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:3]))
