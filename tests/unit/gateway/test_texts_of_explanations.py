"""Why something was decided is told in every language, with what people call its values."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from crm.sales.v1 import leads_pb2, orders_pb2
from crm.scoring.v1 import credit_pb2
from crm_gateway.channels import Channels
from crm_gateway.expansion import load_contract
from crm_gateway.exports.csv_file import CsvFile
from crm_gateway.problems import from_crm_error, without_labels
from crm_gateway.routes.export import ShownCollection, listed_collections
from crm_gateway.texts.catalogue import LANGUAGES, Language, catalogue
from crm_gateway.transcode.operations import operations
from crm_gateway.translation.answers import translator
from crm_gateway.translation.explanations import translate_explanation
from crm_kit.money import Money
from crm_sales.credit.model import CreditDecision
from crm_sales.orders.model import HoldReason, hold_reasons, on_hold
from crm_sales.pools.model import Extension, FollowUpKind, PoolRules
from crm_sales.pools.protection import FollowUp, Holding, ProtectionRule, ProtectionStep, protection
from crm_scoring.credit.model import CreditLimit, Usage
from crm_scoring.credit.rules import HOLDING, CreditReasonCode, CreditRules, check_credit
from crm_scoring.credit.wire import decided
from google.protobuf.descriptor import Descriptor
from hypothesis import given
from hypothesis import strategies as st

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
HELD_WITHOUT_SCORING = [*hold_reasons(None), *hold_reasons(CreditDecision(False))]
CODES = {*ProtectionRule, *CreditReasonCode, *(each.code for each in HELD_WITHOUT_SCORING)}
DAYS = st.integers(0, 40).map(lambda days: timedelta(days=days))
LENGTHS = st.timedeltas(timedelta(), timedelta(days=400)).map(lambda length: length // SECOND * SECOND)


@st.composite
def steps(draw: st.DrawFn) -> tuple[ProtectionStep, ...]:
    kinds = st.sampled_from(FollowUpKind)
    taken = NOW - draw(DAYS)
    rules = PoolRules(
        reclaim_after=draw(LENGTHS),
        extensions=tuple(Extension(kind, draw(LENGTHS)) for kind in draw(st.sets(kinds))),
        hard_maximum=draw(st.none() | LENGTHS),
        backdating=draw(DAYS),
    )
    follow_ups = st.builds(FollowUp, kinds, DAYS.map(lambda ago: NOW + DAY - ago), st.just(NOW))
    attempts = st.none() | DAYS.map(lambda ago: NOW - ago)
    holding = Holding(UUID(int=1), UUID(int=2), taken, taken, tuple(draw(st.lists(follow_ups))), draw(attempts))
    return protection(holding, rules, NOW).steps


def told(code: str, metadata: dict[str, str], language: Language, written: str = "") -> str:
    step = leads_pb2.Protection.Step(code=code, metadata=metadata, explanation=written)
    translate_explanation(step, language, without_labels)
    return step.explanation


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_has_a_text_in_every_language(code: str, language: Language) -> None:
    assert code in catalogue(language).tables["explanations"]


def test_every_text_is_of_a_code_that_exists() -> None:
    texts = {key.removesuffix(".plain").removesuffix(".bare") for key in catalogue("en").tables["explanations"]}
    assert texts == CODES


@pytest.mark.parametrize("language", LANGUAGES)
def test_why_an_order_waits_is_told_without_figures_too(language: Language) -> None:
    """To who may not read the credit of the account: services send them the code alone."""
    for code in {*HOLDING, *(each.code for each in HELD_WITHOUT_SCORING)}:
        text = told(code, {}, language)
        assert text
        assert "{" not in text


@given(steps())
def test_the_steps_of_a_protection_are_told_in_both_languages_with_their_values(
    found: tuple[ProtectionStep, ...],
) -> None:
    for step in found:
        assert told(step.code, dict(step.metadata), "en") == step.explanation
        assert is_chinese(told(step.code, dict(step.metadata), "zh"))
        assert not re.search(r"\d:\d\d:\d\d$|, \d+:", step.explanation)


@given(
    st.none() | st.tuples(st.integers(0, 10**6), st.sampled_from(["CNY", "USD"])),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 100),
    st.builds(CreditRules, st.decimals(0, 50, places=1), st.integers(0, 60), st.booleans()),
)
def test_reasons_of_credit_are_told_in_both_languages_with_their_numbers(
    limit: tuple[int, str] | None, used: int, new: int, overdue: int, rules: CreditRules
) -> None:
    allowed = None if limit is None else Money(Decimal(limit[0]), limit[1])
    for reason in check_credit(allowed, cny(used), cny(new), overdue, rules).reasons:
        assert told(reason.code, dict(reason.metadata), "en") == reason.explanation
        assert is_chinese(told(reason.code, dict(reason.metadata), "zh"))


@pytest.mark.parametrize(
    ("length", "en", "zh"),
    [
        (timedelta(days=7), "7 days", "7 天"),
        (timedelta(days=1, hours=12), "1 day 12 hours", "1 天 12 小时"),
        (timedelta(minutes=1, seconds=30), "1 minute 30 seconds", "1 分钟 30 秒"),
        (timedelta(), "0 seconds", "0 秒"),
    ],
)
def test_lengths_of_time_are_told_as_people_say_them(length: timedelta, en: str, zh: str) -> None:
    (step,) = protection(Holding(UUID(int=1), UUID(int=2), NOW, NOW), PoolRules(reclaim_after=length), NOW).steps
    assert step.explanation == f"taken, safe for {en}"
    assert told(step.code, dict(step.metadata), "zh") == f"领取后保护 {zh}"


def test_kinds_and_instants_are_told_as_forms_and_answers_have_them() -> None:
    values = {"kind": "VISIT", "safe_for": "864000s"}
    assert told("FOLLOW_UP", values, "zh") == "拜访跟进，保护 10 天"
    early = FollowUp(FollowUpKind.CALL, NOW - DAY, NOW + DAY)
    rules = PoolRules(reclaim_after=DAY, extensions=(Extension(FollowUpKind.CALL, DAY),), backdating=9 * DAY)
    _, step = protection(Holding(UUID(int=1), UUID(int=2), NOW, NOW, (early,)), rules, NOW + 2 * DAY).steps
    assert "(2026-01-31T09:30:00Z)" in step.explanation
    assert "（2026-01-31T09:30:00Z）" in told(step.code, dict(step.metadata), "zh")


def test_a_preview_of_credit_is_told_reason_by_reason_and_as_a_whole() -> None:
    decision = check_credit(cny(1000), cny(900), cny(200), 3, CreditRules())
    limit = CreditLimit(UUID(int=1), cny(1000))
    answer = decided(credit_pb2.PreviewCreditResponse, decision, limit, Usage(cny(900), cny(0)))
    translate = translator(answer.DESCRIPTOR)
    assert translate is not None
    translate(answer, "zh", without_labels)
    assert answer.explanation == (
        "已用 900.00 CNY + 本单 200.00 CNY = 1100.00 CNY，额度 1000.00 CNY：超出 100.00 CNY；逾期 3 天，允许 0 天"
    )
    assert [each.explanation for each in answer.reason_details] == answer.explanation.split("；")


def test_a_code_without_a_text_keeps_what_the_service_wrote() -> None:
    assert told("TOMORROW", {}, "zh", "of a version to come") == "of a version to come"


def test_every_answer_that_explains_is_translated_wherever_the_explanation_stands() -> None:
    served = list(operations(load_contract()))
    explaining = [each for each in served if explains(each.rpc.response, frozenset())]
    assert {"GetOrder", "PlaceOrder", "ListOrders", "BatchGetOrders", "PreviewCredit", "ExplainProtection"} <= {
        each.rpc.name for each in explaining
    }
    assert [each.rpc.full_name for each in explaining if each.translate is None] == []
    page = orders_pb2.ListOrdersResponse(orders=[held()])
    translate = next(each.translate for each in explaining if each.rpc.name == "ListOrders")
    assert translate is not None
    translate(page, "zh", without_labels)
    assert page.orders[0].hold_reasons[0].explanation == "信用检查未及时答复"


def test_why_an_order_is_on_hold_is_told_without_figures_where_that_is_in_the_way() -> None:
    reasons = check_credit(cny(1000), cny(900), cny(200), 1, CreditRules()).reasons
    error = on_hold(tuple(HoldReason(each.code, each.explanation, each.metadata) for each in reasons))
    english, chinese = from_crm_error(error).told("en"), from_crm_error(error).told("zh")
    assert english == "the order is on hold: CREDIT_LIMIT_EXCEEDED, PAYMENTS_OVERDUE"
    assert chinese == "订单已冻结，须先放行：超出信用额度；有逾期款项。"


def test_an_export_explains_in_the_language_of_the_caller() -> None:
    contract = load_contract()
    channels = Channels(dict.fromkeys({each.owner for each in contract.rpcs}, "127.0.0.1:1"), max_message_bytes=1)
    listed = listed_collections(operations(contract), channels)["orders"]
    every_column = listed.columns_for("zh", (), words="zh")
    columns = tuple(each for each in every_column if each.path == "hold_reasons.explanation")
    written = ShownCollection(listed, columns, "zh").write(CsvFile(), orders_pb2.ListOrdersResponse(orders=[held()]))
    assert "信用检查未及时答复" in written.decode()


def held() -> orders_pb2.Order:
    reasons = [orders_pb2.HoldReason(code=each.code, explanation=each.explanation) for each in hold_reasons(None)]
    return orders_pb2.Order(hold_reasons=reasons)


def explains(message: Descriptor, above: frozenset[str]) -> bool:
    """Whether a message, or one within it, has an explanation in words."""
    if "explanation" in message.fields_by_name and message.fields_by_name["explanation"].message_type is None:
        return True
    inner = [each.message_type for each in message.fields if each.message_type is not None]
    return any(explains(each, above | {message.full_name}) for each in inner if each.full_name not in above)


def cny(amount: int) -> Money:
    return Money(Decimal(amount), "CNY")


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)
