"""Identity providers through their contract: who may set them up, what they must be, and that no secret is told."""

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from crm.customer.v1 import events_pb2
from crm.customer.v1 import identity_providers_pb2 as pb
from crm.customer.v1.identity_providers_pb2_grpc import IdentityProviderServiceStub
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_customer.directory.identity_providers.client_secrets import ClientSecrets
from crm_customer.directory.identity_providers.tables import client_secrets
from crm_customer.settings import CustomerSettings
from crm_kit.database.statements import statement
from crm_kit.errors import Unavailable
from crm_kit.identity.access import Scope
from crm_kit.plumbing import changes, outbox
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToJson
from sqlalchemy import Select, bindparam, select

from tests.service.customer.companies import Company, open_company
from tests.service.customer.told import as_of
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.identity_providers_pb2_grpc import IdentityProviderServiceAsyncStub

ISSUER = "https://login.huaxin.example/realms/staff"
SECRET = "kZ7vQ2mX9pL4"
Claim = pb.IdentityProvider


@pytest.fixture
def providers(customer: Running) -> "IdentityProviderServiceAsyncStub":
    return IdentityProviderServiceStub(customer.channel)


def new(**values: Any) -> pb.CreateIdentityProviderRequest:
    told: dict[str, Any] = {"display_name": "Staff", "issuer": ISSUER} | values
    return pb.CreateIdentityProviderRequest(identity_provider=pb.IdentityProvider(**told))


def changed(provider: pb.IdentityProvider, **values: Any) -> pb.UpdateIdentityProviderRequest:
    told = pb.IdentityProvider(id=provider.id, **values)
    return pb.UpdateIdentityProviderRequest(identity_provider=told, update_mask=FieldMask(paths=list(values)))


async def test_a_provider_is_drafted_then_told_who_we_are_then_used(
    providers: "IdentityProviderServiceAsyncStub", company: Company
) -> None:
    metadata = company.admin.metadata
    draft = await providers.CreateIdentityProvider(new(domains=["Huaxin.Example"]), metadata=metadata)
    assert (draft.active, draft.client_id, draft.login_claim) == (False, "", Claim.LOGIN_CLAIM_EMAIL)
    assert draft.redirect_path == f"/v1/auth/session/oidc/callback/{draft.id}"
    assert list(draft.domains) == ["huaxin.example"]
    used = await providers.UpdateIdentityProvider(changed(draft, client_id="guanxi", active=True), metadata=metadata)
    secret = pb.SetClientSecretRequest(id=draft.id, client_secret=SECRET)
    ready = await providers.SetClientSecret(secret, metadata=metadata)
    assert ready.HasField("client_secret_time")
    assert await providers.GetIdentityProvider(pb.GetIdentityProviderRequest(id=draft.id), metadata=metadata) == ready
    assert await company.told(draft.id) == [
        events_pb2.IdentityProviderCreated(identity_provider=draft),
        events_pb2.IdentityProviderUpdated(identity_provider=used, changed_fields=["client_id", "active"]),
        events_pb2.IdentityProviderClientSecretSet(identity_provider=ready),
    ]
    states = [draft, used, ready]
    assert [await as_of(company.customer, company.admin, "identity_providers", each) for each in states] == states


@statement
def told_and_kept() -> Select[Any]:
    return select(outbox.c.event).where(outbox.c.tenant_id == bindparam("tenant_id"))


@statement
def history() -> Select[Any]:
    return select(changes.c.fields).where(changes.c.tenant_id == bindparam("tenant_id"))


@statement
def sealed() -> Select[Any]:
    return select(client_secrets.c.secret, client_secrets.c.provider_id).where(
        client_secrets.c.tenant_id == bindparam("tenant_id")
    )


async def test_a_client_secret_is_told_nobody_and_kept_encrypted(
    providers: "IdentityProviderServiceAsyncStub", company: Company, customer: Running
) -> None:
    provider = await providers.CreateIdentityProvider(new(), metadata=company.admin.metadata)
    request = pb.SetClientSecretRequest(id=provider.id, client_secret=SECRET)
    answers = [await providers.SetClientSecret(request, metadata=company.admin.metadata) for _ in range(2)]
    assert not any(SECRET in MessageToJson(answer) for answer in answers)
    async with customer.unit_of_work(company.tenant_id) as work:
        rows = [*await work.all(told_and_kept()), *await work.all(history())]
        (stored,) = await work.all(sealed())
        settings = customer.service.settings
        assert isinstance(settings, CustomerSettings)
        ours = ClientSecrets(settings.signing_key_secret)
        assert await ours.find(work, stored["provider_id"]) == SECRET
        with pytest.raises(Unavailable):
            await ClientSecrets("another secret altogether").find(work, stored["provider_id"])
    assert rows
    assert not any(SECRET in str(row[0]) for row in rows)
    assert SECRET.encode() not in stored["secret"]


async def test_whoever_may_not_do_everything_does_not_decide_who_is_let_in(
    providers: "IdentityProviderServiceAsyncStub", company: Company
) -> None:
    """With a provider of their own they would sign in as the administrator."""
    provider = await providers.CreateIdentityProvider(new(), metadata=company.admin.metadata)
    role = await company.role(identity_providers_write=Scope.ALL, identity_providers_read=Scope.ALL)
    somebody = company.acting(await company.user(role))
    calls = (
        providers.CreateIdentityProvider(new(issuer="https://mine.example"), metadata=somebody.metadata),
        providers.UpdateIdentityProvider(changed(provider, client_id="mine"), metadata=somebody.metadata),
        providers.SetClientSecret(
            pb.SetClientSecretRequest(id=provider.id, client_secret="mine"), metadata=somebody.metadata
        ),
    )
    for call in calls:
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await call
    for caller, reason in ((somebody, "PERMISSION_DENIED"), (company.admin, "")):
        question = generic.GetRecordActionsRequest(collection="identity_providers", id=provider.id)
        told = await ResourceServiceStub(company.customer.channel).GetRecordActions(question, metadata=caller.metadata)
        assert [(each.verb, each.reason) for each in told.actions] == [("setClientSecret", reason)]
    seen = await providers.ListIdentityProviders(pb.ListIdentityProvidersRequest(), metadata=somebody.metadata)
    assert list(seen.identity_providers) == [provider]


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.huaxin.example",
        "http://10.0.0.7",
        "ftp://login.huaxin.example",
        "https://login.huaxin.example?x=1",
        "https://login.huaxin.example#x",
        "https://somebody@login.huaxin.example",
        "https://login.huaxin.example:0x50",
        "https://login huaxin.example",
        "https://登录.example",
        "https://",
        "",
    ],
)
async def test_an_issuer_that_nobody_may_call_is_refused(
    providers: "IdentityProviderServiceAsyncStub", company: Company, issuer: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await providers.CreateIdentityProvider(new(issuer=issuer), metadata=company.admin.metadata)
    assert refusal.fields == ["identity_provider.issuer"]


async def test_it_is_active_only_with_a_client_id(
    providers: "IdentityProviderServiceAsyncStub", company: Company
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await providers.CreateIdentityProvider(new(active=True), metadata=company.admin.metadata)
    assert refusal.fields == ["identity_provider.client_id"]


async def test_the_issuer_stays_for_subjects_are_its_own(
    providers: "IdentityProviderServiceAsyncStub", company: Company
) -> None:
    provider = await providers.CreateIdentityProvider(new(), metadata=company.admin.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await providers.UpdateIdentityProvider(
            changed(provider, issuer="https://other.example"), metadata=company.admin.metadata
        )
    assert refusal.fields == ["identity_provider.issuer"]
    same = await providers.UpdateIdentityProvider(changed(provider, issuer=ISSUER), metadata=company.admin.metadata)
    assert same == provider


async def test_an_issuer_is_there_once_in_a_tenant(
    providers: "IdentityProviderServiceAsyncStub", company: Company, customer: Running
) -> None:
    await providers.CreateIdentityProvider(new(), metadata=company.admin.metadata)
    with refused("ALREADY_EXISTS", "ALREADY_EXISTS"):
        await providers.CreateIdentityProvider(new(), metadata=company.admin.metadata)
    other = await open_company(customer)
    assert (await providers.CreateIdentityProvider(new(), metadata=other.admin.metadata)).issuer == ISSUER


async def test_a_domain_is_served_by_one_provider_however_many_are_made_at_once(
    providers: "IdentityProviderServiceAsyncStub", company: Company
) -> None:
    for turn in range(5):
        domains = [f"huaxin{turn}.example"]
        requests = [new(issuer=f"https://{name}{turn}.example", domains=domains) for name in "abcd"]
        answers = await asyncio.gather(
            *(providers.CreateIdentityProvider(request, metadata=company.admin.metadata) for request in requests),
            return_exceptions=True,
        )
        refusals = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert [refusal.code() for refusal in refusals] == [grpc.StatusCode.ALREADY_EXISTS] * 3


async def test_a_stale_etag_another_tenant_and_a_repeated_key(
    providers: "IdentityProviderServiceAsyncStub", company: Company, customer: Running
) -> None:
    key = company.admin.with_key("provider")
    provider = await providers.CreateIdentityProvider(new(), metadata=key)
    assert await providers.CreateIdentityProvider(new(), metadata=key) == provider
    await providers.UpdateIdentityProvider(changed(provider, display_name="All"), metadata=company.admin.metadata)
    stale = changed(provider, display_name="None", etag=provider.etag)
    stale.update_mask.paths.remove("etag")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await providers.UpdateIdentityProvider(stale, metadata=company.admin.metadata)
    stranger: User = (await open_company(customer)).admin
    with refused("NOT_FOUND", "IDENTITY_PROVIDER_NOT_FOUND"):
        await providers.GetIdentityProvider(pb.GetIdentityProviderRequest(id=provider.id), metadata=stranger.metadata)
    with refused("NOT_FOUND", "IDENTITY_PROVIDER_NOT_FOUND"):
        await providers.SetClientSecret(
            pb.SetClientSecretRequest(id=provider.id, client_secret=SECRET), metadata=stranger.metadata
        )
