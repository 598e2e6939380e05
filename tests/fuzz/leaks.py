"""What must never be read by a caller: traces of how the platform is made inside."""

import re

from crm_local.settings import GATEWAY, SERVICES

LEAK = re.compile(
    r"Traceback \(most recent call last\)|asyncpg|sqlalchemy|psycopg|\bpydantic\b|google\.protobuf|site-packages"
    r"|File \"|/work/|/usr/lib|/home/|\w+\.py\b|crm_(?:" + "|".join(("kit", *SERVICES, GATEWAY)) + r")\b"
    r"|\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|\bpg_\w+|\brelation \"|\bcolumn \"|\bconstraint \""
    r"|\bpostgres(?:ql)?://|\bnats://|127\.0\.0\.1:\d|object at 0x[0-9a-f]+|\b\w+Error\(",
    re.IGNORECASE | re.DOTALL,
)


def leak_in(text: str) -> str:
    """The first trace of the inside in a text that callers see; empty when there is none."""
    match = LEAK.search(text)
    return match[0][:200] if match else ""
