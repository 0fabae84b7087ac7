"""A renderer over the real templates, and how each kind is filled from its sample."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.rendering import Community, Rendered, Renderer, View

TEMPLATES = Path(__file__).parents[2] / "email_templates"
KINDS = sorted(folder.name for folder in TEMPLATES.iterdir() if folder.is_dir())
PREFERENCES = "https://community.example.org/preferences/abc.def"
UNSUBSCRIBE = "https://community.example.org/unsubscribe/abc.def"
MEMBERS = {"preferences_url": PREFERENCES, "unsubscribe_url": UNSUBSCRIBE}


def sample(kind: str) -> dict[str, Any]:
    context: dict[str, Any] = json.loads((TEMPLATES / kind / "sample.json").read_text(encoding="utf-8"))
    return context


@pytest.fixture(scope="session")
def community() -> Community:
    return Community(
        name="Night Team Learning",
        sender_name="Maria at Night Team Learning",
        postal_address="1 Example Street, London SW1A 1AA",
        base_url="https://community.example.org",
        facilitator_name="Maria Okafor",
    )


@pytest.fixture(scope="session")
def renderer(community: Community) -> Renderer:
    return Renderer(TEMPLATES, community)


Mail = Callable[..., Rendered]


@pytest.fixture(scope="session")
def mail(renderer: Renderer) -> Mail:
    """mail(kind, view, **changes): the kind's sample, changed, as a finished mail."""

    def filled(kind: str, view: View = View.DIRECT, language: str = "en", **changes: Any) -> Rendered:
        context = sample(kind) | changes
        if kind not in renderer.letters():
            return renderer.render(kind, MEMBERS | context, view=view, language=language)
        draft = renderer.draft(kind, context, language=language)
        links = {"preferences_url": PREFERENCES, "unsubscribe_url": UNSUBSCRIBE}
        return renderer.letter(kind, draft, language=language, view=view, **links)

    return filled
