"""What the scoring service says when it is asked for credit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CreditDecision:
    """Whether an amount may be owed; `reasons` are codes such as CREDIT_LIMIT_EXCEEDED, `explanation` their text."""

    approved: bool
    reasons: tuple[str, ...] = ()
    explanation: str = ""
