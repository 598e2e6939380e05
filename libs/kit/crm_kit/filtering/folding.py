"""Text compared whatever its case, in memory as in PostgreSQL."""


def fold(text: str) -> str:
    """Lower case letter by letter, as PostgreSQL's `lower` and ILIKE do with the C.UTF-8 locale.

    `str.lower` differs in two: a final Σ depends on its neighbours, and İ becomes two characters.
    """
    if text.isascii():
        return text.lower()
    return "".join("i" if character == "İ" else character.lower() for character in text)
