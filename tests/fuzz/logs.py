"""What services logged that nobody had foreseen."""

import re

# A call that failed without a reason of ours, or work in the background that ended.
UNFORESEEN = re.compile(
    r"rpc\.failed|background_ended|background\.(?:failed|ended)|consumer\.stumbled|request\.failed|Exception in ASGI"
)
EXCEPTION = re.compile(r"^(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Violation)\b.*$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
AFTER = 400
LONGEST = 300


def exceptions_in(log: str) -> list[str]:
    """The exceptions of what failed unforeseen, each once with how often it was there."""
    seen: dict[str, int] = {}
    lines = COLOUR.sub("", log).splitlines()
    for number, line in enumerate(lines):
        if not UNFORESEEN.search(line):
            continue
        for told in EXCEPTION.findall("\n".join(block_after(lines, number))):
            seen[told[:LONGEST]] = seen.get(told[:LONGEST], 0) + 1
    return [f"{count} x {told}" for told, count in sorted(seen.items(), key=lambda each: -each[1])]


def block_after(lines: list[str], number: int) -> list[str]:
    """The lines of a log after one of them, up to the next that begins with a time."""
    block = []
    for line in lines[number + 1 : number + AFTER]:
        if line[:4].isdigit() and line[4:5] == "-":
            break
        block.append(line)
    return block
