"""Files that are to be written and lines that are to be added, worked out whole before anything is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from string import Template

from crm_local.failure import LocalFailure
from crm_local.scaffold.insertion import AnchorMissing


@dataclass
class Plan:
    """What changes in the repository at `root`; paths are relative to it. Templates are filled with `placeholders`."""

    root: Path
    placeholders: Mapping[str, str]
    created: dict[Path, str] = field(default_factory=dict)
    edited: dict[Path, str] = field(default_factory=dict)

    def create(self, path: Path, template: str) -> None:
        """A new file from a template."""
        self.created[path] = self.filled(template)

    def edit(self, path: Path, edit: Callable[[str], str]) -> None:
        """Another text for a file that is there. LocalFailure when it lacks what the edit goes by."""
        try:
            text = self.edited[path] if path in self.edited else (self.root / path).read_text(encoding="utf-8")
            self.edited[path] = edit(text)
        except FileNotFoundError as error:
            raise LocalFailure(f"{path} is missing: put it back, nothing was changed") from error
        except AnchorMissing as missing:
            raise LocalFailure(f"{path} has no {missing}: put it back, nothing was changed") from missing

    def filled(self, template: str) -> str:
        """The text of a template with the placeholders' values in it."""
        text = files("crm_local.scaffold").joinpath("templates", template).read_text(encoding="utf-8")
        return Template(text).substitute(self.placeholders)

    def write(self) -> None:
        """Write everything. The edits, which make the rest known, come last."""
        for path, text in (self.created | self.edited).items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text, encoding="utf-8")
