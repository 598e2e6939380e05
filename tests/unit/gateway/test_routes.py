import pytest
from crm_gateway.transcode.routes import Routes, Undecodable, parse_template

TABLE = Routes(
    (verb, parse_template(template), f"{verb} {template}")
    for verb, template in [
        ("GET", "/v1/accounts"),
        ("POST", "/v1/accounts"),
        ("GET", "/v1/accounts/{id}"),
        ("PATCH", "/v1/accounts/{account.id}"),
        ("POST", "/v1/accounts/{id}:archive"),
        ("GET", "/v1/accounts:search"),
        ("GET", "/v1/accounts/{id}/changes"),
        ("GET", "/v1/accounts/mine"),
        ("GET", "/v1/{kind}/all/items"),
        ("GET", "/v1/accounts/{account_id}/contacts/{id}"),
    ]
)


@pytest.mark.parametrize(
    ("verb", "path", "template", "values"),
    [
        ("GET", "/v1/accounts", "/v1/accounts", ()),
        ("GET", "/v1/accounts/7", "/v1/accounts/{id}", ("7",)),
        ("PATCH", "/v1/accounts/7", "/v1/accounts/{account.id}", ("7",)),
        ("POST", "/v1/accounts/7:archive", "/v1/accounts/{id}:archive", ("7",)),
        ("GET", "/v1/accounts:search", "/v1/accounts:search", ()),
        ("GET", "/v1/accounts/7/changes", "/v1/accounts/{id}/changes", ("7",)),
        ("GET", "/v1/accounts/mine", "/v1/accounts/mine", ()),
        ("GET", "/v1/accounts/7/contacts/8", "/v1/accounts/{account_id}/contacts/{id}", ("7", "8")),
        ("GET", "/v1/accounts/all/items", "/v1/{kind}/all/items", ("accounts",)),
        ("GET", "/v1/accounts/a%2Fb", "/v1/accounts/{id}", ("a/b",)),
        ("GET", "/v1/accounts/a%3Aarchive", "/v1/accounts/{id}", ("a:archive",)),
        ("POST", "/v1/accounts/7%3Aarchive", "/v1/accounts/{id}:archive", ("7",)),
        ("POST", "/v1/accounts/7%3aarchive", "/v1/accounts/{id}:archive", ("7",)),
        ("GET", "/v1/accounts%3Asearch", "/v1/accounts:search", ()),
        ("GET", "/v1/%61ccounts/7/%63hange%73", "/v1/accounts/{id}/changes", ("7",)),
        ("GET", "/v1/accounts/sap%3A7", "/v1/accounts/{id}", ("sap:7",)),
        ("POST", "/v1/accounts/sap%3A7%3Aarchive", "/v1/accounts/{id}:archive", ("sap:7",)),
        ("POST", "/v1/accounts/a%3Ab:archive", "/v1/accounts/{id}:archive", ("a:b",)),
        ("GET", "/v1/accounts/%E5%BC%A0+1", "/v1/accounts/{id}", ("张+1",)),
    ],
)
def test_a_path_finds_its_route_and_values(verb: str, path: str, template: str, values: tuple[str, ...]) -> None:
    match = TABLE.match(path, verb)
    assert match is not None
    assert (match.targets[verb], match.values) == (f"{verb} {template}", values)


@pytest.mark.parametrize(
    "path",
    [
        "",
        *[
            "/",
            "v1/accounts",
            "/v1/accounts/",
            "/v1//accounts",
            "/v1/accounts/7/",
            "/v1/accounts/7:delete",
            "/v1/accounts:",
            "/v1/accounts/7:",
            "/v1/accounts:archive",
            "/v1/accounts/7/changes/8",
            "/v1/accounts//changes",
            "/v2/accounts",
            "/v1%2Faccounts",
            "/v1/accounts%3A",
            "/v1",
        ],
    ],
)
def test_other_paths_have_no_route(path: str) -> None:
    assert TABLE.match(path) is None


def test_a_segment_that_is_not_utf8_is_told_apart_from_no_route() -> None:
    with pytest.raises(Undecodable):
        TABLE.match("/v1/accounts/%ff")


@pytest.mark.parametrize(
    "template", ["v1/accounts", "/", "/v1/{id", "/v1/{name=**}", "/v1/{id}/{id}", "/v1//x", "/v1/x:", "/v1/x{id}"]
)
def test_a_template_that_cannot_be_served_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="path template"):
        parse_template(template)


def test_templates_of_the_same_shape_match_the_same_paths() -> None:
    assert parse_template("/v1/a/{id}:x").shape == parse_template("/v1/a/{a.id}:x").shape == "/v1/a/{}:x"
