"""How a request is classified: what cases are filed under, and what conditions of service levels can test."""

from enum import StrEnum


class CaseKind(StrEnum):
    """What sort of request it is."""

    INQUIRY = "INQUIRY"
    COMPLAINT = "COMPLAINT"
    REPAIR = "REPAIR"
    RETURN_EXCHANGE = "RETURN_EXCHANGE"
    SERVICE_REQUEST = "SERVICE_REQUEST"
    SUGGESTION = "SUGGESTION"
    PROCESS = "PROCESS"


class Channel(StrEnum):
    """How the request reached us."""

    PHONE = "PHONE"
    EMAIL = "EMAIL"
    CHAT = "CHAT"
    WECHAT = "WECHAT"
    WEB = "WEB"
    VISIT = "VISIT"
    OTHER = "OTHER"


class Level(StrEnum):
    """How severe (impact), or how pressing (urgency)."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Priority(StrEnum):
    """From impact and urgency."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


def priority_of(impact: Level, urgency: Level) -> Priority:
    """ITIL's matrix: both HIGH is CRITICAL, one step less on either side is one priority less, down to LOW."""
    steps = list(Level).index(impact) + list(Level).index(urgency)
    return list(Priority)[min(steps, len(Priority) - 1)]
