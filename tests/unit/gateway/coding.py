"""What the compiled codec makes of a message, and of JSON."""

from typing import Any

import orjson
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.protojson.encoder import Encoders, json_bytes
from crm_gateway.transcode.decoder import Decoders

ENCODERS, DECODERS = Encoders(), Decoders()


def encoded(message: Any) -> Any:
    return orjson.loads(json_bytes(ENCODERS.of(message.DESCRIPTOR)(message)))


def decoded(content: Any, kind: Any) -> Any:
    message = kind()
    violations: list[Any] = []
    DECODERS.of(kind.DESCRIPTOR)(message, content, "", violations)
    assert violations == []
    return message


def refusals(content: Any, kind: Any = pb.Account) -> list[tuple[str, str]]:
    violations: list[Any] = []
    DECODERS.of(kind.DESCRIPTOR)(kind(), content, "", violations)
    return [(each.field, each.rule) for each in violations]
