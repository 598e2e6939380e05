"""Tokens verified at the gateway: whose request it is, before anything is done for it."""

from crm_kit.identity.issuers import verifier_of
from crm_kit.identity.tokens import TokenVerifier
from crm_kit.rpc.keys import keys_from_customer

from crm_gateway.admission import Caller
from crm_gateway.settings import Settings


class VerifiedCallers:
    """The kit's verification, as admission needs it."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def verify(self, token: str) -> Caller:
        """The caller; raises Unauthenticated when the token does not hold."""
        claims = await self._verifier.verify(token)
        return Caller(
            tenant_id=claims.tenant,
            token_id=claims.token_id,
            user_id=claims.user,
            session_id=claims.session_id,
            expire_time=claims.expire_time,
        )


def verified_callers(settings: Settings) -> VerifiedCallers:
    """The issuers of the settings; the built-in one's keys come from the customer service."""
    keys = keys_from_customer(settings.customer_address)
    return VerifiedCallers(verifier_of(settings.issuer, settings.audience, settings.oidc_issuers, keys))
