"""A dashboard: reports in their places on a screen."""

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field, wrong_state
from crm_kit.sharing.model import Visibility, check_roles

COLUMNS = 12
DEFAULT_WIDTH = 6


class State(enum.StrEnum):
    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


@dataclass(frozen=True, slots=True)
class Tile:
    """A report and its place in a grid of twelve columns; a width or height of 0 is the usual one."""

    collection: str
    report_id: UUID
    title: str = ""
    column: int = 0
    row: int = 0
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    display_name: str
    owner_id: UUID
    create_time: datetime
    update_time: datetime
    version: int = 1
    tiles: tuple[Tile, ...] = ()
    visibility: Visibility = Visibility.PRIVATE
    role_ids: tuple[UUID, ...] = ()
    default_role_ids: tuple[UUID, ...] = ()
    state: State = State.ACTIVE

    def update(self, values: Mapping[str, Any]) -> "Dashboard":
        """With new values of some fields."""
        if self.state is State.ARCHIVED:
            raise wrong_state("dashboard", self.state, "changed", legal=[State.ACTIVE])
        return replace(self, **values)

    def checked(self, *, collections: Collection[str]) -> "Dashboard":
        """The dashboard itself; `collections` are those that there are reports of.

        InvalidArgument for tiles of other collections, or beyond the last column, and for roles that do not see it.
        """
        for at, tile in enumerate(self.tiles):
            _check_tile(tile, f"dashboard.tiles[{at}]", collections)
        check_roles(self.visibility, self.role_ids, place="dashboard")
        sees = self.default_role_ids if self.visibility is Visibility.TENANT else self.role_ids
        if not set(self.default_role_ids) <= set(sees):
            detail = "it has to be shared with the roles that see it first"
            raise invalid_field("dashboard.default_role_ids", "default_roles", detail)
        return self

    def archive(self) -> "Dashboard":
        """ARCHIVED."""
        if self.state is State.ARCHIVED:
            raise wrong_state("dashboard", self.state, "archived", legal=[State.ACTIVE])
        return replace(self, state=State.ARCHIVED)

    def restore(self) -> "Dashboard":
        """ACTIVE again."""
        if self.state is State.ACTIVE:
            raise wrong_state("dashboard", self.state, "restored", legal=[State.ARCHIVED])
        return replace(self, state=State.ACTIVE)


def _check_tile(tile: Tile, place: str, collections: Collection[str]) -> None:
    if tile.collection not in collections:
        possible = ", ".join(sorted(collections))
        detail = f"there are no reports of {tile.collection}; possible: {possible}"
        metadata = {"field": tile.collection, "possible": possible}
        raise invalid_field(f"{place}.collection", "tile_collection", detail, metadata=metadata)
    if tile.column + (tile.width or DEFAULT_WIDTH) > COLUMNS:
        detail = f"it reaches beyond the last of {COLUMNS} columns"
        raise invalid_field(f"{place}.width", "tile_width", detail, metadata={"most": str(COLUMNS)})
