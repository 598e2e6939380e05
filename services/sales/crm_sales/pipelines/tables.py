"""Tables of pipelines."""

from crm_kit.database.tables import Kept, reference, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

pipelines = tenant_table(
    "pipelines",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("stages", JSONB, nullable=False),
    Column("is_default", Boolean, nullable=False),
    *versioned_columns(),
)
Index("pipelines_create_time_index", pipelines.c.tenant_id, pipelines.c.create_time, pipelines.c.id)
Index("pipelines_display_name_index", pipelines.c.tenant_id, pipelines.c.display_name_key, pipelines.c.id)

# The stages by key, so that an opportunity cannot be in one that is not there.
pipeline_stages = tenant_table(
    "pipeline_stages",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("pipeline_id", Uuid, nullable=False),
    reference("pipeline_id", "pipelines", name="pipeline_stages_pipeline_fkey", field="pipeline.id"),
    retention=Kept("part of the pipeline"),
)
Index("pipeline_stages_pipeline_index", pipeline_stages.c.tenant_id, pipeline_stages.c.pipeline_id)
