"""A small OpenID provider that keeps the rules, and breaks one of them when a test asks for it."""

import asyncio
import contextlib
import hashlib
import json
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

CLIENT_ID, CLIENT_SECRET = "guanxi", "s3cret: with % and ü"
Answer = tuple[int, Mapping[str, Any]]
# Made once: it takes a while, and no test minds whose they are.
KEYS = [generate_private_key(65537, 2048) for _ in range(2)]


@dataclass
class Grant:
    """What an authorization code stands for."""

    asked: dict[str, str]
    claims: dict[str, Any]


@dataclass
class OpenIdProvider:
    """Serves discovery, keys, tokens and user info at `issuer`."""

    issuer: str = ""
    key_id: str = "one"
    key: RSAPrivateKey = KEYS[0]
    # What is served instead of the usual at a path.
    instead: dict[str, Answer] = field(default_factory=dict)
    # Added to the discovery document.
    metadata: dict[str, Any] = field(default_factory=dict)
    more_keys: list[dict[str, Any]] = field(default_factory=list)
    user_info: dict[str, Any] = field(default_factory=dict)
    # Makes the ID token of its claims; the rules are kept when there is none.
    signs: Callable[[dict[str, Any]], str] | None = None
    asked: Counter[str] = field(default_factory=Counter)
    _grants: dict[str, Grant] = field(default_factory=dict)

    def rotate(self) -> None:
        """Sign with another key from now on; the old one is gone."""
        self.key_id, self.key = "two", KEYS[1]

    def agree(self, authorization_url: str, sub: str, **claims: Any) -> dict[str, str]:
        """The person signs in and agrees: the parameters that the browser is sent back with."""
        asked = dict(parse_qsl(urlsplit(authorization_url).query))
        code = secrets.token_urlsafe(16)
        self._grants[code] = Grant(asked, {"sub": sub} | claims)
        return {"code": code, "state": asked["state"]}

    def answer(self, path: str, headers: Mapping[str, str], form: dict[str, str]) -> Answer:
        self.asked[path] += 1
        if path in self.instead:
            return self.instead[path]
        match path:
            case "/.well-known/openid-configuration":
                return 200, self._document()
            case "/keys":
                return 200, {"keys": [*self.more_keys, self.jwk()]}
            case "/token":
                return self._token(headers, form)
            case "/me":
                return 200, self.user_info
        return 404, {}

    def jwk(self) -> dict[str, Any]:
        """The public half of the key."""
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**public, "kid": self.key_id, "alg": "RS256", "use": "sig"}

    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def signed(self, claims: dict[str, Any], **headers: Any) -> str:
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.key_id} | headers)

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/me",
            "jwks_uri": f"{self.issuer}/keys",
        } | self.metadata

    def _token(self, headers: Mapping[str, str], form: dict[str, str]) -> Answer:
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None or not self._is_right(grant, headers, form):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": grant.asked["nonce"]}
        claims |= grant.claims
        sign = self.signs or self.signed
        return 200, {"id_token": sign(claims), "access_token": "a-token", "token_type": "Bearer", "expires_in": 300}

    def _is_right(self, grant: Grant, headers: Mapping[str, str], form: dict[str, str]) -> bool:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
        return (
            client_of(headers, form) == (CLIENT_ID, CLIENT_SECRET)
            and form.get("redirect_uri") == grant.asked["redirect_uri"]
            and (challenge, "S256") == (grant.asked["code_challenge"], grant.asked["code_challenge_method"])
        )


def client_of(headers: Mapping[str, str], form: Mapping[str, str]) -> tuple[str, str]:
    """Who asks for tokens, by header or form."""
    basic = headers.get("authorization", "").removeprefix("Basic ")
    if not basic:
        return form.get("client_id", ""), form.get("client_secret", "")
    id, _, secret = b64decode(basic).decode().partition(":")
    return unquote(id), unquote(secret)


@contextlib.asynccontextmanager
async def serving(provider: OpenIdProvider) -> AsyncIterator[OpenIdProvider]:
    """The provider at an address of its own."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, content = provider.answer(urlsplit(first.split(" ")[1]).path, headers, form)
            writer.write(written(status, content))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    provider.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.close()


def written(status: int, content: Mapping[str, Any]) -> bytes:
    """An answer over HTTP; `_location` of the content is where a redirect leads."""
    body = json.dumps(content).encode()
    location = f"Location: {content['_location']}\r\n" if "_location" in content else ""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{location}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
