"""What the document says of `include`: the parameter of an operation, and what then stands beside its answer."""

from collections.abc import Iterable

from crm.resource.v1 import resources_pb2

from crm_gateway.contract import Rpc
from crm_gateway.json_schema.rules import Schema
from crm_gateway.openapi.schemas import Form, Schemas
from crm_gateway.protojson.fields import message_of
from crm_gateway.transcode.inclusion import ACTIONS, INCLUDE, INCLUDED, MISSING, batch_gets, records_field


def include_parameter(words: Iterable[str]) -> Schema:
    """The parameter of an operation whose records refer to others by these words."""
    return {
        "name": INCLUDE,
        "in": "query",
        "description": "What the answer refers to, to be put beside it in `included`; separated by commas.",
        "style": "form",
        "explode": False,
        "schema": {"type": "array", "uniqueItems": True, "items": {"type": "string", "enum": list(words)}},
    }


def included_schema(rpcs: Iterable[Rpc], schemas: Schemas) -> Schema:
    """What an answer has besides its own when `include` asks for it."""
    records = {
        collection: {"type": "object", "additionalProperties": schemas.ref(message_of(field), Form.ANSWER)}
        for collection, rpc in sorted(batch_gets(rpcs).items())
        for field in [records_field(rpc.response)]
    }
    action = resources_pb2.RecordActions.DESCRIPTOR.fields_by_name[ACTIONS]
    actions = {"type": "array", "items": schemas.ref(message_of(action), Form.ANSWER)}
    records[ACTIONS] = {"type": "object", "additionalProperties": actions}
    return {
        "type": "object",
        "description": "What `include` asks for; not there without it.",
        "properties": {
            INCLUDED: {
                "type": "object",
                "description": "The records by collection and id, as far as the caller may see them; by the id of each "
                "record of the answer its `actions`.",
                "properties": records,
            },
            MISSING: {
                "type": "array",
                "description": "The collections whose service did not answer; they are not in `included`.",
                "items": {"type": "string", "enum": list(records)},
            },
        },
    }
