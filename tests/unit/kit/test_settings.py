"""Settings that make no sense stop the start with one line that says which."""

import pytest
from crm_kit.settings import ServiceSettings, Settings, read_settings

GOOD = {
    "CRM_DATABASE_URL": "postgresql://u:p@127.0.0.1/d",
    "CRM_NATS_URL": "nats://u:p@127.0.0.1:4222",
    "CRM_CUSTOMER_ADDRESS": "customer:7000",
    "CRM_SALES_ADDRESS": "sales:7000",
    "CRM_SERVICE_DESK_ADDRESS": "service-desk:7000",
    "CRM_SCORING_ADDRESS": "scoring:7000",
    "CRM_ISSUER": "https://crm.example.org",
    "CRM_PAGE_TOKEN_KEY": "k" * 16,
}


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


OIDC_ISSUER = '[{"issuer": "https://x.example", "jwks_url": "https://x.example/keys", "audience": "crm", %s}]'


def test_good_settings_are_read() -> None:
    assert read_settings(ServiceSettings).database_url == GOOD["CRM_DATABASE_URL"]


@pytest.mark.parametrize("name", GOOD)
def test_where_things_are_and_what_is_secret_has_no_default(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SystemExit):
        read_settings(ServiceSettings)
    assert capsys.readouterr().err == f"settings: {name}: Field required\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CRM_DATABASE_URL", "mysql://x"),
        ("CRM_LISTEN_ADDRESS", "127.0.0.1:99999"),
        ("CRM_LISTEN_ADDRESS", "7000"),
        ("CRM_DATABASE_POOL_SIZE", "0"),
        ("CRM_LOG_LEVEL", "loud"),
        ("CRM_PAGE_TOKEN_KEY", "short"),
        ("CRM_TRACE_SAMPLE_RATIO", "1.5"),
        ("CRM_OIDC_ISSUERS", '[{"issuer": "https://x.example"}]'),
        ("CRM_OIDC_ISSUERS", OIDC_ISSUER % '"tenants": []'),
        ("CRM_OIDC_ISSUERS", OIDC_ISSUER % '"tenants": ["t"], "colour": 1'),
        (
            "CRM_OIDC_ISSUERS",
            OIDC_ISSUER.replace("https://x.example/keys", "http://10.0.0.7/keys") % '"tenants": ["t"]',
        ),
    ],
)
def test_one_that_makes_no_sense_is_named_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        read_settings(ServiceSettings)
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said.count("\n") == 1
    assert name in said


class Named(Settings, kw_only=True):
    names: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("http://localhost:5173", ("http://localhost:5173",)),
        ("a, b,", ("a", "b")),
        ('["a", "b"]', ("a", "b")),
        ("", ()),
    ],
)
def test_texts_of_a_list_are_separated_by_commas_or_json(
    text: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_NAMES", text)
    assert read_settings(Named).names == names


def test_an_issuer_is_trusted_by_the_tenants_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_OIDC_ISSUERS", OIDC_ISSUER % '"tenants": ["huaxin"]')
    (issuer,) = read_settings(ServiceSettings).oidc_issuers
    assert (issuer.tenants, issuer.login_claim, issuer.tenant_claim) == (("huaxin",), "email", "tenant")


def test_a_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CRM_PAGE_TOKEN_KEY", "hunter2")
    with pytest.raises(SystemExit):
        read_settings(ServiceSettings)
    assert "hunter2" not in capsys.readouterr().err
