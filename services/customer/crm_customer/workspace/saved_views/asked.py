"""What a view asks of its collection: whether there is that, as far as the contract says."""

from collections.abc import Callable, Collection, Iterator, Mapping

from crm_kit.errors import InvalidArgument, invalid_field
from crm_kit.filtering.parsing import parse_filter
from crm_kit.listed_collections import ListedCollection, listed_collections
from crm_kit.paging import parse_order_by
from crm_kit.resource.violations import below

from crm_customer.workspace.saved_views.model import PLACE, Problem, SavedView

Check = Callable[[SavedView, ListedCollection], object]


def check_filter(view: SavedView, collection: ListedCollection) -> None:
    """InvalidArgument INVALID_FILTER, as a list says it."""
    parse_filter(view.filter, collection.schema_for(view.filter), field=f"{PLACE}.filter")


def check_order(view: SavedView, collection: ListedCollection) -> None:
    """InvalidArgument for what lists of the collection are not ordered by."""
    try:
        parse_order_by(view.order_by, collection.orders_for(view.order_by), "id")
    except InvalidArgument as error:
        raise below(error, PLACE) from None


def check_columns(view: SavedView, collection: ListedCollection) -> None:
    """InvalidArgument for what its records do not have."""
    for at, name in enumerate(view.columns):
        _require(collection, name, collection.columns, f"columns[{at}]")


def check_group(view: SavedView, collection: ListedCollection) -> None:
    """InvalidArgument for what summaries of the collection do not group by."""
    if view.group_by is not None:
        _require(collection, view.group_by, collection.groups, "group_by")


def _require(collection: ListedCollection, name: str, known: Collection[str], field: str) -> None:
    if name in known or collection.is_custom(name):
        return
    detail = f"names {name}, which {collection.name} do not have there; possible: {', '.join(sorted(known))}"
    raise invalid_field(f"{PLACE}.{field}", "no_such_field", detail, metadata={"name": name})


CHECKS: Mapping[str, Check] = {
    "filter": check_filter,
    "order_by": check_order,
    "columns": check_columns,
    "group_by": check_group,
}


def collection_of(name: str) -> ListedCollection:
    """The collection of this name; InvalidArgument where no service has a list of it."""
    found = listed_collections().get(name)
    if found is None:
        choices = ", ".join(sorted(listed_collections()))
        detail = f"must be one of {choices}"
        raise invalid_field(f"{PLACE}.collection", "listed", detail, metadata={"choices": choices})
    return found


def check_asked(view: SavedView, changed: Collection[str]) -> None:
    """InvalidArgument for the first of these fields that asks for what the collection does not have.

    What was not changed may have a problem: a view can be given another name all the same.
    """
    collection = collection_of(view.collection)
    for field, check in CHECKS.items():
        if field in changed:
            check(view, collection)


def problems_of(view: SavedView) -> Iterator[Problem]:
    """What the collection does not have any more; of a collection that is gone, that."""
    collection = listed_collections().get(view.collection)
    if collection is None:
        yield Problem("collection", f"there is no list of {view.collection} any more")
        return
    for field, check in CHECKS.items():
        try:
            check(view, collection)
        except InvalidArgument as error:
            yield Problem(field, error.detail.removeprefix(f"{PLACE}.{field}: "))
