"""Every rpc of the contract, called with random messages at the service that serves it."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
from crm_gateway.contract import Rpc
from crm_gateway.expansion import load_contract
from crm_kit.rpc.status import DETAILS_KEY, reason_of
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz.leaks import leak_in
from tests.fuzz.values import Values

# What no caller can be at fault for.
FORBIDDEN = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"})
# Would carry the tenant's clock to times that no date can be written of.
SPARED = frozenset({"AdvanceTestClock"})
CALL_SECONDS = 15.0
AT_ONCE = 4
MAX_KNOWN = 400
MAX_FAILURES = 60
OPTIONS = (("grpc.max_receive_message_length", 32 * 1024 * 1024), ("grpc.max_send_message_length", 32 * 1024 * 1024))


@dataclass
class GrpcFindings:
    """How often each rpc was called, what was answered, and what must not have been."""

    calls: int = 0
    rpcs: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    failed: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, str]] = field(default_factory=list)


class GrpcFuzzer:
    """Calls all rpcs in turn until the time is up."""

    def __init__(self, addresses: Mapping[str, str], token: str, seed: int) -> None:
        self._addresses = addresses
        self._token = token
        self._known: dict[str, list[str]] = {}
        self._tokens: list[str] = []
        self._values = Values(seed, self._known, self._tokens)
        self.findings = GrpcFindings()

    async def run(self, seconds: float) -> GrpcFindings:
        """Fuzz for this long; every rpc at least once, however short."""
        rpcs = [rpc for rpc in load_contract().rpcs if rpc.name not in SPARED]
        # What makes things comes first, so that there is something to be found.
        rpcs.sort(key=lambda rpc: not rpc.name.startswith(("Create", "List")))
        self.findings.rpcs = len(rpcs)
        end = time.monotonic() + seconds
        channels = {name: grpc.aio.insecure_channel(at, options=OPTIONS) for name, at in self._addresses.items()}
        try:
            while True:
                for start in range(0, len(rpcs), AT_ONCE):
                    batch = [(rpc, self._values.request(rpc)) for rpc in rpcs[start : start + AT_ONCE]]
                    await asyncio.gather(*(self._call(channels[rpc.owner], rpc, data) for rpc, data in batch))
                    if time.monotonic() > end and self.findings.calls >= len(rpcs):
                        return self.findings
        finally:
            for channel in channels.values():
                await channel.close()

    async def _call(self, channel: grpc.aio.Channel, rpc: Rpc, data: bytes) -> None:
        call = cast("Callable[..., Any]", channel.unary_unary(rpc.path))
        metadata = [("authorization", f"Bearer {self._token}")]
        if key := self._values.key():
            metadata.append(("idempotency-key", key))
        self.findings.calls += 1
        try:
            answer = await call(rpc.preset + data, metadata=tuple(metadata), timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._judge(rpc, data, error)
            return
        self.findings.codes["OK"] += 1
        self.findings.accepted.add(rpc.name)
        response: Any = GetMessageClass(rpc.response)()
        try:
            response.ParseFromString(answer)
        except DecodeError:
            self._failure(rpc, data, "OK", "the answer is not the response that the contract says")
            return
        self._learn(response)
        if rpc.name in {"CreateUser", "CreateRole"}:
            remember(self._known.setdefault("users" if rpc.name == "CreateUser" else "roles", []), response.id)

    def _judge(self, rpc: Rpc, data: bytes, error: grpc.aio.AioRpcError) -> None:
        code, detail = error.code().name, error.details() or ""
        self.findings.codes[code] += 1
        details = [value for key, value in error.trailing_metadata() or () if key == DETAILS_KEY]
        raw = b"".join(each for each in details if isinstance(each, bytes))
        leak = leak_in(without_input(detail, data)) or leak_in(without_input(raw.decode(errors="replace"), data))
        if code in FORBIDDEN:
            self._failure(rpc, data, code, detail)
        elif leak:
            self._failure(rpc, data, code, f"leaks {leak!r}: {detail}")
        elif code not in {"RESOURCE_EXHAUSTED", "CANCELLED"} and not reason_of(error):
            self._failure(rpc, data, code, f"has no reason: {detail}")

    def _failure(self, rpc: Rpc, data: bytes, code: str, told: str) -> None:
        self.findings.failed[f"{rpc.name} {code}"] += 1
        seen_often = self.findings.failed[f"{rpc.name} {code}"] > 3
        if not seen_often and len(self.findings.failures) < MAX_FAILURES:
            request = GetMessageClass(rpc.request)()
            try:
                request.ParseFromString(data)
                shown = str(request)
            except DecodeError:
                shown = "no message"
            self.findings.failures.append(
                {
                    "rpc": rpc.full_name,
                    "code": code,
                    "told": told[:600],
                    "request": shown[:1500],
                    "request_hex": data.hex()[:4000],
                }
            )

    def _learn(self, message: Message, depth: int = 0) -> None:
        """Keep ids and page tokens that were answered."""
        for descriptor, value in message.ListFields():
            if descriptor.name in ("next_page_token", "prev_page_token"):
                remember(self._tokens, value)
            elif descriptor.name == "owner_id":
                remember(self._known.setdefault("people", []), value)
            elif descriptor.name == "id" and message.DESCRIPTOR.name not in {"User", "Role"}:
                # Whoever changes their own user or role is locked out, and nothing more is found.
                remember(self._known.setdefault(plural(message.DESCRIPTOR.name), []), value)
            elif descriptor.type == FieldDescriptor.TYPE_MESSAGE and depth < 3:
                for each in list(value)[:5] if descriptor.is_repeated else [value]:
                    if isinstance(each, Message):
                        self._learn(each, depth + 1)


def plural(name: str) -> str:
    """`ServiceLevel` is found under `service-levels`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def remember(values: list[str], value: str) -> None:
    """Keep the value; the oldest goes when there are too many."""
    values.append(value)
    if len(values) > MAX_KNOWN:
        del values[0]


def without_input(text: str, data: bytes) -> str:
    """The text without what the caller said: an error may quote it."""
    sent = data.decode(errors="ignore")
    return "\n".join(part for part in text.splitlines() if part not in sent)
