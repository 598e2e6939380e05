"""Rules of signing in: what a refresh token looks like, and how long a login waits after failures."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from uuid import UUID

FREE_FAILURES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
# Failures as old as this are no sign of an attack.
FORGOTTEN_AFTER = timedelta(days=1)
SECRET_BYTES = 32
# So long a refresh token gives its successor again: for a second tab, and for an answer that was lost.
REUSE_WINDOW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures to sign in with one login from one network since the last success, and when the last one was."""

    count: int
    last_time: datetime

    def wait(self, now: datetime) -> timedelta:
        """How long from `now` on nobody may try; zero or less when they may.

        None for the first four failures, 30 seconds after the fifth, then doubled by each further one.
        """
        if self.count < FREE_FAILURES:
            return timedelta(0)
        doublings = min(self.count - FREE_FAILURES, 10)
        return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT) - (now - self.last_time)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a refresh token says: whose it is, of which family, and 256 bits that nobody guesses.

    All tokens that follow from one sign-in are a family; the newest of them is the one that holds.
    """

    tenant_id: UUID
    family_id: UUID
    secret: bytes

    @property
    def text(self) -> str:
        """As the caller keeps it: base64url without padding."""
        return urlsafe_b64encode(self.tenant_id.bytes + self.family_id.bytes + self.secret).rstrip(b"=").decode()

    @property
    def digest(self) -> bytes:
        """As it is stored. SHA-256 is enough: what has 256 random bits cannot be tried out."""
        return hashlib.sha256(self.secret).digest()

    def successor(self, key: bytes) -> "RefreshToken":
        """The next of its family: always the same, and nobody without the issuer's key can tell which.

        So whoever sends a token again gets what the first answer had, although no token is stored.
        """
        text = self.tenant_id.bytes + self.family_id.bytes + self.secret
        return RefreshToken(self.tenant_id, self.family_id, hmac.digest(key, text, "sha256"))


def new_refresh_token(tenant_id: UUID, family_id: UUID) -> RefreshToken:
    """A token nobody has seen."""
    return RefreshToken(tenant_id, family_id, secrets.token_bytes(SECRET_BYTES))


def parse_refresh_token(text: str) -> RefreshToken | None:
    """The token, None when the text is none."""
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return None
    if len(data) != 32 + SECRET_BYTES:
        return None
    return RefreshToken(UUID(bytes=data[:16]), UUID(bytes=data[16:32]), data[32:])


def login_key(tenant: str, login: str, client_address: str) -> bytes:
    """What failures are counted by: whoever fails elsewhere keeps nobody from signing in.

    Logins that do not exist are counted too, so that waiting tells nothing.
    """
    return hashlib.sha256(f"{tenant}\n{login}\n{network_of(client_address)}".encode()).digest()


def network_of(address: str) -> str:
    """Where an address is at home: of IPv6 the /64 that one household has, else the address itself."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(ip_network((parsed.packed, 64), strict=False))
