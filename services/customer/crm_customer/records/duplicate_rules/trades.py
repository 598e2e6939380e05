"""What companies do, as words in their names: behind what only that company is called."""

from functools import cache
from importlib.resources import files

SHORTEST_BRAND = 2


@cache
def trades_of_names() -> dict[str, str]:
    """Chinese words of trades by their English ones, and by themselves."""
    found: dict[str, str] = {}
    for line in files(__package__).joinpath("trades.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            word, _, english = line.partition(" ")
            found[word] = word
            found.update({each: word for each in english.split("|") if each})
    return found


@cache
def _lengths() -> tuple[int, ...]:
    chinese = (len(word) for english, word in trades_of_names().items() if english == word)
    return tuple(sorted(set(chinese), reverse=True))


def brand_and_trades(core: str) -> tuple[str, tuple[str, ...]]:
    """What only this company is called, two characters at least, and the words of trades behind it."""
    known = trades_of_names()
    found: list[str] = []
    while True:
        fits = (core[-size:] for size in _lengths() if len(core) - size >= SHORTEST_BRAND and core[-size:] in known)
        word = next(fits, None)
        if word is None:
            return core, tuple(found)
        found.insert(0, word)
        core = core.removesuffix(word)


def brand_and_trades_of_words(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The same of a name in Latin letters, of which at least one word is what the company is called."""
    known, rest = trades_of_names(), list(words)
    found: list[str] = []
    while True:
        fits = (size for size in (3, 2, 1) if len(rest) > size and " ".join(rest[-size:]) in known)
        size = next(fits, 0)
        if not size:
            return tuple(rest), tuple(found)
        found.insert(0, known[" ".join(rest[-size:])])
        del rest[-size:]
