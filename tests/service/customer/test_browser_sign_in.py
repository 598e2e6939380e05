"""A browser, the gateway, the service and a provider of somebody else's making: set up, signed in, signed out."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import jwt
import pytest
from crm.customer.v1 import identity_providers_pb2 as pb
from crm.customer.v1.identity_providers_pb2_grpc import IdentityProviderServiceStub
from google.protobuf.field_mask_pb2 import FieldMask
from oidc_provider_mock import User as Person
from oidc_provider_mock import run_server_in_thread

from tests.service.customer.companies import Company
from tests.service.running import Running
from tests.unit.gateway.account_service import gateway

URL = "/v1/auth/session"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with run_server_in_thread(require_client_registration=True, require_nonce=True) as server:
        yield f"http://localhost:{server.server_port}"


@pytest.fixture
async def browser(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    settings = customer.service.settings
    async with gateway(
        customer_address=settings.listen_address, issuer=settings.issuer, rate_limit_anonymous=0
    ) as client:
        client.headers.pop("authorization")
        client.base_url = httpx.URL(settings.issuer)
        yield client


@dataclass
class Provider:
    """The provider as its own people see it."""

    issuer: str

    async def register(self, redirect_uri: str) -> tuple[str, str]:
        """The id and secret of a new client."""
        async with httpx.AsyncClient(base_url=self.issuer) as client:
            answer = await client.post("/oauth2/clients", json={"redirect_uris": [redirect_uri]})
        told = answer.json()
        return told["client_id"], told["client_secret"]

    async def know(self, person: Person) -> None:
        async with httpx.AsyncClient(base_url=self.issuer) as client:
            answer = await client.put(f"/users/{person.sub}", json=person.claims)
        assert answer.is_success, answer.text

    async def agree(self, authorization_url: str, sub: str) -> str:
        """Where somebody is sent who signs in and agrees."""
        async with httpx.AsyncClient() as client:
            assert (await client.get(authorization_url)).status_code == 200
            answer = await client.post(authorization_url, data={"sub": sub})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]


@pytest.fixture
async def provider(issuer: str, company: Company) -> Provider:
    """Set up as an administrator does: drafted here, registered there with the redirect path, then switched on."""
    provider = Provider(issuer)
    stub, metadata = IdentityProviderServiceStub(company.customer.channel), company.admin.metadata
    draft = await stub.CreateIdentityProvider(
        pb.CreateIdentityProviderRequest(identity_provider=pb.IdentityProvider(display_name="Staff", issuer=issuer)),
        metadata=metadata,
    )
    address = company.customer.service.settings.issuer
    client_id, secret = await provider.register(address + draft.redirect_path)
    await stub.SetClientSecret(pb.SetClientSecretRequest(id=draft.id, client_secret=secret), metadata=metadata)
    ready = pb.IdentityProvider(id=draft.id, client_id=client_id, active=True)
    await stub.UpdateIdentityProvider(
        pb.UpdateIdentityProviderRequest(identity_provider=ready, update_mask=FieldMask(paths=["client_id", "active"])),
        metadata=metadata,
    )
    return provider


async def sign_in(browser: httpx.AsyncClient, company: Company, provider: Provider, sub: str) -> str:
    """Where the browser comes out."""
    begun = await browser.get(f"{URL}/oidc", params={"tenant": company.slug, "return_to": "/console/"})
    assert begun.status_code == 303, begun.text
    back = urlsplit(await provider.agree(begun.headers["location"], sub))
    assert f"{back.scheme}://{back.netloc}" == company.customer.service.settings.issuer
    finished = await browser.get(f"{back.path}?{back.query}")
    assert finished.status_code == 303, finished.text
    return str(finished.headers["location"])


async def test_a_browser_signs_in_goes_on_and_signs_out(
    browser: httpx.AsyncClient, company: Company, provider: Provider
) -> None:
    user = await company.user()
    await provider.know(Person(sub="4711", claims={"email": user.login, "email_verified": True}))
    assert await sign_in(browser, company, provider, "4711") == "/console/"
    for _ in range(2):
        session = await browser.post(f"{URL}:refresh")
        claims = jwt.decode(session.json()["access_token"], options={"verify_signature": False})
        assert (claims["sub"], claims["tenant"]) == (user.id, str(company.tenant_id))
    assert (await browser.delete(URL)).status_code == 204
    assert (await browser.post(f"{URL}:refresh")).status_code == 401
    # The second time the subject alone says who it is.
    await provider.know(Person(sub="4711", claims={}))
    assert await sign_in(browser, company, provider, "4711") == "/console/"
    assert (await browser.post(f"{URL}:refresh")).status_code == 200


async def test_whoever_is_no_user_comes_back_without_a_session(
    browser: httpx.AsyncClient, company: Company, provider: Provider
) -> None:
    await provider.know(Person(sub="stranger", claims={"email": "stranger@company.test", "email_verified": True}))
    await provider.know(
        Person(sub="unverified", claims={"email": (await company.user()).login, "email_verified": False})
    )
    for sub in ("stranger", "unverified"):
        place = await sign_in(browser, company, provider, sub)
        assert place == "/console/?sign_in_error=SIGN_IN_USER_UNKNOWN"
        assert list(browser.cookies) == []
        assert (await browser.post(f"{URL}:refresh")).status_code == 401


async def test_the_way_back_leads_in_once(browser: httpx.AsyncClient, company: Company, provider: Provider) -> None:
    user = await company.user()
    await provider.know(Person(sub="once", claims={"email": user.login, "email_verified": True}))
    begun = await browser.get(f"{URL}/oidc", params={"tenant": company.slug})
    kept = dict(browser.cookies)
    back = urlsplit(await provider.agree(begun.headers["location"], "once"))
    assert (await browser.get(f"{back.path}?{back.query}")).headers["location"] == "/"
    browser.cookies = httpx.Cookies(kept)
    again = await browser.get(f"{back.path}?{back.query}")
    assert again.headers["location"] == "/?sign_in_error=SIGN_IN_EXPIRED"
