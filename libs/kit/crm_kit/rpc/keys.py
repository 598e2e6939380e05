"""The built-in issuer's public keys, asked of the service that makes them."""

from crm.customer.v1 import tokens_pb2 as pb
from google.protobuf.json_format import MessageToDict

from crm_kit.errors import CrmError, Unavailable
from crm_kit.identity.key_ring import FetchKeys
from crm_kit.rpc.clients import ServiceClient
from crm_kit.telemetry import NO_REQUEST, current

PATH = "/crm.customer.v1.TokenService/GetSigningKeys"


def keys_from_customer(address: str) -> FetchKeys:
    """Reads the JWK set from the customer service at `host:port`, without a token; Unavailable when it is silent."""

    async def fetch() -> dict[str, object]:
        # Asked rarely: a channel for each time leaves nothing to close, and finds the service wherever it is now.
        peer = ServiceClient(address, name="customer")
        # The keys are for everyone: neither the caller's token nor their haste belongs to the question.
        token = current.set(NO_REQUEST)
        try:
            found = await peer.call(PATH, pb.GetSigningKeysRequest(), pb.SigningKeys)
        except CrmError as error:
            raise Unavailable("the keys of the built-in issuer cannot be read now", retry_after_seconds=1) from error
        finally:
            current.reset(token)
            await peer.close()
        return {"keys": [MessageToDict(key) for key in found.keys]}

    return fetch
