"""Text as it is compared: folded names and slugs."""

import re
import unicodedata

_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def folded(name: str) -> str:
    """``name`` as the store compares, searches and orders it: NFC, case-folded, NFC again.

    Case folding can take composed text apart (the Unicode Standard, section 3.13, D145: folding
    does not keep normalization), hence the second NFC. May be longer than ``name``: up to three
    characters for each.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def slug(text: str) -> str:
    """``text`` as lower-case ASCII words joined by hyphens: ``"Café & Bar"`` gives ``cafe-bar``.

    At most 100 characters, the width of the slug columns. Empty when nothing of ``text`` is left,
    for example for text of a script that has no ASCII decomposition.
    """
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return _NOT_SLUG.sub("-", plain).strip("-")[:100].rstrip("-")
