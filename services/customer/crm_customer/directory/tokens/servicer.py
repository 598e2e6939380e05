"""TokenService: from message to command or query and back, nothing else.

Mostly nobody is signed in here yet: then the unit that comes with a request belongs to no tenant and stays empty.
"""

from crm.customer.v1 import tokens_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork

from crm_customer.directory.tokens.commands import Issuer, wrong_credentials
from crm_customer.directory.tokens.model import parse_refresh_token
from crm_customer.directory.tokens.wire import keys_to_pb, token_to_pb


class TokenServicer:
    contract = pb.DESCRIPTOR.services_by_name["TokenService"]

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    async def CreateToken(self, request: pb.CreateTokenRequest, work: UnitOfWork) -> pb.Token:
        pair = await self._issuer.sign_in(request.tenant, request.login, request.password, now=work.now)
        return token_to_pb(pair)

    async def RefreshToken(self, request: pb.RefreshTokenRequest, work: UnitOfWork) -> pb.Token:
        token = parse_refresh_token(request.refresh_token)
        if token is None:
            raise wrong_credentials()
        return token_to_pb(await self._issuer.refresh(token, now=work.now))

    async def RevokeToken(self, request: pb.RevokeTokenRequest, work: UnitOfWork) -> pb.RevokeTokenResponse:
        token = parse_refresh_token(request.refresh_token)
        if token is not None:
            await self._issuer.revoke(token, now=work.now)
        return pb.RevokeTokenResponse()

    async def ChangePassword(self, request: pb.ChangePasswordRequest, work: UnitOfWork) -> pb.ChangePasswordResponse:
        await self._issuer.change_password(work, request.current_password, request.new_password)
        return pb.ChangePasswordResponse()

    async def GetSigningKeys(self, _request: pb.GetSigningKeysRequest, _reader: Reader) -> pb.SigningKeys:
        return keys_to_pb(await self._issuer.keys.jwks())
