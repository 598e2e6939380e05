"""Services that call others in their own name, as an order asks for credit whoever places it.

The caller proves who it is by a token (RFC 7519) for one rpc, one tenant and one minute, signed with a key that it
shares with those it calls in this way, and with nobody else.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import jwt

from crm_kit.errors import Unauthenticated

ALGORITHM = "HS256"
LASTS_SECONDS = 60
# Clocks of machines differ.
LEEWAY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ServiceIdentity:
    """A service as it proves itself to others; the key has at least 32 bytes."""

    name: str
    key: bytes = field(repr=False)

    def authorization(self, path: str, tenant_id: UUID) -> str:
        """The `authorization` of a call to `/crm.scoring.v1.CreditService/CheckCredit` for a tenant."""
        now = int(time.time())
        claims = {"iss": self.name, "aud": path, "tenant": str(tenant_id), "iat": now, "exp": now + LASTS_SECONDS}
        return f"Bearer {jwt.encode(claims, self.key, algorithm=ALGORITHM)}"


def tenant_of_call(token: str, path: str, keys: Mapping[str, bytes], callers: Collection[str]) -> UUID:
    """The tenant that one of the `callers` calls for; Unauthenticated for anybody else, `keys` are by their names."""
    try:
        name = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
        if name not in callers or name not in keys:
            raise Unauthenticated("this is for services of the platform only")
        claims = jwt.decode(
            token,
            keys[name],
            algorithms=[ALGORITHM],
            audience=path,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "tenant"]},
        )
        return UUID(claims["tenant"])
    except (jwt.PyJWTError, ValueError, AttributeError) as error:
        raise Unauthenticated("this is for services of the platform only") from error
