"""The values that go into and come out of rendering. Imports nothing but errors."""

import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from service.errors import ServiceError

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class RenderingError(ServiceError):
    """A template could not be filled: a value is missing, empty or unsafe. Names template and field, never the value."""

    code = "rendering"


class View(StrEnum):
    """Which way a mail leaves us."""

    DIRECT = "direct"  # one mail to one person: our own unsubscribe and preference links, our postal address
    CAMPAIGN = "campaign"  # through a Mailchimp campaign: its merge tags, which it insists on, in their place


@dataclass(frozen=True, slots=True)
class Rendered:
    """A finished mail. `links` are the addresses a reader can follow in the HTML, in order, each once, without those
    for leaving and preferences.
    """

    subject: str
    html: str
    text: str
    links: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A letter before it goes: one line of subject and a body in Markdown that a facilitator may edit."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as `#rrggbb`. Text colours must stand at 4.5:1 or better on `surface` and `background` (a test checks)."""

    background: str
    surface: str
    text: str
    muted: str
    link: str
    button: str
    button_text: str
    line: str
    tint: str

    def faults(self) -> list[str]:
        """What could not be read, or is no colour, as sentences."""
        values = asdict(self)
        wrong = [f"{name} must be a colour as #rrggbb" for name, value in values.items() if not _COLOUR.fullmatch(str(value))]
        if wrong:
            return wrong
        pairs = [(ink, ground, 4.5) for ink in ("text", "muted", "link") for ground in ("surface", "background", "tint")]
        pairs += [("button_text", "button", 4.5), ("button", "surface", 3.0)]
        found = [(ink, ground, least, contrast(values[ink], values[ground])) for ink, ground, least in pairs]
        return [f"{ink} on {ground} stands at {at:.1f}:1; it needs {least}:1" for ink, ground, least, at in found if at < least]


def contrast(one: str, other: str) -> float:
    """How far two colours (#rrggbb) stand apart, 1 to 21. Source: WCAG 2.2, contrast ratio."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True, slots=True)
class Brand:
    """How the community's mails look: the content of `email_templates/brand.json`."""

    font_stack: str
    light: Palette
    dark: Palette
    logo_url: str = ""
    logo_alt: str = ""
    logo_width: int = 120

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a brand file. Raises RenderingError when a field is missing or unknown, or a colour can't be read on its ground."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            brand = cls(light=Palette(**raw.pop("light")), dark=Palette(**raw.pop("dark")), **raw)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise RenderingError(f"{path.name}: {error}") from error
        faults = [f"{name}: {fault}" for name, palette in (("light", brand.light), ("dark", brand.dark)) for fault in palette.faults()]
        if "<" in brand.font_stack or '"' in brand.font_stack or ";" in brand.font_stack:
            faults.append("font_stack: names of fonts with commas between, those with spaces in single quotes")
        if faults:
            raise RenderingError(f"{path.name}: {'; '.join(faults)}.")
        return brand


@dataclass(frozen=True, slots=True)
class Community:
    """Who writes. `base_url` is without a trailing slash; `brand` None means the brand file beside the templates."""

    name: str
    sender_name: str
    postal_address: str
    base_url: str
    facilitator_name: str = ""
    brand: Brand | None = None
