"""Rules about several fields of a message: told at a field that the caller has, with those to choose from."""

from collections.abc import Iterator
from typing import Any

import pytest
from buf.validate import validate_pb2
from crm.resource.v1 import custom_fields_pb2
from crm.sales.v1 import payments_pb2
from crm.service_desk.v1 import service_levels_pb2
from crm.type.v1 import money_pb2
from crm_gateway.expansion import load_contract
from crm_gateway.problems import Problem, Violation
from crm_gateway.texts.catalogue import LANGUAGES, catalogue
from crm_gateway.texts.rule_values import ALTERNATIVES, RuleValues
from crm_kit.errors import InvalidArgument
from crm_kit.resource.validation import check_message
from google.protobuf.descriptor import Descriptor

CONTRACT = load_contract()
VALUES = RuleValues(CONTRACT)
CNY = money_pb2.Money(amount="1", currency_code="CNY")
UNNAMED = custom_fields_pb2.CustomField(label=custom_fields_pb2.CustomField.Label())


def message_rules() -> Iterator[tuple[Descriptor, str]]:
    """Every rule of every message that requests have at some depth, with the message."""
    seen: set[str] = set()
    waiting = [rpc.request for rpc in CONTRACT.rpcs]
    while waiting:
        message = waiting.pop()
        if message.full_name in seen:
            continue
        seen.add(message.full_name)
        yield from ((message, each.id) for each in message.GetOptions().Extensions[validate_pb2.message].cel)
        waiting += [field.message_type for field in message.fields if field.message_type is not None]


@pytest.mark.parametrize(
    ("message", "id"), [pytest.param(*each, id=f"{each[0].name} {each[1]}") for each in message_rules()]
)
def test_the_id_of_a_rule_is_the_path_of_a_field_and_a_rule_with_texts(message: Descriptor, id: str) -> None:
    path, _, rule = id.rpartition(".")
    inner: Any = message
    for name in path.split("."):
        assert inner is not None
        assert name in inner.fields_by_name, id
        inner = inner.fields_by_name[name].message_type
    key, values = VALUES.of(message, path, rule)
    for language in LANGUAGES:
        assert catalogue(language).rule(key, values), id
    if rule in ALTERNATIVES:
        choices = values["choices"].split(", ")
        assert len(choices) > 1
        assert path.rpartition(".")[2] in choices


@pytest.mark.parametrize(
    ("request_", "field", "sent", "zh"),
    [
        (
            payments_pb2.RecordPaymentRequest(payment=payments_pb2.Payment(amount=CNY)),
            "payment.account_id",
            "account_id",
            "以下至少填写一项：account_id, order_id",
        ),
        (
            service_levels_pb2.PreviewServiceLevelRequest(),
            "calendar",
            "calendar",
            "以下须填写且只能填写一项：calendar, calendar_id",
        ),
        (
            custom_fields_pb2.CreateCustomFieldRequest(custom_field=UNNAMED),
            "custom_field.label.zh",
            "label.zh",
            "以下至少填写一项：zh, en",
        ),
    ],
)
def test_what_is_missing_is_told_at_a_field_of_the_body(request_: Any, field: str, sent: str, zh: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_message(request_)
    (found,) = [each for each in refused.value.violations if each.rule in ALTERNATIVES]
    assert found.field == field
    key, values = VALUES.of(request_.DESCRIPTOR, found.field, found.rule)
    problem = Problem(422, "INVALID_ARGUMENT", errors=[Violation(sent, found.rule, found.detail, key, values)])
    assert problem.told("zh") == f"{sent}: {zh}"
