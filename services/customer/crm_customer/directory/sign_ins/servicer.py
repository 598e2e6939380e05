"""SignInService: from message to command and back, nothing else.

Nobody is signed in here yet: the unit that comes with a request belongs to no tenant and stays empty.
"""

from uuid import UUID

from crm.customer.v1 import sign_ins_pb2 as pb
from crm.customer.v1 import tokens_pb2
from crm_kit.database.work import UnitOfWork

from crm_customer.directory.sign_ins.commands import ProviderAnswer, SignIns
from crm_customer.directory.tokens.wire import token_to_pb


class SignInServicer:
    contract = pb.DESCRIPTOR.services_by_name["SignInService"]

    def __init__(self, sign_ins: SignIns) -> None:
        self._sign_ins = sign_ins

    async def BeginSignIn(self, request: pb.BeginSignInRequest, work: UnitOfWork) -> pb.BeginSignInResponse:
        begun = await self._sign_ins.begin(request.tenant, request.login, now=work.now)
        return pb.BeginSignInResponse(
            authorization_url=begun.authorization_url,
            state=begun.state,
            sign_in=begun.sign_in,
            expires_in=begun.expires_in,
        )

    async def FinishSignIn(self, request: pb.FinishSignInRequest, work: UnitOfWork) -> tokens_pb2.Token:
        answer = ProviderAnswer(UUID(request.identity_provider_id), request.state, request.code, request.issuer)
        return token_to_pb(await self._sign_ins.finish(request.sign_in, answer, now=work.now))
