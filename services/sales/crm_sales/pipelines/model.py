"""A pipeline as it is kept; its stages and the rules over them are those of opportunities."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from crm_sales.opportunities.model import Pipeline


@dataclass(frozen=True, slots=True)
class PipelineRecord:
    """A pipeline with what every resource has; `version` grows by one with every change."""

    id: UUID
    pipeline: Pipeline
    is_default: bool
    create_time: datetime
    update_time: datetime
    version: int = 1
