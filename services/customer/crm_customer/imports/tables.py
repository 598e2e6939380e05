"""Tables of uploads and imports."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, Violation, reference, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, LargeBinary, Text, Uuid, false, func
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

UPLOAD_LASTS = timedelta(days=7)
"""A file can be imported for so long after its upload began. Then its bytes go, and later the upload itself."""

BYTES_LAST = UPLOAD_LASTS + timedelta(days=3)
"""An import that began in time has so many days more to read it, whatever holds it up."""

REPORT_LASTS = timedelta(days=90)
"""The rows that could not be imported, and what was wrong with them, can be read for so long."""

IMPORT_LASTS = timedelta(days=400)
"""An import is kept for so long after it has ended, with its history: as long as the deliveries of feeds at least."""

uploads = tenant_table(
    "uploads",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("total_bytes", Integer, nullable=False),
    Column("received_bytes", Integer, nullable=False),
    Column("held_bytes", Integer, nullable=False),
    Column("sealed", Boolean, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    *versioned_columns(),
    retention=Retention("create_time", timedelta(days=15), Clock.TENANT),
)

# The bytes of uploads, as they came.
upload_parts = tenant_table(
    "upload_parts",
    metadata,
    Column("upload_id", Uuid, nullable=False),
    Column("first_byte", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    reference("upload_id", "uploads", name="upload_parts_upload_fkey", field="id"),
    key=("upload_id", "first_byte"),
    retention=Retention("create_time", BYTES_LAST, Clock.TENANT),
)
upload_parts.primary_key.info["violation"] = Violation(
    "exists", "UPLOAD_OFFSET_MISMATCH", "offset", "another part came there at the same time"
)

imports = tenant_table(
    "imports",
    metadata,
    Column("id", Uuid, nullable=False),
    # No reference: the import is kept, its upload is not.
    Column("upload_id", Uuid, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("external_source", Text, nullable=False),
    Column("default_region", Text, nullable=False),
    Column("columns", JSONB, nullable=False),
    Column("layout", JSONB),
    Column("read_layout", JSONB),
    Column("skip_invalid_cells", Boolean, nullable=False),
    Column("keep_opportunities", Boolean, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("value_source", Text, nullable=False, server_default=""),
    Column("keep_values", Boolean, nullable=False, server_default=false()),
    Column("observed_time", DateTime(timezone=True)),
    Column("account_owner_id", Uuid),
    Column("feed_delivery_id", Uuid),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("state", Text, nullable=False),
    Column("mapping", JSONB, nullable=False),
    Column("rows_total", Integer),
    Column("rows_read", Integer, nullable=False),
    Column("created_count", Integer, nullable=False),
    Column("updated_count", Integer, nullable=False),
    Column("skipped_count", Integer, nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("reported_count", Integer, nullable=False),
    Column("partial_count", Integer, nullable=False),
    Column("disagreeing_count", Integer, nullable=False, server_default="0"),
    Column("error_count", Integer, nullable=False),
    Column("error_bytes", Integer, nullable=False),
    Column("failure_reason", Text),
    Column("failure", Text),
    Column("failure_metadata", JSONB, nullable=False),
    Column("start_time", DateTime(timezone=True)),
    Column("finish_time", DateTime(timezone=True)),
    *versioned_columns(),
    # One that has not ended has no such time, and stays whatever holds it up.
    retention=Retention("finish_time", IMPORT_LASTS, Clock.TENANT),
)
Index("imports_create_time_index", imports.c.tenant_id, imports.c.create_time, imports.c.id)
Index(
    "imports_feed_delivery_index",
    *(imports.c[name] for name in ("tenant_id", "feed_delivery_id")),
    postgresql_where=imports.c.feed_delivery_id.is_not(None),
)

# Imports that are not done, and which worker has each until when: what workers look for across tenants.
import_jobs = tenant_table(
    "import_jobs",
    metadata,
    Column("import_id", Uuid, nullable=False),
    Column("holder", Uuid),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("expire_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    reference("import_id", "imports", name="import_jobs_import_fkey", field="id"),
    key=("import_id",),
    plumbing=True,
    retention=Kept("a row for each import under way, deleted when it ends"),
)

# The rows that could not be imported, as they were.
import_rows = tenant_table(
    "import_rows",
    metadata,
    Column("import_id", Uuid, nullable=False),
    Column("row_number", Integer, nullable=False),
    Column("cells", JSONB, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    reference("import_id", "imports", name="import_rows_import_fkey", field="id"),
    key=("import_id", "row_number"),
    retention=Retention("create_time", REPORT_LASTS, Clock.TENANT),
)

# What is wrong with them, numbered through.
import_errors = tenant_table(
    "import_errors",
    metadata,
    Column("import_id", Uuid, nullable=False),
    Column("row_number", Integer, nullable=False),
    Column("id", Integer, nullable=False),
    Column("column", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("row_imported", Boolean, nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False),
    reference("import_id", "imports", name="import_errors_import_fkey", field="id"),
    key=("import_id", "row_number", "id"),
    retention=Retention("create_time", REPORT_LASTS, Clock.TENANT),
)
