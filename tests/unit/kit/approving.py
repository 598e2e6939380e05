"""A few users and roles whom approvals ask, and their steps."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from crm_kit.approvals.policies.model import Mode, Step
from hypothesis import strategies as st

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
USERS = tuple(UUID(int=number) for number in range(1, 7))
ROLES = tuple(UUID(int=number) for number in range(101, 104))
NOBODY = UUID(int=999)


def some(ids: Sequence[UUID], *, most: int = 3) -> st.SearchStrategy[tuple[UUID, ...]]:
    return st.lists(st.sampled_from(ids), max_size=most, unique=True).map(tuple)


steps = st.builds(Step, st.sampled_from(Mode), some(USERS), some(ROLES, most=2)).filter(lambda step: step.asked_ids)
