"""Rules of signing in: what a refresh token looks like, and how long a login waits after failures."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from uuid import UUID

FIRST_WAIT = timedelta(seconds=30)
# Failures as old as this are no sign of an attack.
FORGOTTEN_AFTER = timedelta(days=1)
SECRET_BYTES = 32
# So long a refresh token gives its successor again: for a second tab, and for an answer that was lost.
REUSE_WINDOW = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures cost nothing but the last of them, and how long the longest wait after that is."""

    free_failures: int
    longest_wait: timedelta


HERE = Patience(5, timedelta(minutes=15))
"""With guesses at one login from one network."""

ANYWHERE = Patience(50, timedelta(minutes=1))
"""With guesses at one login from all networks that are not known: about as many in an hour as there are minutes.

Not longer, or a stranger could keep the owner, who may be at a new place, from ever having a turn.
"""


@dataclass(frozen=True, slots=True)
class Failures:
    """Failures to sign in with one login, from one network or anywhere, and when the last one was."""

    count: int
    last_time: datetime

    def wait(self, now: datetime, patience: Patience) -> timedelta:
        """How long from `now` on nobody may try; zero or less when they may.

        None for failures that are free, 30 seconds after the last of these, then doubled by each further one.
        """
        if self.count < patience.free_failures:
            return timedelta(0)
        doublings = min(self.count - patience.free_failures, 10)
        return min(FIRST_WAIT * (1 << doublings), patience.longest_wait) - (now - self.last_time)


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
    def session_id(self) -> UUID:
        """What access tokens call the family: it leads nobody to a refresh token."""
        return UUID(bytes=hashlib.sha256(self.family_id.bytes).digest()[:16])

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


def login_key(tenant: str, login: str, client_address: str | None = None) -> bytes:
    """What guesses at a login are counted by: from the network of an address, or anywhere.

    Logins that do not exist are counted too, so that waiting tells nothing.
    """
    parts = [tenant, login] if client_address is None else [tenant, login, network_of(client_address)]
    return hashlib.sha256("\n".join(parts).encode()).digest()


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
