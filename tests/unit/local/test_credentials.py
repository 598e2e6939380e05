import json
from pathlib import Path

import pytest
from crm_local.credentials import load_credentials
from crm_local.failure import LocalFailure
from crm_local.settings import GATEWAY, SERVICES


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = load_credentials(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_credentials(file) == first
    assert first.roles.keys() == {f"crm_{service}{part}" for service in SERVICES for part in ("", "_owner")}
    assert first.nats.keys() == {*SERVICES, GATEWAY}
    secrets = [
        first.postgres_password,
        first.nats_password,
        first.demo_password,
        *first.roles.values(),
        *first.nats.values(),
    ]
    assert len(set(secrets)) == len(secrets)
    assert all(len(secret) >= 24 for secret in secrets)


def test_secrets_that_were_opened_to_others_are_closed_again(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    load_credentials(file)
    file.chmod(0o644)
    load_credentials(file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_is_missing_is_added_and_the_others_stay(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    first = load_credentials(file)
    known = json.loads(file.read_text())
    del known["demo_password"], known["roles"]["crm_sales"], known["nats"]["sales"]
    file.write_text(json.dumps(known))
    second = load_credentials(file)
    assert second.demo_password not in ("", first.demo_password)
    assert second.roles["crm_sales"] != first.roles["crm_sales"]
    assert (second.nats["sales"] != first.nats["sales"], second.nats["scoring"]) == (True, first.nats["scoring"])
    assert second.roles["crm_scoring"] == first.roles["crm_scoring"]
    assert load_credentials(file) == second


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"demo_password": 1}', '{"colour": "red"}', '{"roles": []}', '{"nats": 1}']
)
def test_a_damaged_file_is_told_and_not_replaced(tmp_path: Path, text: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(text)
    with pytest.raises(LocalFailure, match=r"secrets\.json is damaged"):
        load_credentials(file)
    assert file.read_text() == text


def test_secrets_do_not_show_when_printed(tmp_path: Path) -> None:
    credentials = load_credentials(tmp_path / "secrets.json")
    assert credentials.demo_password not in repr(credentials)
