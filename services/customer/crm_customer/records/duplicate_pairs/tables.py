"""Tables of pairs, and of how far scans are."""

from crm_kit.database.tables import Kept, reference, tenant_table, unique, versioned_columns
from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import Uuid

from crm_customer.metadata import metadata

duplicate_pairs = tenant_table(
    "duplicate_pairs",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("other_account_id", Uuid, nullable=False),
    Column("score", Integer, nullable=False),
    Column("evidence", JSONB, nullable=False),
    Column("basis", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("dismisser_id", Uuid),
    Column("dismiss_time", DateTime(timezone=True)),
    Column("dismiss_reason", Text),
    *versioned_columns(),
    reference("account_id", "accounts", name="duplicate_pairs_account_fkey", field="duplicate_pair.account_id"),
    reference(
        "other_account_id", "accounts", name="duplicate_pairs_other_fkey", field="duplicate_pair.other_account_id"
    ),
    unique(
        "duplicate_pairs_once_key",
        *("account_id", "other_account_id"),
        reason="ALREADY_EXISTS",
        field="duplicate_pair.other_account_id",
        detail="the pair was found already",
    ),
)
Index("duplicate_pairs_create_time_index", *(duplicate_pairs.c[name] for name in ("tenant_id", "create_time", "id")))
Index("duplicate_pairs_score_index", *(duplicate_pairs.c[name] for name in ("tenant_id", "score", "id")))
Index("duplicate_pairs_other_index", duplicate_pairs.c.tenant_id, duplicate_pairs.c.other_account_id)

# How far a scan is: behind which key, and, when it has come to the last one, behind which pair.
duplicate_scans = tenant_table(
    "duplicate_scans",
    metadata,
    Column("job_id", Uuid, nullable=False),
    Column("last_key", BigInteger, nullable=False),
    Column("last_pair_id", Uuid),
    key=("job_id",),
    retention=Kept("a row for the scan under way, deleted when it ends"),
)
