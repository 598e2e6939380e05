from crm_sales.saving import action_of


def test_history_calls_an_event_by_its_verb() -> None:
    assert action_of("OrderPlaced", "order") == "PLACED"
    assert action_of("LeadFollowedUp", "lead") == "FOLLOWED_UP"
    assert action_of("LeadConversionStarted", "lead") == "CONVERSION_STARTED"
