"""Passwords and keys of one installation: made on the first start, kept in one file only its owner can read."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from crm_local.failure import LocalFailure
from crm_local.settings import GATEWAY, SERVICES


def _password() -> str:
    # Letters, digits, - and _ only: it stands in URLs, JSON and shell commands without quoting.
    return secrets.token_urlsafe(18)


def _key() -> str:
    """32 random bytes, urlsafe base64 with padding."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _role_passwords() -> dict[str, str]:
    roles = [role for service in SERVICES for role in (f"crm_{service}", f"crm_{service}_owner")]
    return {role: _password() for role in roles}


def _nats_passwords() -> dict[str, str]:
    return {process: _password() for process in (*SERVICES, GATEWAY)}


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What only this installation knows.

    `roles` maps a database role to its password, `nats` a service or the gateway to its password at NATS;
    `nats_password` is that of the operator of NATS.
    """

    postgres_password: str = field(default_factory=_password)
    nats_password: str = field(default_factory=_password)
    page_token_key: str = field(default_factory=_key)
    signing_key_secret: str = field(default_factory=_key)
    sales_key: str = field(default_factory=_key)
    channel_key_secret: str = field(default_factory=_key)
    demo_password: str = field(default_factory=_password)
    roles: dict[str, str] = field(default_factory=_role_passwords)
    nats: dict[str, str] = field(default_factory=_nats_passwords)


def load_credentials(file: Path) -> Credentials:
    """Read `file`, make what it lacks and keep that with mode 600."""
    known: dict[str, object] = {}
    if file.exists():
        try:
            known = json.loads(file.read_text())
            credentials = _complete(known)
        except (ValueError, TypeError, AttributeError) as error:
            raise LocalFailure(
                f"{file} is damaged ({error}): put it right from a copy, or `make reset` forgets all data"
            ) from error
    else:
        credentials = Credentials()
    if asdict(credentials) != known:
        write_private(file, json.dumps(asdict(credentials), indent=2) + "\n")
    file.chmod(0o600)
    return credentials


def write_private(file: Path, text: str) -> None:
    """Write `text` so that nobody else can read it at any moment and a half-written file never counts."""
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def _complete(known: dict[str, object]) -> Credentials:
    names = {entry.name for entry in fields(Credentials)}
    if unknown := known.keys() - names:
        raise ValueError(f"{', '.join(sorted(unknown))} is unknown")
    texts = {name: value for name, value in known.items() if name not in ("roles", "nats")}
    roles, nats = _passwords(known, "roles"), _passwords(known, "nats")
    for name, value in (texts | roles | nats).items():
        if not isinstance(value, str) or not value:
            raise ValueError(f"{name} is no text")
    return Credentials(
        **{name: str(value) for name, value in texts.items()},
        roles=_role_passwords() | roles,
        nats=_nats_passwords() | nats,
    )


def _passwords(known: dict[str, object], name: str) -> dict[str, str]:
    found = known.get(name, {})
    if not isinstance(found, dict):
        raise TypeError(f"{name} is no object")
    return found
