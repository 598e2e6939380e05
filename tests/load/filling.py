"""Many accounts at once, straight into the tables: what a comparison reads and writes among."""

from typing import Any
from uuid import UUID

import asyncpg
from crm_kit.collation.keys import collation_key

NAMES = ("恒通", "天翼", "嘉禾", "永盛", "瑞丰", "博远")
ACCOUNT = """
SELECT {platform}
    (lpad(to_hex((extract(epoch FROM t) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(i % 4096), 3, '0')
        || '8' || substr(md5(i::text), 1, 15))::uuid AS id,
    'ORGANIZATION' AS kind,
    (ARRAY{names})[1 + i % 6] || to_char(i, 'FM00000000') || '有限公司' AS display_name,
    (ARRAY['POTENTIAL', 'ACTIVE', 'ACTIVE', 'DORMANT', 'LOST'])[1 + i % 5] AS status,
    '深圳' || to_char(i, 'FM00000000') || '有限公司' AS legal_name, '恒通' AS short_name,
    '9144030071526726XG' AS credit_code, ARRAY['PROSPECT', 'CUSTOMER'] AS roles, '电力' AS industry,
    i % 5000 AS employee_count, 'CN-GD' AS region_code,
    '[{{"kind": "OFFICE", "region_code": "CN-GD", "city": "深圳", "line": "科技园南路 8 号", "postal_code": "518057"}}]'
        ::jsonb AS addresses,
    ARRAY['+86755' || to_char(i, 'FM00000000')] AS phone_numbers, ARRAY['office@hengtong.example'] AS emails,
    'https://www.hengtong.example' AS website, 'trade fair' AS source, $2::uuid AS owner_id,
    '[]'::jsonb AS external_ids, ARRAY['vip', 'grid'] AS tags, '[]'::jsonb AS consents, 1 AS version,
    t AS create_time, t AS update_time
FROM (SELECT i, timestamptz '2026-01-01' - make_interval(secs => ($1 - i) * 7.0) AS t
      FROM generate_series(1, $1::integer) AS i) AS numbered
"""
COLUMNS = (
    "id, kind, display_name, status, legal_name, short_name, credit_code, roles, industry, employee_count, region_code,"
    " addresses, phone_numbers, emails, website, source, owner_id, external_ids, tags, consents, version,"
    " create_time, update_time"
)
# What the platform has besides: whose it is, and what texts are compared by.
OF_PLATFORM = """
    '{tenant}'::uuid AS tenant_id,
    (ARRAY{names})[1 + i % 6] || to_char(i, 'FM00000000') || '{company}' AS display_name_key,
    '{city}' || to_char(i, 'FM00000000') || '{company}' AS legal_name_key, '{industry}' AS industry_key,
    ARRAY['office@hengtong.example'] AS emails_key, 'trade fair' AS source_key,
"""
COLUMNS_OF_PLATFORM = "tenant_id, display_name_key, legal_name_key, industry_key, emails_key, source_key"
PLAIN_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE tablename = 'accounts' AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""


async def fill_accounts(url: str, rows: int, *, owner_id: UUID | None, tenant_id: UUID | None) -> None:
    """Write `rows` accounts, a few seconds apart, the last one at the start of 2026; `tenant_id` where there are any.

    `url` is the superuser's: row-level security and triggers are passed by. Indexes are built after the rows.
    """
    connection: Any = await asyncpg.connect(url, command_timeout=900)
    try:
        await connection.execute("SET session_replication_role = replica; SET maintenance_work_mem = '256MB'")
        indexes = await connection.fetch(PLAIN_INDEXES)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        columns = f"{COLUMNS_OF_PLATFORM}, {COLUMNS}" if tenant_id else COLUMNS
        selected = ACCOUNT.format(platform=_of_platform(tenant_id) if tenant_id else "", names=list(NAMES))
        await connection.execute(f"INSERT INTO accounts ({columns}) {selected}", rows, owner_id)
        for index in indexes:
            await connection.execute(index["indexdef"])
        await connection.execute("VACUUM (ANALYZE) accounts")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _of_platform(tenant_id: UUID) -> str:
    company, city, industry = map(collation_key, ("有限公司", "深圳", "电力"))
    names = ", ".join(f"'{collation_key(name)}'" for name in NAMES)
    return OF_PLATFORM.format(tenant=tenant_id, names=f"[{names}]", company=company, city=city, industry=industry)


async def some_ids(url: str, rows: int, most: int = 1000) -> list[str]:
    """Ids of accounts from all over the table."""
    connection: Any = await asyncpg.connect(url)
    try:
        share = min(100.0, 100.0 * 2 * most / rows)
        found = await connection.fetch(f"SELECT id FROM accounts TABLESAMPLE BERNOULLI ({share}) ORDER BY random()")
        return [str(row["id"]) for row in found[:most]]
    finally:
        await connection.close()
