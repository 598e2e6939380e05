"""Links that read one file for five minutes, without a token: an attachment, or that of an export."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import cast
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crm_kit.errors import InvalidArgument
from crm_kit.packing import pack, unpack

LASTS = timedelta(minutes=5)
_SIGNATURE_BYTES = 32


@dataclass(frozen=True, slots=True)
class Link:
    """Who made it, in which tenant, and until when it holds by the clock of machines.

    What a service made in its own name it reads in that.
    """

    tenant_id: UUID
    user_id: UUID
    expire_time: datetime


class Links:
    """Signs links with a key of their own, made of the platform's."""

    def __init__(self, key: bytes, *, noun: str = "attachment") -> None:
        self._reason = f"{noun.upper()}_LINK_INVALID"
        self._key = HKDF(SHA256(), length=32, salt=None, info=f"{noun} links".encode()).derive(key)

    def made(self, link: Link, path: Sequence[str]) -> str:
        """A link to what is at the path, for example the collection, the record and the attachment."""
        packed = pack([link.tenant_id, link.user_id, link.expire_time])
        return urlsafe_b64encode(self._signature(packed, path) + packed).decode().rstrip("=")

    def read(self, sent: str, path: Sequence[str], *, now: datetime) -> Link:
        """What a link says. InvalidArgument for one that is of something else, or over; it does not say which."""
        try:
            signature, packed = _parts(sent)
        except ValueError:
            raise self.invalid() from None
        if not hmac.compare_digest(signature, self._signature(packed, path)):
            raise self.invalid()
        match unpack(packed):
            case (UUID() as tenant_id, UUID() as user_id, datetime() as expire_time) if now < expire_time:
                return Link(tenant_id, user_id, expire_time)
        raise self.invalid()

    def invalid(self) -> InvalidArgument:
        """The error for one that does not hold."""
        return InvalidArgument("the link is none, or is over; make another one", reason=self._reason)

    def _signature(self, packed: bytes, path: Sequence[str]) -> bytes:
        return hmac.digest(self._key, packed + "/".join(path).encode(), sha256)


def path_of_file(links: Links, link: Link, path: Sequence[str]) -> str:
    """Where the gateway hands out an attachment by a link, by its collection, its record and its own id."""
    collection, record_id, id = path
    above = f"/v1/{collection.replace('_', '-')}/{record_id}/attachments"
    return f"{above}/{id}:download?link={links.made(link, path)}"


def maker_of(sent: str) -> tuple[UUID, UUID]:
    """The tenant and the user whose link it is. Of one that has held: whether it does only its key says."""
    tenant_id, user_id, _ = unpack(_parts(sent)[1])
    return cast("UUID", tenant_id), cast("UUID", user_id)


def _parts(sent: str) -> tuple[bytes, bytes]:
    """Signature and what it signs; ValueError where a link is no such text."""
    data = urlsafe_b64decode(sent.encode("ascii") + b"=" * (-len(sent) % 4))
    return data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
