"""When two payments are one: they have the same bank reference, and no two bank accounts that tell them apart."""

from crm_kit.database.tables import Violation
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ExcludeConstraint

# A reference means something at its bank only, so it may come back at another one. Where the account is left out it may
# be any, which no unique key can say: such a payment takes all of the reference, one with an account a point of it.
# Two of a reference exclude each other where what they take overlaps. Blanks are no part of either, nor is the case
# of letters: both are printed in groups and typed as they come. The length keeps one reference from beginning another.
CREATE_KEY = r"""
CREATE TYPE text_range AS RANGE (subtype = text, collation = "C");
CREATE FUNCTION payment_key(tenant_id uuid, reference text, bank_account text) RETURNS text_range
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    told text := upper(regexp_replace(reference, '\s', '', 'g') COLLATE "C");
    account text := upper(regexp_replace(bank_account, '\s', '', 'g') COLLATE "C");
    key text := tenant_id || ' ' || length(told) || ' ' || told;
BEGIN
    IF account IS NULL THEN RETURN text_range(key || ':', key || ';'); END IF;
    RETURN text_range(key || ':' || account, key || ':' || account, '[]');
END $$
"""
DROP_KEY = "DROP FUNCTION payment_key(uuid, text, text); DROP TYPE text_range"


def one_payment_a_reference() -> ExcludeConstraint:
    """Money is recorded once, whoever sends the bank's statement again. A reversed payment leaves its reference."""
    detail = "a payment with this bank reference is recorded already"
    return ExcludeConstraint(
        (text("payment_key(tenant_id, reference, bank_account)"), "&&"),
        name="payments_reference_excl",
        using="gist",
        where=text("state = 'RECEIVED' AND reference IS NOT NULL"),
        info={"violation": Violation("exists", "PAYMENT_REFERENCE_TAKEN", "payment.reference", detail)},
    )
