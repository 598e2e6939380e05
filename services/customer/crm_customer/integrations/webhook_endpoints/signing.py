"""Signatures of Standard Webhooks, version 1 (https://github.com/standard-webhooks/standard-webhooks)."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32


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
