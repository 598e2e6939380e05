"""A small file that unpacks to a large one takes no more memory than any other."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from crm.customer.v1 import imports_pb2 as pb

from tests.factories.workbooks import multiplied
from tests.service.customer.imports.calls import Run, counts

ROWS = 700


@contextmanager
def peak(mebibytes: list[float]) -> Iterator[None]:
    """Adds the most memory that was taken at a time within the block, beyond what was taken before."""
    tracemalloc.start()
    try:
        yield
        mebibytes.append(tracemalloc.get_traced_memory()[1] / (1 << 20))
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("skip", [False, True])
async def test_a_file_that_unpacks_to_any_size_takes_little_memory_in_the_service(run: Run, skip: bool) -> None:
    content = multiplied(ROWS, ["客户名称", "备注", "偏好", "禁忌"], ["华信", *["字" * 32_000] * 3])
    assert len(content) < 100_000
    taken: list[float] = []
    with peak(taken):
        job = await run(content, skip_invalid_cells=skip)
    assert job.state == pb.Import.STATE_SUCCEEDED
    assert counts(job) == ((ROWS, 0, 0, 0) if skip else (0, 0, 0, ROWS))
    assert taken[0] < 48
