"""When two names are the same to people, however they were typed."""

import unicodedata

# What NFKC leaves apart: quotes, dashes and brackets of typographers for those of typewriters.
_ALIKE = str.maketrans(
    dict.fromkeys("‘’‚‛′´`", "'")
    | dict.fromkeys("“”„‟″«»「」『』", '"')
    | dict.fromkeys("‐‑‒–—―−", "-")
    | dict.fromkeys("〔【〖", "(")
    | dict.fromkeys("〕】〗", ")")
)


def name_key(name: str) -> str:
    """What names have in common that differ in width, case, blanks, signs or the composition of letters only."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).translate(_ALIKE)
    return "".join(each for each in folded if not each.isspace() and unicodedata.category(each) != "Cf")
