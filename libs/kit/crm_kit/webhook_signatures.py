"""Signatures of Standard Webhooks, version 1 (https://github.com/standard-webhooks/standard-webhooks)."""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

PREFIX = "whsec_"
SECRET_BYTES = 32
# How far the time of a signature may be from the receiver's: what somebody has overheard cannot be sent again later.
TOLERANCE = timedelta(minutes=5)
# Of a delivery, by as many secrets; a sender has two while it changes them.
MAX_SIGNATURES = 10
_TIMESTAMP = re.compile("[0-9]{1,12}")


def new_secret() -> str:
    """As receivers are given it."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers_of(id: str, body: bytes, signed_by: Iterable[str], *, now: datetime) -> Mapping[str, str]:
    """The headers by which a receiver knows the message; `now` is the system's, by which receivers refuse what is old.

    Each secret has a signature of its own, the newest first.
    """
    time = str(int(now.timestamp()))
    signatures = (signature(each, f"{id}.{time}.".encode() + body) for each in signed_by)
    return {"webhook-id": id, "webhook-timestamp": time, "webhook-signature": " ".join(signatures)}


def signature(secret: str, content: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of the content in base64."""
    key = b64decode(secret.removeprefix(PREFIX))
    return "v1," + b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


def holds(signatures: str, id: str, timestamp: str, body: bytes, signed_by: Sequence[str], *, now: datetime) -> bool:
    """Whether one of the signatures is of one of the secrets, and was made within `TOLERANCE` of `now`.

    `signatures` and `timestamp` are as the headers have them, whoever wrote them. It takes as long whichever holds.
    """
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        return False
    content = f"{id}.{timestamp}.".encode() + body
    given = [each.encode() for each in signatures.split(" ")[:MAX_SIGNATURES]]
    # Once for each secret: a large body takes a while, and whoever sends it says how many signatures it has.
    right = [signature(secret, content).encode() for secret in signed_by]
    matches = [hmac.compare_digest(one, each) for one in right for each in given]
    return any(matches)
