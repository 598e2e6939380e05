"""Signing in with an identity provider: begun here, agreed to there, finished here, once.

Nobody is known yet: what is written is written in units of its own, in the tenant that the sign-in names. While the
provider is asked no connection is held.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from crm_kit.database.statements import statement
from crm_kit.database.work import ReadSession, retried
from crm_kit.errors import Conflict
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import new_id
from crm_kit.sealing import Sealer
from sqlalchemy import bindparam, delete
from sqlalchemy.dialects.postgresql import insert

from crm_customer.directory.identity_providers.client_secrets import ClientSecrets
from crm_customer.directory.identity_providers.model import IdentityProvider, no_provider, provider_for
from crm_customer.directory.identity_providers.queries import get_all_providers, get_serving_providers
from crm_customer.directory.sign_ins import model
from crm_customer.directory.sign_ins.model import SignIn, expired, refused, unknown_user
from crm_customer.directory.sign_ins.providers import Client, Provider, Providers, Tokens
from crm_customer.directory.sign_ins.queries import Person, find_by_login, find_by_subject
from crm_customer.directory.sign_ins.tables import finished_sign_ins
from crm_customer.directory.tenants.queries import find_tenant_id
from crm_customer.directory.tokens.commands import Issuer, Pair
from crm_customer.directory.tokens.model import new_refresh_token
from crm_customer.directory.users.tables import user_identities

log = structlog.get_logger()
CONTEXT = b"sign-in"


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in to go on with: where to, the state that comes back, and what finishes it."""

    authorization_url: str
    state: str
    sign_in: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """What a person is sent back with, and to whose redirect path; `issuer` may be empty."""

    provider_id: UUID
    state: str
    code: str
    issuer: str


@dataclass(frozen=True, slots=True)
class SignIns:
    """Sign-ins with identity providers; `address` is that of this installation, as browsers know it."""

    issuer: Issuer
    providers: Providers
    secrets: ClientSecrets
    sealer: Sealer
    address: str

    async def begin(self, slug: str, login: str, *, now: datetime) -> Begun:
        """Choose the provider and say where to go. NotFound when there is none, as for an unknown tenant."""
        tenant_id = await find_tenant_id(self.issuer.database, slug.lower())
        if tenant_id is None:
            raise no_provider()
        provider = provider_for(await get_serving_providers(self._reader(tenant_id, now)), login)
        found = (await self.providers.find(provider.issuer)).found
        sign_in = model.begin(tenant_id, provider.id, now=now)
        url = sign_in.authorization_url(
            found.authorization_endpoint, provider, self._redirect_uri(provider), login.strip()
        )
        sealed = urlsafe_b64encode(self.sealer.seal(sign_in.to_json(), CONTEXT)).rstrip(b"=").decode()
        return Begun(url, sign_in.state, sealed, int(model.LIFETIME.total_seconds()))

    async def finish(self, sealed: str, answer: ProviderAnswer, *, now: datetime) -> Pair:
        """Let the person in whom the provider vouches for; Unauthenticated, with a reason, for everybody else."""
        sign_in = self._opened(sealed)
        sign_in.check_answer(state=answer.state, provider_id=answer.provider_id, now=now)
        reader = self._reader(sign_in.tenant_id, now)
        serving = await get_serving_providers(reader)
        provider = next((each for each in serving if each.id == sign_in.provider_id), None)
        if provider is None or provider.client_id is None:
            raise expired()
        client = Client(provider.client_id, await self.secrets.find(reader, provider.id), self._redirect_uri(provider))
        called = await self.providers.find(provider.issuer)
        called.found.check_issuer(answer.issuer)
        await self._use_up(sign_in, now)
        tokens = await called.exchange(client, answer.code, sign_in.verifier)
        claims = await called.verified(tokens.id_token, client)
        sign_in.check_id_token(claims, client.id)
        login = await self._new_login(reader, provider, called, tokens, claims)
        return await retried(lambda: self._let_in(sign_in.tenant_id, provider, claims["sub"], login, now))

    def _opened(self, sealed: str) -> SignIn:
        try:
            data = self.sealer.open(urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4)), CONTEXT)
        except ValueError:
            data = None
        if data is None:
            raise expired()
        return model.from_json(data)

    async def _use_up(self, sign_in: SignIn, now: datetime) -> None:
        """Let the sign-in be finished this once, whatever comes of it."""
        try:
            async with self.issuer.unit(sign_in.tenant_id, now) as work:
                work.execute(forget_expired(), now=now)
                work.execute(
                    put_finished(),
                    digest=sign_in.digest,
                    expire_time=sign_in.expire_time,
                    unmet=lambda: Conflict("the sign-in was finished before"),
                )
        except Conflict:
            raise expired() from None

    async def _new_login(
        self, reader: ReadSession, provider: IdentityProvider, called: Provider, tokens: Tokens, claims: Any
    ) -> str | None:
        """The login by which a person is found who is not linked yet; None for one who is."""
        if await find_by_subject(reader, provider.id, claims["sub"]):
            return None
        login = provider.login_of(claims) or provider.login_of(await called.user_info(tokens, claims["sub"]))
        if login is None:
            raise refused(f"the provider does not say a {provider.login_claim.value.lower()} that can be believed")
        provider.check_serves(login, await get_all_providers(reader))
        return login

    async def _let_in(
        self, tenant_id: UUID, provider: IdentityProvider, subject: str, login: str | None, now: datetime
    ) -> Pair:
        reader = self._reader(tenant_id, now)
        person = await find_by_subject(reader, provider.id, subject)
        if person is None and login is not None:
            person = await find_by_login(reader, provider.id, login)
        if person is None or not person.active or person.subject not in (None, subject):
            raise unknown_user()
        signing = await self.issuer.keys.current()
        token = new_refresh_token(tenant_id, new_id())
        async with self.issuer.unit(tenant_id, now) as work:
            if person.subject is None:
                link = {"provider_id": provider.id, "subject": subject, "user_id": person.user_id, "create_time": now}
                work.execute(put_identity(), unmet=lambda: Conflict("the user is being linked at this moment"), **link)
            self.issuer.begin_family(work, token, person.user_id, person.version, provider_id=provider.id)
        tell(tenant_id, provider, person)
        return self.issuer.pair(token, person.user_id, signing, now)

    def _redirect_uri(self, provider: IdentityProvider) -> str:
        return self.address.rstrip("/") + provider.redirect_path

    def _reader(self, tenant_id: UUID, now: datetime) -> ReadSession:
        return ReadSession(self.issuer.database, service_actor(tenant_id), scope=Scope.ALL, now=now)


def tell(tenant_id: UUID, provider: IdentityProvider, person: Person) -> None:
    """Log who was let in, and that they were linked if they were."""
    name = "sign_in.linked" if person.subject is None else "sign_in.finished"
    log.info(name, tenant_id=str(tenant_id), provider_id=str(provider.id), user_id=str(person.user_id))


@statement
def put_finished() -> Any:
    names = ("tenant_id", "digest", "expire_time")
    row = insert(finished_sign_ins).values({name: bindparam(name) for name in names})
    return row.on_conflict_do_nothing().returning(finished_sign_ins.c.digest)


@statement
def forget_expired() -> Any:
    return delete(finished_sign_ins).where(
        finished_sign_ins.c.tenant_id == bindparam("tenant_id"), finished_sign_ins.c.expire_time < bindparam("now")
    )


@statement
def put_identity() -> Any:
    names = ("tenant_id", "provider_id", "subject", "user_id", "create_time")
    row = insert(user_identities).values({name: bindparam(name) for name in names})
    return row.on_conflict_do_nothing().returning(user_identities.c.user_id)
