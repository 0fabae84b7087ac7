"""Mailchimp's text merge fields hold 255 bytes and lose the rest without a word; here we cut ourselves, and say so. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

MERGE_FIELD_BYTES = 255
GROUP_FIELDS = ("GRP1", "GRP2", "GRP3", "GRP4")
"""Set for the people of an interest group: what a part of a campaign asks for with *|IF:GRP1|*."""


@dataclass(frozen=True, slots=True)
class CutFields:
    """Values that fit, and the names (merge tags) of those that had to be cut, sorted."""

    values: dict[str, str]
    cut: tuple[str, ...]


def cut_text(text: str, limit: int = MERGE_FIELD_BYTES) -> str:
    """The longest beginning of `text` that takes at most `limit` bytes of UTF-8; never half a character."""
    return text.encode()[:limit].decode(errors="ignore")


def cut_fields(values: Mapping[str, str], limit: int = MERGE_FIELD_BYTES) -> CutFields:
    """Every value cut to `limit` bytes on a character boundary. Callers show `cut` to the facilitator."""
    fitted = {name: cut_text(value, limit) for name, value in values.items()}
    return CutFields(fitted, tuple(sorted(name for name in values if fitted[name] != values[name])))


def split_text(text: str, parts: int, limit: int = MERGE_FIELD_BYTES) -> tuple[str, ...]:
    """`text` over exactly `parts` fields which, set one behind the other, give it again; unused ones are empty.

    A field never begins or ends with white space inside the text (Mailchimp trims values). Raises ValueError when it does not fit:
    personal text is refused whole, not shortened.
    """
    rest, pieces = text.strip(), []
    for _ in range(parts):
        piece = cut_text(rest, limit)
        if len(piece) < len(rest):
            while piece and (piece[-1].isspace() or rest[len(piece)].isspace()):
                piece = piece[:-1]
        pieces.append(piece)
        rest = rest[len(piece) :]
    if rest:
        raise ValueError(f"longer than {parts} fields of {limit} bytes")
    return tuple(pieces)
