"""The least a service can be: grpc.aio, asyncpg, three statements. No rules, no tenants, no errors.

python -m tests.load.bare.service LISTEN_ADDRESS DATABASE_URL
"""

import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import uvloop
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import events_pb2
from crm_kit.database.connections import Connection
from crm_kit.ids import new_id
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

from tests.load.serving import serve_accounts

COLUMNS = (
    "id, kind, display_name, status, legal_name, short_name, credit_code, roles, industry, employee_count, region_code,"
    " addresses, phone_numbers, emails, website, source, parent_id, owner_id, owner_team_id, external_ids, tags,"
    " preferences, taboos, consents, competitor_profile, merged_into_id, last_contact_time, value_tier, custom,"
    " version, create_time, update_time"
)
# Every id is answered with the name behind it.
NAMED = """
SELECT account.*, parent.display_name, users.display_name, teams.display_name, survivor.display_name
FROM ({}) AS account
LEFT JOIN accounts AS parent ON parent.id = account.parent_id
LEFT JOIN users ON users.id = account.owner_id
LEFT JOIN teams ON teams.id = account.owner_team_id
LEFT JOIN accounts AS survivor ON survivor.id = account.merged_into_id
"""
GET = NAMED.format(f"SELECT {COLUMNS} FROM accounts WHERE id = $1")
LIST = (
    NAMED.format(f"SELECT {COLUMNS} FROM accounts ORDER BY create_time DESC, id DESC LIMIT $1")
    + "ORDER BY account.create_time DESC, account.id DESC"
)
CALLER = "SELECT id, display_name FROM users LIMIT 1"
CREATE = """
WITH account AS (
    INSERT INTO accounts (id, kind, display_name, status, legal_name, short_name, credit_code, roles, industry,
        employee_count, region_code, addresses, phone_numbers, emails, website, source, external_ids, tags, consents,
        version, create_time, update_time, owner_id)
    VALUES ($1, $2, $3, 'POTENTIAL', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, '[]', $16, '[]', 1, $17, $17,
        $18)
)
INSERT INTO outbox (id, subject, aggregate_id, event) VALUES ($19, 'crm.events.customer.AccountCreated', $1, $20)
"""
KINDS = {number: name.removeprefix("KIND_") for name, number in pb.Account.Kind.items()}
ROLES = {number: name.removeprefix("ROLE_") for name, number in pb.Account.Role.items()}
ADDRESS_KINDS = {number: name.removeprefix("KIND_") for name, number in pb.Address.Kind.items()}


class Accounts:
    """Accounts of one caller, to whom all that is created belongs."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", caller_id: UUID, caller_name: str) -> None:
        self._pool = pool
        self._caller_id = caller_id
        self._caller_name = caller_name

    async def GetAccount(self, request: pb.GetAccountRequest, context: Any) -> pb.Account:
        row = await self._pool.fetchrow(GET, UUID(request.id))
        assert row is not None
        return account_of(row)

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Any) -> pb.ListAccountsResponse:
        rows = await self._pool.fetch(LIST, request.page_size)
        return pb.ListAccountsResponse(accounts=map(account_of, rows))

    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Any) -> pb.Account:
        account = request.account
        id, now = new_id(), datetime.now(UTC)
        answer = pb.Account()
        answer.CopyFrom(account)
        answer.id = str(id)
        answer.status = pb.Account.STATUS_POTENTIAL
        answer.owner_id, answer.owner_name = str(self._caller_id), self._caller_name
        answer.etag = "v1"
        answer.create_time.FromDatetime(now)
        answer.update_time.FromDatetime(now)
        event = events_pb2.AccountCreated(account=answer).SerializeToString()
        await self._pool.execute(
            CREATE,
            id,
            KINDS[account.kind],
            account.display_name,
            account.legal_name,
            account.short_name,
            account.credit_code,
            [ROLES[role] for role in account.roles],
            account.industry,
            account.employee_count if account.HasField("employee_count") else None,
            account.region_code,
            [
                {
                    "kind": ADDRESS_KINDS[each.kind],
                    "region_code": each.region_code,
                    "city": each.city,
                    "line": each.line,
                    "postal_code": each.postal_code,
                }
                for each in account.addresses
            ],
            list(account.phone_numbers),
            list(account.emails),
            account.website,
            account.source,
            list(account.tags),
            now,
            self._caller_id,
            new_id(),
            event,
        )
        return answer


def account_of(row: asyncpg.Record) -> pb.Account:
    """A row as the contract has it; the columns stand in the order of `COLUMNS`."""
    values: dict[str, Any] = {
        "id": str(row[0]),
        "kind": f"KIND_{row[1]}",
        "display_name": row[2],
        "status": f"STATUS_{row[3]}",
        "legal_name": row[4],
        "short_name": row[5],
        "credit_code": row[6],
        "roles": [f"ROLE_{role}" for role in row[7]],
        "industry": row[8],
        "employee_count": row[9],
        "region_code": row[10],
        "addresses": [{**each, "kind": f"KIND_{each['kind']}"} for each in row[11]],
        "phone_numbers": row[12],
        "emails": row[13],
        "website": row[14],
        "source": row[15],
        "parent_id": row[16] and str(row[16]),
        "owner_id": row[17] and str(row[17]),
        "owner_team_id": row[18] and str(row[18]),
        "external_ids": row[19],
        "tags": row[20],
        "preferences": row[21],
        "taboos": row[22],
        "consents": row[23],
        "competitor_profile": row[24],
        "merged_into_id": row[25] and str(row[25]),
        "last_contact_time": row[26],
        "value_tier": row[27] and f"VALUE_TIER_{row[27]}",
        "custom": {key: ParseDict(value, Value()) for key, value in row[28].items()},
        "etag": f"v{row[29]}",
        "create_time": row[30],
        "update_time": row[31],
        "parent_name": row[32],
        "owner_name": row[33],
        "owner_team_name": row[34],
        "merged_into_name": row[35],
    }
    return pb.Account(**values)


async def prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
    )


async def serve(address: str, url: str) -> None:
    pool = await asyncpg.create_pool(url, min_size=1, max_size=10, connection_class=Connection, init=prepare)
    caller = await pool.fetchrow(CALLER)
    assert caller is not None
    await serve_accounts(Accounts(pool, caller["id"], caller["display_name"]), address)


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:3]))
