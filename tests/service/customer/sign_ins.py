"""Companies whose people sign in with an identity provider."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from crm.customer.v1 import identity_providers_pb2, tokens_pb2, users_pb2
from crm.customer.v1 import sign_ins_pb2 as pb
from crm.customer.v1.identity_providers_pb2_grpc import IdentityProviderServiceStub
from crm.customer.v1.sign_ins_pb2_grpc import SignInServiceStub
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import Company
from tests.service.customer.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider

if TYPE_CHECKING:
    from crm.customer.v1.sign_ins_pb2_grpc import SignInServiceAsyncStub

EXPIRED = ("UNAUTHENTICATED", "SIGN_IN_EXPIRED")
REFUSED = ("UNAUTHENTICATED", "SIGN_IN_REFUSED")
UNKNOWN = ("UNAUTHENTICATED", "SIGN_IN_USER_UNKNOWN")
SUBJECT = "248289761001"


@dataclass
class Firm:
    """A company whose people sign in with a provider."""

    company: Company
    openid: OpenIdProvider
    provider: identity_providers_pb2.IdentityProvider
    sign_ins: "SignInServiceAsyncStub"

    async def begin(self, login: str = "") -> pb.BeginSignInResponse:
        return await self.sign_ins.BeginSignIn(pb.BeginSignInRequest(tenant=self.company.slug, login=login))

    def answer(
        self, begun: pb.BeginSignInResponse, sub: str = SUBJECT, *, issuer: str = "", **claims: Any
    ) -> pb.FinishSignInRequest:
        """What a browser brings back from the provider, where the person agreed."""
        sent = self.openid.agree(begun.authorization_url, sub, **claims)
        id = self.provider.id
        return pb.FinishSignInRequest(sign_in=begun.sign_in, identity_provider_id=id, issuer=issuer, **sent)

    async def sign_in(self, user: users_pb2.User, sub: str = SUBJECT, **claims: Any) -> tokens_pb2.Token:
        told: dict[str, Any] = {"email": user.login, "email_verified": True}
        told |= claims
        return await self.sign_ins.FinishSignIn(self.answer(await self.begin(), sub, **told))

    async def update(self, **values: Any) -> identity_providers_pb2.IdentityProvider:
        """The provider with other values of some fields."""
        changed = identity_providers_pb2.IdentityProvider(id=self.provider.id, **values)
        request = identity_providers_pb2.UpdateIdentityProviderRequest(
            identity_provider=changed, update_mask=FieldMask(paths=list(values))
        )
        stub = IdentityProviderServiceStub(self.company.customer.channel)
        return await stub.UpdateIdentityProvider(request, metadata=self.company.admin.metadata)


async def with_provider(company: Company, openid: OpenIdProvider, **values: Any) -> Firm:
    """A provider that the company's people sign in with."""
    stub, metadata = IdentityProviderServiceStub(company.customer.channel), company.admin.metadata
    told: dict[str, Any] = {"display_name": "Staff", "issuer": openid.issuer, "client_id": CLIENT_ID, "active": True}
    provider = await stub.CreateIdentityProvider(
        identity_providers_pb2.CreateIdentityProviderRequest(
            identity_provider=identity_providers_pb2.IdentityProvider(**told | values)
        ),
        metadata=metadata,
    )
    secret = identity_providers_pb2.SetClientSecretRequest(id=provider.id, client_secret=CLIENT_SECRET)
    provider = await stub.SetClientSecret(secret, metadata=metadata)
    return Firm(company, openid, provider, SignInServiceStub(company.customer.channel))


def whose(firm: Firm, token: tokens_pb2.Token) -> str:
    """Whose access token it is, in the firm."""
    claims = jwt.decode(token.access_token, options={"verify_signature": False})
    assert claims["tenant"] == str(firm.company.tenant_id)
    return str(claims["sub"])


async def refresh(firm: Firm, token: tokens_pb2.Token) -> tokens_pb2.Token:
    request = tokens_pb2.RefreshTokenRequest(refresh_token=token.refresh_token)
    return await TokenServiceStub(firm.company.customer.channel).RefreshToken(request)
