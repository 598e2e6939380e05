"""Messages nobody would write: random ones of any type, good and bad, the same ones for the same seed."""

import contextlib
import random
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_gateway.contract import Rpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.factories.messages import TEXTS, has_id, is_id, minimal, put_id, settled
from tests.factories.places import COMPLETED, kind_of, make_unique, nothing, paths_of

DEPTH = 4
INT32 = (0, 1, -1, 2, 7, 50, 200, 201, 2**31 - 1, -(2**31), 1_000_000)
SECONDS = (
    0,
    1,
    -1,
    1_763_697_600,
    253_402_300_799,
    253_402_300_800,
    -62_135_596_800,
    -62_135_596_801,
    315_576_000_000,
    2**62,
    -(2**63),
)
NANOS = (0, 1, 999_999_999, 1_000_000_000, -1, -999_999_999, 2**31 - 1, -(2**31))
REALS = (0.0, -0.0, 1.5, -1.0, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"))
ODD_TEXTS = (
    "",
    " ",
    "\t\r\n",
    "\x00",
    "a\x00b",
    "\u202e\u200b\ufeff",
    "e\u0301" * 50,
    "𠜎🧑‍🤝‍🧑",
    "\uffff\U0010ffff",
    "İıſẞ",
    "x" * 300,
    "华" * 5_000,
    "x" * 200_000,
    "'; drop table accounts; --",
    '"\\"',
    "%s%n{0}${a}",
    "../../etc/passwd",
    "v0",
    "v1",
    "v99999999999999999999",
    "NaN",
    "-1",
    "1e400",
    "0.00000000000000000000001",
    "9" * 400,
    "９９",
    "9999-12-31",
    "0000-00-00",
    "2026-02-30",
    "24:00",
    "*",
    "accounts.read",
    "status = STATUS_ACTIVE",
    'display_name = "示例" AND (create_time > "2026-01-01T00:00:00Z" OR NOT status = "x")',
    "a" + " AND a = 1" * 150,
    "(" * 500,
    "create_time desc, id",
    "display_name desc",
    "amount.amount > 1",
)
ODD_IDS = (
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "not-an-id",
    "{01a20089-59ae-7151-9bd7-7245580d6633}",
    "01A20089-59AE-7151-9BD7-7245580D6633",
)


class Values:
    """Random requests. Ids are mostly of `known` resources, so that what is behind a look-up is reached too."""

    def __init__(self, seed: int, known: Mapping[str, Sequence[str]], tokens: Sequence[str]) -> None:
        self.chance = random.Random(seed)
        # Both grow while the fuzzer works: ids by the kind of what they are of, and page tokens.
        self.known, self.tokens = known, tokens

    def request(self, rpc: Rpc) -> bytes:
        """The bytes of a request: one that keeps the rules, one that does not, a damaged one, or noise."""
        kind = self.chance.random()
        if kind < 0.03:
            return self.chance.randbytes(self.chance.randrange(0, 200))
        if kind > 0.7:
            return self.good(rpc).SerializeToString()
        message = self.message(rpc.request, odd=0.5 if kind < 0.4 else 0.05)
        if kind > 0.5:
            # Some random values cannot be mended; then they stand for themselves.
            with contextlib.suppress(AssertionError):
                settled(message)
        self.name_known(rpc, message)
        data = message.SerializeToString()
        return self.damaged(data) if 0.4 < kind < 0.45 else data

    def good(self, rpc: Rpc) -> Message:
        """A request with what the contract requires, and often one thing more that is strange."""
        message = minimal(rpc.request)
        COMPLETED.get(rpc.name, nothing)(message)
        make_unique(message, f"{self.chance.getrandbits(64):x}")
        if self.chance.random() < 0.5:
            stranger = self.message(rpc.request, odd=0.3)
            self._take_over(message, stranger, [field.name for field, _ in stranger.ListFields()])
        self.name_known(rpc, message)
        return message

    def _take_over(self, message: Message, stranger: Message, names: Sequence[str]) -> None:
        """Replace one field of the message, or of the resource in it, by the stranger's."""
        name = self.chance.choice(names) if names else ""
        field = message.DESCRIPTOR.fields_by_name.get(name)
        if field is None:
            return
        if field.message_type is not None and not field.is_repeated and message.HasField(name):
            inner = getattr(stranger, name)
            self._take_over(getattr(message, name), inner, [each.name for each, _ in inner.ListFields()])
            return
        message.ClearField(name)
        other = type(message)()
        other.CopyFrom(stranger)
        for each, _ in list(other.ListFields()):
            if each.name != name:
                other.ClearField(each.name)
        message.MergeFrom(other)

    def name_known(self, rpc: Rpc, message: Message) -> None:
        """Put ids of what there is where ids stand, more often than not."""
        for path in paths_of(rpc):
            there = self.known.get(kind_of(rpc, path))
            if there and has_id(message, path) and self.chance.random() < 0.8:
                put_id(message, path, self.chance.choice(there))

    def damaged(self, data: bytes) -> bytes:
        """With some bytes changed, or cut off."""
        changed = bytearray(data)
        for _ in range(self.chance.randrange(1, 4)):
            if changed:
                changed[self.chance.randrange(len(changed))] = self.chance.randrange(256)
        return bytes(changed[: self.chance.randrange(len(changed) + 1)] if self.chance.random() < 0.3 else changed)

    def message(self, descriptor: Descriptor, *, odd: float, depth: int = 0) -> Message:
        """A message with some of its fields set; `odd` is the share of values meant to be trouble."""
        message: Message = GetMessageClass(descriptor)()
        if descriptor.full_name in WELL_KNOWN:
            WELL_KNOWN[descriptor.full_name](self, message, odd)
            return message
        share = self.chance.choice((0.2, 0.5, 0.9))
        for field in descriptor.fields:
            if depth < DEPTH and (self.chance.random() < share or field.name in {"id", descriptor.name.lower()}):
                self._fill(message, field, odd, depth)
        return message

    def _fill(self, message: Message, field: FieldDescriptor, odd: float, depth: int) -> None:
        current = getattr(message, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            self._fill_map(current, field, odd, depth)
        elif field.is_repeated:
            for _ in range(self.chance.choice((1, 1, 2, 3, 40 if odd > 0.2 else 4))):
                if field.message_type is not None:
                    current.append(self.message(field.message_type, odd=odd, depth=depth + 1))
                else:
                    current.append(self.scalar(field, odd))
        elif field.message_type is not None:
            current.CopyFrom(self.message(field.message_type, odd=odd, depth=depth + 1))
            current.SetInParent()
        else:
            setattr(message, field.name, self.scalar(field, odd))

    def _fill_map(self, current: Any, field: FieldDescriptor, odd: float, depth: int) -> None:
        assert field.message_type is not None
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(self.chance.choice((1, 2, 5))):
            name = self.scalar(key, odd)
            if value.message_type is not None:
                current[name].CopyFrom(self.message(value.message_type, odd=odd, depth=depth + 1))
            else:
                current[name] = self.scalar(value, odd)

    def scalar(self, field: FieldDescriptor, odd: float) -> Any:
        """A value of a field that is no message."""
        strange = self.chance.random() < odd
        if field.enum_type is not None:
            known = [value.number for value in field.enum_type.values]
            return self.chance.choice((-1, 99, 2**31 - 1)) if strange else self.chance.choice(known)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self.chance.randbytes(self.chance.choice((0, 1, 100, 10_000)))
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING:
                return self.text(field, strange=strange)
            case FieldDescriptor.CPPTYPE_BOOL:
                return self.chance.random() < 0.5
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return self.chance.choice(REALS)
            case FieldDescriptor.CPPTYPE_UINT32 | FieldDescriptor.CPPTYPE_UINT64:
                return self.chance.choice((0, 1, 2**31, 2**32 - 1))
        return self.chance.choice(INT32) if strange else self.chance.choice((0, 1, 5, 20, 100))

    def text(self, field: FieldDescriptor, *, strange: bool) -> str:
        """A text; for ids mostly one that is or could be an id."""
        if strange:
            return self.chance.choice(ODD_IDS if is_id(field) and self.chance.random() < 0.5 else ODD_TEXTS)
        if is_id(field):
            return str(UUID(int=self.chance.getrandbits(128), version=4))
        if field.name == "page_token":
            return self.chance.choice(self.tokens) if self.tokens and self.chance.random() < 0.8 else ""
        if field.name == "etag":
            return self.chance.choice(("", "", "v1", "v2"))
        return self.chance.choice(TEXTS)

    def key(self) -> str:
        """An idempotency key: mostly none, sometimes one used before, sometimes a strange one."""
        return self.chance.choice(("", "", "", "same", f"k{self.chance.getrandbits(64)}", "k" * 255, "k" * 256, "a b"))


def _moment(values: Values, message: Any, odd: float) -> None:
    strange = values.chance.random() < odd
    message.seconds = values.chance.choice(SECONDS) if strange else 1_763_697_600 + values.chance.randrange(10**6)
    message.nanos = values.chance.choice(NANOS) if strange else 0


def _span(values: Values, message: Any, odd: float) -> None:
    strange = values.chance.random() < odd
    message.seconds = values.chance.choice(SECONDS) if strange else values.chance.randrange(1, 60)
    message.nanos = values.chance.choice(NANOS) if strange else 0


def _mask(values: Values, message: Any, odd: float) -> None:
    names = ("display_name", "owner_id", "etag", "id", "*", "status", "accounts", "amount", "fields", "create_time")
    strange = ("", ".", "a.b.c", "display_name.x", "x" * 300, "\x00")
    for _ in range(values.chance.randrange(1, 4)):
        message.paths.append(values.chance.choice(strange if values.chance.random() < odd else names))


def _struct(values: Values, message: Any, odd: float) -> None:
    leaves: Sequence[Any] = (None, True, 1.5, "x", *(ODD_TEXTS[:10] if odd > 0.2 else ()))
    for name in ("a", "b c", "competitor"):
        message[name] = values.chance.choice(leaves)
    if values.chance.random() < odd:
        nested: dict[str, Any] = {}
        message["deep"] = nested
        for _ in range(20):
            inner: dict[str, Any] = {}
            nested["deep"] = inner
            nested = inner


def _number(values: Values, message: Any, odd: float) -> None:
    if values.chance.random() < odd:
        message.number_value = struct.unpack("<d", values.chance.randbytes(8))[0]
    else:
        message.string_value = "x"


WELL_KNOWN: Mapping[str, Callable[[Values, Any, float], None]] = {
    "google.protobuf.Timestamp": _moment,
    "google.protobuf.Duration": _span,
    "google.protobuf.FieldMask": _mask,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Value": _number,
}
