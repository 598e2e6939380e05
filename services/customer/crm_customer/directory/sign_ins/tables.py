"""Tables of sign-ins with an identity provider."""

from crm_kit.database.tables import tenant_table
from sqlalchemy import Column, DateTime, Index, LargeBinary

from crm_customer.metadata import metadata

# Which sign-ins are finished, until they would have expired anyway: each is finished once.
finished_sign_ins = tenant_table(
    "finished_sign_ins",
    metadata,
    # SHA-256 of the state.
    Column("digest", LargeBinary, nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    key=("digest",),
)
Index("finished_sign_ins_expire_time_index", finished_sign_ins.c.tenant_id, finished_sign_ins.c.expire_time)
