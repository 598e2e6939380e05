"""Which signatures hold, by the reference implementation of Standard Webhooks."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest
from crm_kit import webhook_signatures
from crm_kit.webhook_signatures import MAX_SIGNATURES, headers_of, holds, new_secret, signature
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = st.binary(min_size=24, max_size=64).map(lambda key: "whsec_" + b64encode(key).decode())
TEXTS = st.text(max_size=60)


@given(SECRETS, st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=1, max_size=30), TEXTS)
def test_what_the_reference_signs_holds_and_nothing_that_was_changed(secret: str, id: str, body: str) -> None:
    signed = Webhook(secret).sign(id, NOW, body)
    time = str(int(NOW.timestamp()))
    assert holds(signed, id, time, body.encode(), [new_secret(), secret], now=NOW)
    assert not holds(signed, id, time, body.encode() + b" ", [secret], now=NOW)
    assert not holds(signed, id + "x", time, body.encode(), [secret], now=NOW)
    assert not holds(signed, id, str(int(time) + 1), body.encode(), [secret], now=NOW)
    assert not holds(signed, id, time, body.encode(), [new_secret()], now=NOW)
    assert not holds(signed, id, time, body.encode(), [], now=NOW)


@given(st.integers(-3600, 3600))
def test_a_signature_holds_for_five_minutes_around_its_time(seconds: int) -> None:
    secret = new_secret()
    headers = headers_of("msg", b"{}", [secret], now=NOW + timedelta(seconds=seconds))
    told = headers["webhook-signature"], headers["webhook-id"], headers["webhook-timestamp"]
    assert holds(*told, b"{}", [secret], now=NOW) is (abs(seconds) <= 300)


@given(TEXTS, TEXTS, TEXTS)
def test_no_header_is_too_odd_to_be_refused(signatures: str, id: str, timestamp: str) -> None:
    assert not holds(signatures, id, timestamp, b"{}", [new_secret()], now=NOW)


def test_signatures_beyond_the_tenth_are_not_looked_at() -> None:
    secret = new_secret()
    headers = headers_of("msg", b"{}", [*(new_secret() for _ in range(10)), secret], now=NOW)
    assert not holds(headers["webhook-signature"], "msg", headers["webhook-timestamp"], b"{}", [secret], now=NOW)


def test_a_body_is_signed_once_for_each_secret_however_many_signatures_come(monkeypatch: pytest.MonkeyPatch) -> None:
    signed: list[str] = []

    def watched(secret: str, content: bytes) -> str:
        signed.append(secret)
        return signature(secret, content)

    monkeypatch.setattr(webhook_signatures, "signature", watched)
    ours, time = [new_secret(), new_secret()], str(int(NOW.timestamp()))
    assert not holds(" ".join(["v1,AAAA"] * MAX_SIGNATURES), "msg", time, b"{}", ours, now=NOW)
    assert signed == ours
