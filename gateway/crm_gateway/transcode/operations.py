"""The bindings of all RPCs, and what is compiled for each: its reader, encoder and the shape of its answer."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote

import grpc

from crm_gateway.channels import Reply
from crm_gateway.contract import INTERNAL, PUBLIC, Binding, Contract, Rpc
from crm_gateway.exchange import Answer, Exchange, Headers
from crm_gateway.preconditions import entity_tag, known_tag, shown_tag
from crm_gateway.problems import Explain, LabelsOf, Problem, from_rpc_error
from crm_gateway.protojson.encoder import Encode, Encoders
from crm_gateway.protojson.large import json_text
from crm_gateway.texts.catalogue import Language
from crm_gateway.texts.labels import RecordLabels
from crm_gateway.texts.rule_values import RuleValues
from crm_gateway.transcode.decoder import Decoders
from crm_gateway.transcode.inclusion import Found, batch_gets
from crm_gateway.transcode.requests import RequestReader, parse_parameters
from crm_gateway.transcode.routes import Template, parse_template
from crm_gateway.transcode.views import View, Views
from crm_gateway.translation.answers import Translate, translator

_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_REVALIDATE = (b"cache-control", b"private, no-cache")
_REPLAYED = (b"idempotent-replayed", b"true")


class Compiler:
    """What operations are compiled with; what they have in common is compiled once."""

    def __init__(self, contract: Contract) -> None:
        self._encoders = Encoders()
        self._decoders, self._whole_decoders = Decoders(), Decoders(keep_output_only=True)
        self._batch_decoders = Decoders(keep_ids=True)
        self._collections = batch_gets(contract.rpcs).keys()

    def encode(self, rpc: Rpc) -> Encode:
        return self._encoders.of(rpc.response)

    def views(self, rpc: Rpc) -> Views:
        return Views(rpc.response, self._encoders, self._collections)

    def reader(self, rpc: Rpc, binding: Binding, template: Template, about_answer: Collection[str]) -> RequestReader:
        reading = self._batch_decoders if rpc.name.startswith("BatchUpdate") else self._decoders
        if not rpc.is_read and not _is_update(rpc):
            reading = self._whole_decoders
        return RequestReader(rpc, binding, template, reading, about_answer)


@dataclass(frozen=True, eq=False)
class Operation:
    """One binding of one RPC. What serves it is compiled when it is first asked for: most of 1,500 seldom are.

    `tagged`: the answer has an etag; `guarded`: `If-Match` can be given; `located`: the path of what a create makes,
    up to its id, "" for the request's own path.
    """

    rpc: Rpc
    binding: Binding
    template: Template
    public: bool
    empty: bool
    creates: bool
    tagged: bool
    located: str | None
    explain: Explain
    labels_of: LabelsOf
    compiler: Compiler

    @cached_property
    def reader(self) -> RequestReader:
        about_answer = () if self.views is None else self.views.parameters
        return self.compiler.reader(self.rpc, self.binding, self.template, about_answer)

    @cached_property
    def encode(self) -> Encode:
        return self.compiler.encode(self.rpc)

    @cached_property
    def views(self) -> Views | None:
        """Of the answer to a GET."""
        return self.compiler.views(self.rpc) if self.binding.verb == "GET" and not self.empty else None

    @cached_property
    def guarded(self) -> bool:
        return self.reader.takes_etag and not self.creates and not self.rpc.is_read

    @cached_property
    def translate(self) -> Translate | None:
        """Puts what the answer says in words into the caller's language; None where it says nothing in words."""
        return translator(self.rpc.response)

    def problem_of(self, error: grpc.aio.AioRpcError) -> Problem:
        """The problem of a call that failed."""
        return from_rpc_error(
            error,
            body_field=self.binding.body,
            explain=self.explain,
            labels_of=self.labels_of,
            peer=self.rpc.owner,
        )

    def view(self, query: bytes) -> View | None:
        """The view that the query asks for; None without views. ProblemError when there is no such view."""
        if self.views is None:
            return None
        return self.views.of(parse_parameters(query)) if query else self.views.whole

    def values(self, message: Any, language: Language) -> Any:
        """A response as JSON values, with what it says in words in a language."""
        self.put_into(language, message)
        return self.encode(message)

    def put_into(self, language: Language, message: Any) -> None:
        """Translate what a response says in words."""
        if self.translate is not None:
            self.translate(message, language, self.labels_of)

    def seen(self, reply: Reply, view: View, beside: Found | None, exchange: Exchange) -> Answer:
        """The answer to a GET that went well, with what stands beside it.

        What is shown may change without a new version, such as a name.
        """
        self.put_into(exchange.language, reply.message)
        values, size = view.encode(reply.message), reply.size
        if beside is not None:
            values, size = values | beside.values(), size + beside.size
        body = json_text(values, size)
        shown = shown_tag(reply.message.etag, body) if self.tagged else ""
        tag = entity_tag(shown)
        if tag is None:
            return Answer(200, [_JSON, _NO_STORE], body)
        if_none_match = exchange.headers.get(b"if-none-match")
        if if_none_match is not None and (known := known_tag(if_none_match, shown)) is not None:
            return Answer(304, [_REVALIDATE, (b"etag", entity_tag(known) or tag)])
        return Answer(200, [_JSON, _REVALIDATE, (b"etag", tag)], body)

    def answer(self, reply: Reply, exchange: Exchange) -> Answer:
        """The answer of another call that went well."""
        message, replayed = reply.message, [_REPLAYED] if self.rpc.is_keyed and reply.replayed else []
        if self.empty:
            return Answer(204, [_NO_STORE, *replayed])
        headers: Headers = [_JSON, _NO_STORE, *replayed]
        if self.tagged and (tag := entity_tag(message.etag)) is not None:
            headers.append((b"etag", tag))
        body = json_text(self.values(message, exchange.language), reply.size)
        if not self.creates:
            return Answer(200, headers, body)
        if self.located is not None:
            headers.append((b"location", self._location(message, exchange.raw_path)))
        return Answer(201, headers, body)

    def _location(self, message: Any, raw_path: str) -> bytes:
        return f"{self.located or raw_path}/{quote(message.id, safe='')}".encode()


def operations(contract: Contract) -> Iterator[Operation]:
    """Every operation of a contract without problems."""
    compiler, rule_values, labels = Compiler(contract), RuleValues(contract), RecordLabels(contract)
    for rpc in contract.rpcs:
        if rpc.permission == INTERNAL:
            continue
        for binding in rpc.bindings:
            template = parse_template(binding.template)
            creates = binding.verb == "POST" and rpc.name.startswith("Create") and not template.custom_verb
            yield Operation(
                rpc=rpc,
                binding=binding,
                template=template,
                public=rpc.permission == PUBLIC,
                empty=rpc.response.full_name == "google.protobuf.Empty",
                creates=creates,
                tagged="etag" in rpc.response.fields_by_name,
                located=_located(contract, rpc) if creates else None,
                explain=partial(rule_values.of, rpc.request),
                labels_of=labels.of,
                compiler=compiler,
            )


def _is_update(rpc: Rpc) -> bool:
    """Whether it passes over output-only fields, so that an answer can be sent back as it came."""
    return "update_mask" in rpc.request.fields_by_name


def _located(contract: Contract, rpc: Rpc) -> str | None:
    """Where the created resource is read: the path of its Get without the id, else "" for the path of the create.

    None when the answer has no id.
    """
    if "id" not in rpc.response.fields_by_name:
        return None
    for other in contract.rpcs:
        if other.service == rpc.service and other.name == "Get" + rpc.name.removeprefix("Create"):
            for binding in other.bindings:
                head, brace, variable = binding.template.partition("/{")
                if brace and variable == "id}":
                    return head
    return ""
