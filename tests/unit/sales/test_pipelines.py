from datetime import UTC, datetime
from uuid import UUID

import pytest
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_sales.pipelines.model import Pipeline, Stage

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
A, B = UUID(int=1), UUID(int=2)


def pipeline(*stages: Stage) -> Pipeline:
    return Pipeline(UUID(int=9), "New business", stages, NOW, NOW)


@pytest.mark.parametrize(
    ("stages", "field"),
    [
        ((), "pipeline.stages"),
        ((Stage("a", A), Stage("b", A)), "pipeline.stages[1]"),
        ((Stage("a", A), Stage("b", B), Stage("a")), "pipeline.stages[2]"),
    ],
)
def test_a_pipeline_without_stages_or_with_one_twice_is_refused(stages: tuple[Stage, ...], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        pipeline(*stages)
    assert [violation.field for violation in refused.value.violations] == [field]


def test_new_stages_may_all_be_without_an_id() -> None:
    assert len(pipeline(Stage("a"), Stage("b")).stages) == 2


def test_a_stage_is_found_by_its_id_and_one_of_another_pipeline_is_not() -> None:
    there = pipeline(Stage("a", A), Stage("b", B))
    assert (there.position(B), there.stage(B).display_name, there.first_stage_id) == (1, "b", A)
    with pytest.raises(FailedPrecondition) as refused:
        there.stage(UUID(int=3))
    assert refused.value.reason == "STAGE_NOT_IN_PIPELINE"
