"""Secrets at rest: sealed by a key made of a secret of the installation, a different one for each purpose."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


def derived_key(secret: str, purpose: bytes) -> bytes:
    """32 bytes made of the secret, different for each purpose."""
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(secret.encode())


class Sealer:
    """Seals by AES-256-GCM: 12 bytes of nonce, then the rest. What is sealed opens in the same context only."""

    def __init__(self, secret: str, purpose: bytes) -> None:
        self._cipher = AESGCM(derived_key(secret, purpose))

    def seal(self, data: bytes, context: bytes) -> bytes:
        """The data, which nobody can read or change from now on."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, context)

    def open(self, sealed: bytes, context: bytes) -> bytes | None:
        """The data; None when it was sealed by another secret, or for something else, or changed."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            return None
