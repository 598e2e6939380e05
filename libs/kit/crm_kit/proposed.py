"""What is written because somebody else proposed it."""

from dataclasses import dataclass
from uuid import UUID

ANSWER_DAYS = 3
"""Working days after which what nobody has decided goes up, and up again, unless the tenant has chosen others."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """The change proposal that what is written was proposed in, by whom, and how they know.

    `is_evident`: something proves it, said in `proof` or seen elsewhere.
    """

    id: UUID
    proposer_id: UUID
    source: str = ""
    proof: str = ""
    is_evident: bool = False
