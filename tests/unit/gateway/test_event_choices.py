"""What readers of streams can choose: whatever they send, it is a choice or a problem that says why not."""

from crm_gateway.expansion import load_contract
from crm_gateway.problems import ProblemError
from crm_gateway.streams.choice import COLLECTIONS, RECORD, TYPES, Choice, choice_of
from crm_kit.ids import new_id
from crm_kit.thin_events.model import EventType
from crm_kit.thin_events.types import event_types
from hypothesis import given
from hypothesis import strategies as st

ID = str(new_id())
KNOWN = [EventType("account.created", "accounts", "customer", ""), EventType("order.placed", "orders", "sales", "")]
WORDS = st.sampled_from(["account.created", "order.placed", "accounts", "orders", "", f"accounts/{ID}", f"orders/{ID}"])
PARAMETERS = st.dictionaries(
    st.sampled_from([TYPES, COLLECTIONS, RECORD]), st.lists(WORDS | st.text(max_size=8), min_size=1, max_size=3)
)


@given(PARAMETERS)
def test_whatever_is_sent_is_a_choice_or_named_as_wrong(parameters: dict[str, list[str]]) -> None:
    sent = {name: [part.strip() for each in values for part in each.split(",")] for name, values in parameters.items()}
    right = {
        TYPES: {each.name for each in KNOWN},
        COLLECTIONS: {each.collection for each in KNOWN},
        RECORD: {f"{each.collection}/{ID}" for each in KNOWN},
    }
    wrong = {(name, value) for name, values in sent.items() for value in values if value not in right[name]}
    try:
        choice = choice_of(parameters, KNOWN)
    except ProblemError as error:
        assert {(each.field, each.values.get("value", "")) for each in error.problem.errors} == {
            (name, value.replace("-", "_") if name == COLLECTIONS else value) for name, value in wrong
        }
        return
    assert not wrong
    assert choice == Choice(
        frozenset(sent.get(TYPES, ())) or None,
        frozenset(sent.get(COLLECTIONS, ())) or None,
        frozenset((each.partition("/")[0], ID) for each in sent.get(RECORD, ())) or None,
    )


def test_a_collection_may_be_called_as_paths_have_it() -> None:
    types = event_types(load_contract().files).all
    asked = {COLLECTIONS: ["service-levels"], RECORD: [f"credit-limits/{ID}"]}
    assert choice_of(asked, types) == Choice(
        collections=frozenset({"service_levels"}), records=frozenset({("credit_limits", ID)})
    )


def test_a_flood_of_wrong_values_is_one_error() -> None:
    try:
        choice_of({TYPES: [",".join(map(str, range(5000)))]}, KNOWN)
    except ProblemError as error:
        assert [each.rule for each in error.problem.errors] == ["repeated.max_items"]
    else:
        raise AssertionError("was taken")


def test_a_slip_is_answered_with_the_name_that_may_be_meant() -> None:
    try:
        choice_of({TYPES: ["acount.created"], COLLECTIONS: ["order"]}, KNOWN)
    except ProblemError as error:
        assert [each.values["near"] for each in error.problem.errors] == ["account.created", "orders"]
        assert all("perhaps" in each.told("en") and "是否指" in each.told("zh") for each in error.problem.errors)
    else:
        raise AssertionError("was taken")
