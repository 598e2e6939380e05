"""Pipelines: the ordered stages that opportunities move through."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import FailedPrecondition, invalid_field


class ForecastCategory(StrEnum):
    """How an opportunity in a stage enters the forecast."""

    PIPELINE = "PIPELINE"
    BEST_CASE = "BEST_CASE"
    COMMIT = "COMMIT"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; `id` is None until its pipeline gives it one, `max_days` None without a limit.

    An opportunity leaves it forward only with `required_fields` filled and every item of `checklist` checked.
    """

    display_name: str
    id: UUID | None = None
    probability_percent: int = 0
    forecast_category: ForecastCategory = ForecastCategory.PIPELINE
    required_fields: tuple[str, ...] = ()
    checklist: tuple[str, ...] = ()
    max_days: int | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in their order. InvalidArgument when there is none, or when two have the same id or name."""

    id: UUID
    display_name: str
    stages: tuple[Stage, ...]
    create_time: datetime
    update_time: datetime
    is_default: bool = False
    version: int = 1

    def __post_init__(self) -> None:
        if not self.stages:
            raise invalid_field("pipeline.stages", "required", "a pipeline has at least one stage")
        for number, stage in enumerate(self.stages):
            earlier = self.stages[:number]
            same_id = stage.id is not None and stage.id in {other.id for other in earlier}
            if same_id or stage.display_name in {other.display_name for other in earlier}:
                raise invalid_field(f"pipeline.stages[{number}]", "unique", f"{stage.display_name!r} is there twice")

    @property
    def first_stage_id(self) -> UUID:
        """Where opportunities start unless told otherwise."""
        first = self.stages[0].id
        assert first is not None, "the stages of a pipeline that exists have ids"
        return first

    def position(self, stage_id: UUID) -> int:
        """The index of a stage. FailedPrecondition STAGE_NOT_IN_PIPELINE."""
        for number, stage in enumerate(self.stages):
            if stage.id == stage_id:
                return number
        raise FailedPrecondition(
            f"pipeline {self.display_name!r} has no stage {stage_id}", reason="STAGE_NOT_IN_PIPELINE"
        )

    def stage(self, stage_id: UUID) -> Stage:
        """The stage with this id. FailedPrecondition STAGE_NOT_IN_PIPELINE."""
        return self.stages[self.position(stage_id)]
