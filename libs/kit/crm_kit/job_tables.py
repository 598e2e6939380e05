"""The tables of jobs. docs/adr/0031-jobs-settle-their-records-first.md has the reasons."""

from datetime import timedelta

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Table, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit.database.tables import Clock, Kept, Retention, tenant_table, versioned_columns

JOB_LASTS = timedelta(days=90)
"""After its end."""

RECORDS_LAST = timedelta(days=30)
"""What became of each record of a job, after that was asked for."""


def jobs_table(metadata: MetaData) -> Table:
    """Changes to many records, as they were asked for and how far they are."""
    table = tenant_table(
        "jobs",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("state", Text, nullable=False),
        Column("verb", Text, nullable=False),
        Column("request", JSONB, nullable=False),
        Column("filter", Text, nullable=False),
        Column("total_count", Integer, nullable=False),
        Column("changed_count", Integer, nullable=False),
        Column("unchanged_count", Integer, nullable=False),
        Column("failed_count", Integer, nullable=False),
        Column("skipped_count", Integer, nullable=False),
        Column("owner_id", Uuid, nullable=False),
        Column("failure_reason", Text),
        Column("failure", Text),
        Column("start_time", DateTime(timezone=True)),
        Column("finish_time", DateTime(timezone=True)),
        Column("file_delete_time", DateTime(timezone=True)),
        *versioned_columns(),
        retention=Retention("finish_time", JOB_LASTS, Clock.TENANT),
    )
    Index("jobs_time_index", *(table.c[name] for name in ("tenant_id", "create_time", "id")))
    Index("jobs_list_index", *(table.c[name] for name in ("tenant_id", "collection", "create_time", "id")))
    Index("jobs_owner_index", *(table.c[name] for name in ("tenant_id", "owner_id", "collection", "create_time", "id")))
    return table


def job_records_table(metadata: MetaData) -> Table:
    """The records of jobs, settled when a job is asked for; without an outcome as long as one waits for its turn.

    No reference to the job: tens of thousands of rows are written at once, and they go before it does.
    """
    return tenant_table(
        "job_records",
        metadata,
        Column("job_id", Uuid, nullable=False),
        Column("position", Integer, nullable=False),
        Column("record_id", Uuid, nullable=False),
        Column("outcome", Text),
        Column("record_etag", Text),
        Column("reason", Text),
        Column("detail", Text),
        Column("violations", JSONB),
        Column("create_time", DateTime(timezone=True), nullable=False),
        key=("job_id", "position"),
        retention=Retention("create_time", RECORDS_LAST, Clock.TENANT),
    )


def job_turns_table(metadata: MetaData) -> Table:
    """Jobs that are not done, and since when each has waited for its turn: what is looked for across tenants."""
    table = tenant_table(
        "job_turns",
        metadata,
        Column("job_id", Uuid, nullable=False),
        Column("turn_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
        key=("job_id",),
        plumbing=True,
        retention=Kept("a row for each job under way, 20 of a tenant at most, deleted when it ends"),
    )
    Index("job_turns_time_index", table.c.tenant_id, table.c.turn_time)
    return table
