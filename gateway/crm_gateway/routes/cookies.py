"""Cookies that no script can read and no page of a sibling domain can put in the place of ours.

`__Host-` has the browser see to the latter: it takes such a name only from this host, over TLS, and for every path.
Where the issuer's address is http, as on a developer's machine, cookies have neither the name nor `Secure`.
"""

from dataclasses import dataclass
from typing import Literal

from crm_gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Cookies:
    """How the cookies of an installation are named and set; `secure` where it is reached over TLS."""

    secure: bool

    @classmethod
    def of(cls, settings: Settings) -> "Cookies":
        return cls(settings.issuer.startswith("https://"))

    def name(self, plain: str) -> str:
        """The name in full."""
        return f"__Host-{plain}" if self.secure else plain

    def header(self, plain: str, value: str, seconds: int, same_site: Literal["Strict", "Lax"]) -> str:
        """The `Set-Cookie` header; 0 seconds end the cookie."""
        secure = "; Secure" if self.secure else ""
        name = self.name(plain)
        return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}"
