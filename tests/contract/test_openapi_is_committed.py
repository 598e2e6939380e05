"""The OpenAPI document in the repository is the one that is served: its change is part of a review."""

from pathlib import Path

from crm_gateway.__main__ import openapi_text

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_that_of_the_contracts() -> None:
    assert DOCUMENT.read_text() == openapi_text() + "\n", "run `make openapi` and review what changed"
