"""The values that go into and come out of rendering. Imports nothing but errors."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from service.errors import ServiceError


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
        """Read a brand file. Raises RenderingError when a field is missing or unknown."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(light=Palette(**raw.pop("light")), dark=Palette(**raw.pop("dark")), **raw)
        except (KeyError, TypeError, ValueError) as error:
            raise RenderingError(f"{path.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Community:
    """Who writes. `base_url` is without a trailing slash; `brand` None means the brand file beside the templates."""

    name: str
    sender_name: str
    postal_address: str
    base_url: str
    facilitator_name: str = ""
    brand: Brand | None = None
