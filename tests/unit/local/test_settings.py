import pytest
from crm_local.failure import LocalFailure
from crm_local.settings import load_settings, port_setting


def test_without_any_setting_everything_has_its_usual_port() -> None:
    ports = load_settings().ports
    assert (ports.gateway, ports.customer, ports.scoring, ports.postgres, ports.nats) == (
        8080,
        7001,
        7004,
        7432,
        7422,
    )


def test_the_setting_named_for_a_process_moves_that_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(port_setting("service_desk"), "9003")
    assert load_settings().ports.address("service_desk") == "127.0.0.1:9003"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CRM_LOCAL_SALES_PORT", "seven", "CRM_LOCAL_SALES_PORT=seven: "),
        ("CRM_LOCAL_GATEWAY_PORT", "65536", "CRM_LOCAL_GATEWAY_PORT=65536: "),
        ("CRM_LOCAL_LOG_LEVEL", "loud", "CRM_LOCAL_LOG_LEVEL=loud: "),
        ("CRM_LOCAL_GATEWAY_PROT", "8081", "did you mean CRM_LOCAL_GATEWAY_PORT?"),
        ("CRM_LOCAL_SALES_PORT", "7001", "customer and sales cannot both have port 7001"),
    ],
)
def test_a_nonsense_setting_is_told_in_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(LocalFailure) as failure:
        load_settings()
    assert told in str(failure.value)
    assert "\n" not in str(failure.value)
