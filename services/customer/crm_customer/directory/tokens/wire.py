"""Tokens between protobuf and plain values."""

from collections.abc import Mapping
from typing import Any

from crm.customer.v1 import tokens_pb2 as pb

from crm_customer.directory.tokens.commands import Pair

BEARER = "Bearer"


def token_to_pb(pair: Pair) -> pb.Token:
    return pb.Token(
        access_token=pair.access_token,
        token_type=BEARER,
        expires_in=pair.expires_in,
        refresh_token=pair.refresh_token,
        refresh_expires_in=pair.refresh_expires_in,
    )


def keys_to_pb(jwks: Mapping[str, Any]) -> pb.SigningKeys:
    return pb.SigningKeys(keys=[pb.SigningKey(**key) for key in jwks["keys"]])
