import pytest
from crm_local.failure import LocalFailure
from crm_local.forwarding import forwarded, kept_back
from crm_local.settings import PROCESSES, load_settings, port_setting


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


def test_one_setting_moves_all_ports_but_those_that_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = load_settings().ports
    monkeypatch.setenv("CRM_LOCAL_PORT_OFFSET", "1000")
    monkeypatch.setenv(port_setting("gateway"), "9999")
    moved = load_settings().ports
    assert {name: moved.of(name) - usual.of(name) for name in PROCESSES if name != "gateway"} == {
        name: 1000 for name in PROCESSES if name != "gateway"
    }
    assert moved.gateway == 9999


def test_a_process_is_given_the_settings_that_it_reads() -> None:
    given = {"CRM_DRAIN_SECONDS": "1", "CRM_RATE_LIMIT_TOKEN": "0", "CRM_RECLAIM_SECONDS": "9", "CRM_COLOUR": "red"}
    assert forwarded("gateway", given) == {"CRM_RATE_LIMIT_TOKEN": "0"}
    assert forwarded("sales", given) == {"CRM_DRAIN_SECONDS": "1", "CRM_RECLAIM_SECONDS": "9"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "CRM_SALES_ADDRESS",
            "CRM_SALES_ADDRESS is not passed on, it is decided here; CRM_LOCAL_SALES_PORT changes it",
        ),
        ("CRM_REOPEN_DAY", "CRM_REOPEN_DAY is no setting of any process, did you mean CRM_REOPEN_DAYS?"),
        ("CRM_XYZ", "CRM_XYZ is no setting of any process"),
    ],
)
def test_a_setting_that_reaches_nobody_is_told_with_what_may_be_meant(name: str, told: str) -> None:
    assert kept_back([name, "CRM_REOPEN_DAYS"], ["CRM_SALES_ADDRESS"]) == [told]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CRM_LOCAL_SALES_PORT", "seven", "CRM_LOCAL_SALES_PORT=seven: "),
        ("CRM_LOCAL_PORT_OFFSET", "-1", "CRM_LOCAL_PORT_OFFSET=-1: "),
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
