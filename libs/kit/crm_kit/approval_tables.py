"""The tables of approvals. docs/adr/0022-approvals-are-kept-where-the-subject-is.md has the reasons."""

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, MetaData, Numeric, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_kit.database.tables import Kept, Violation, tenant_table, versioned_columns


def policies_table(metadata: MetaData) -> Table:
    """Who decides on what, by verb; of each verb one is in use."""
    table = tenant_table(
        "approval_policies",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("verb", Text, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("rows", JSONB, nullable=False),
        Column("state", Text, nullable=False),
        *versioned_columns(),
        retention=Kept("one in use for each verb, and those before it, by which approvals were asked for"),
    )
    Index(
        "approval_policies_verb_index",
        *(table.c[name] for name in ("tenant_id", "collection", "verb")),
        unique=True,
        postgresql_where=text("state = 'ACTIVE'"),
        info={
            "violation": Violation(
                "exists", "APPROVAL_POLICY_EXISTS", "approval_policy.verb", "has a policy that is in use already"
            )
        },
    )
    Index(
        "approval_policies_time_index",
        *(table.c[name] for name in ("tenant_id", "create_time", "id")),
    )
    return table


def approvals_table(metadata: MetaData) -> Table:
    """What is asked for of records, and what was said to it."""
    table = tenant_table(
        "approvals",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("record_id", Uuid, nullable=False),
        Column("record_etag", Text, nullable=False),
        Column("verb", Text, nullable=False),
        Column("request", JSONB, nullable=False),
        Column("amount", Numeric),
        Column("currency_code", Text),
        Column("comment", Text),
        Column("submitter_id", Uuid, nullable=False),
        Column("owner_id", Uuid),
        Column("policy_id", Uuid, nullable=False),
        Column("policy_etag", Text, nullable=False),
        Column("steps", JSONB, nullable=False),
        Column("current_step", Integer, nullable=False),
        Column("opinions", JSONB, nullable=False),
        Column("reassignments", JSONB, nullable=False),
        Column("withdrawal", JSONB),
        Column("state", Text, nullable=False),
        Column("end_time", DateTime(timezone=True)),
        Column("due_time", DateTime(timezone=True)),
        Column("overdue", Boolean, nullable=False),
        *versioned_columns(),
        retention=Kept("who decided what, and why, which audits go by"),
    )
    Index("approvals_time_index", *(table.c[name] for name in ("tenant_id", "create_time", "id")))
    Index("approvals_state_index", *(table.c[name] for name in ("tenant_id", "state", "create_time", "id")))
    Index("approvals_due_index", *(table.c[name] for name in ("tenant_id", "due_time", "id")))
    Index("approvals_submitter_index", *(table.c[name] for name in ("tenant_id", "submitter_id", "create_time")))
    Index("approvals_record_index", table.c.tenant_id, table.c.record_id)
    # One at a time of a record and verb.
    Index(
        "approvals_pending_index",
        *(table.c[name] for name in ("tenant_id", "collection", "record_id", "verb")),
        unique=True,
        postgresql_where=text("state = 'PENDING'"),
        # Found before by whoever submits, who says it better; this is somebody who was quicker.
        info={"violation": Violation("conflict", "CONFLICT", "record_id", "others submitted it at the same time")},
    )
    return table


def askings_table(metadata: MetaData) -> Table:
    """The users and roles that an approval asks in any of its steps, and whether it waits for them now."""
    table = tenant_table(
        "approval_askings",
        metadata,
        Column("approval_id", Uuid, nullable=False),
        Column("asked_id", Uuid, nullable=False),
        Column("waiting", Boolean, nullable=False),
        key=("approval_id", "asked_id"),
        retention=Kept("a few rows for each approval"),
    )
    Index("approval_askings_asked_index", *(table.c[name] for name in ("tenant_id", "asked_id", "approval_id")))
    Index(
        "approval_askings_waiting_index",
        *(table.c[name] for name in ("tenant_id", "asked_id", "approval_id")),
        postgresql_where=table.c.waiting,
    )
    return table


def timers_table(metadata: MetaData) -> Table:
    """When approvals that wait are to be found overdue, and those who are asked are to be reminded."""
    table = tenant_table(
        "approval_timers",
        metadata,
        Column("approval_id", Uuid, nullable=False),
        Column("collection", Text, nullable=False),
        Column("due_time", DateTime(timezone=True), nullable=False),
        # When those who are asked are to be reminded; null where nobody is, and once they have been.
        Column("reminder_time", DateTime(timezone=True)),
        # The version of the working hours that the time was counted by; null where it goes by the clock alone.
        Column("calendar_version", Integer),
        key=("approval_id",),
        plumbing=True,
        retention=Kept("a row for each approval that waits and falls due"),
    )
    Index(
        "approval_timers_next_index",
        table.c.tenant_id,
        func.least(table.c.due_time, table.c.reminder_time),
    )
    Index(
        "approval_timers_calendar_index",
        table.c.tenant_id,
        table.c.calendar_version,
        postgresql_where=table.c.calendar_version.is_not(None),
    )
    return table
