"""Tables of sign-ins with an identity provider."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Retention, tenant_table
from sqlalchemy import Column, DateTime, LargeBinary

from crm_customer.metadata import metadata

# Which sign-ins are finished, until they would have expired anyway: each is finished once.
finished_sign_ins = tenant_table(
    "finished_sign_ins",
    metadata,
    # SHA-256 of the state.
    Column("digest", LargeBinary, nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    key=("digest",),
    retention=Retention("expire_time", timedelta(hours=1), Clock.SYSTEM),
)
