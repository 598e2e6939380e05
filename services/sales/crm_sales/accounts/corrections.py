"""What conversions that were broken off have created, with values that were wrong then. Pure."""

from collections.abc import Iterable
from typing import Any

OF_ACCOUNTS = ("display_name", "phone_numbers", "emails", "region_code", "source")
OF_CONTACTS = ("display_name", "job_title", "phone_numbers", "emails")
WHO_THEY_ARE = ("display_name", "phone_numbers", "emails")


def corrected(names: Iterable[str], found: Any, wanted: Any, told: Iterable[Any]) -> list[str]:
    """The fields of a record with a value that was told before and is another now. What others have changed stays."""
    before = list(told)
    return [
        name
        for name in names
        if getattr(found, name) != getattr(wanted, name)
        and any(getattr(found, name) == getattr(each, name) for each in before)
    ]


def is_as_told(contact: Any, told: Iterable[Any]) -> bool:
    """Whether a contact is still whom one of these names."""
    return any(all(getattr(contact, name) == getattr(each, name) for name in WHO_THEY_ARE) for each in told)
