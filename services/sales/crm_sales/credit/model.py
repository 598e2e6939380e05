"""What the scoring service says when it is asked for credit."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class CreditReason:
    """What it was judged by: a code such as CREDIT_LIMIT_EXCEEDED, a text, and the values that the text names."""

    code: str
    explanation: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreditDecision:
    """Whether an amount may be owed, and why."""

    approved: bool
    reasons: tuple[CreditReason, ...] = ()
