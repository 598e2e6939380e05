"""What breaks a rule of contracts, with its place."""

from dataclasses import dataclass

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ContractProblem:
    """What breaks a rule: the file, the path of the declaration in it as descriptor.proto numbers it, and the text."""

    file: str
    path: Path
    text: str
