"""Paths of the document: no request could be meant for two of them."""

import itertools
import json
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


def may_be_one(first: str, second: str) -> bool:
    """Whether a path could be of both: `/v1/accounts/{id}/changes` and `/v1/accounts/notes/{id}` by notes/changes."""
    pairs = list(zip(first.split("/"), second.split("/"), strict=False))
    if first.count("/") != second.count("/") or not all(a == b or "{" in a + b for a, b in pairs):
        return False
    # Where one names what the other leaves open all along, it is the exception that routers look for first.
    return any("{" in a and "{" not in b for a, b in pairs) and any("{" in b and "{" not in a for a, b in pairs)


def test_no_two_paths_could_be_meant_by_one_request() -> None:
    paths = [path for path in json.loads(DOCUMENT.read_text())["paths"] if ":" not in path]
    assert [pair for pair in itertools.combinations(paths, 2) if may_be_one(*pair)] == []


def test_paths_that_each_leave_open_what_the_other_names_could_be_one() -> None:
    assert may_be_one("/v1/accounts/{id}/changes", "/v1/accounts/notes/{id}")
    assert not may_be_one("/v1/accounts/{id}", "/v1/accounts/{id}/changes")
    assert not may_be_one("/v1/accounts/{id}/changes", "/v1/leads/notes/{id}")
