"""Fills templates: letters (Markdown that a facilitator may edit) and structured mails (MJML). Asks nothing but its arguments."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from service.languages import ENGLISH
from service.rendering.values import Brand, Community, Draft, Rendered, View

if TYPE_CHECKING:
    from service.rendering.templates import Templates


class Renderer:
    """Every template of a folder, read and compiled once, when the first mail is made. Safe to share between threads and tasks."""

    def __init__(self, templates: Path, community: Community) -> None:
        self._folder = templates
        self._community = community
        self._brand = community.brand or Brand.load(templates / "brand.json")
        self.logo_url = self._brand.logo_url
        """The community's logo, for pages that show themselves elsewhere; empty where there is none."""

    def load(self) -> None:
        """Read and compile now. Raises RenderingError when a template does not compile; so does the first use."""
        _ = self._templates

    def kinds(self) -> tuple[str, ...]:
        """Every kind of mail there is, sorted."""
        return self._templates.kinds()

    def letters(self) -> tuple[str, ...]:
        """The kinds that are letters: drafted, perhaps edited, then rendered by `letter`."""
        return self._templates.letters()

    def draft(self, kind: str, context: Mapping[str, object], *, language: str) -> Draft:
        """A letter ready for a facilitator's eyes, in the language its reader chose, else in English. People's words in it are escaped, so
        that they read as they were written.
        Raises NotFound for a kind that is no letter and RenderingError for a missing value.
        """
        return self._templates.draft(kind, context, language)

    def letter(
        self, kind: str, draft: Draft, *, language: str, preferences_url: str = "", unsubscribe_url: str = "", view: View = View.DIRECT
    ) -> Rendered:
        """A draft as a mail in the personal-letter layout; `language` is that of the layout's own words. In the campaign view Mailchimp's
        own tags stand where the two links go.
        Raises NotFound for a kind that is no letter.
        """
        return self._templates.letter(kind, draft, language, preferences_url, unsubscribe_url, view)

    def render(self, kind: str, context: Mapping[str, object], *, view: View = View.DIRECT, language: str = ENGLISH) -> Rendered:
        """A structured mail, in the language its reader chose where we have it, else in English. Kinds that go to members also need
        `preferences_url` and `unsubscribe_url`.
        Raises NotFound for an unknown kind and RenderingError for a missing value.
        """
        return self._templates.render(kind, context, view, language)

    def campaign(self, kind: str, context: Mapping[str, object]) -> Rendered:
        """A structured mail for a Mailchimp campaign: Mailchimp's merge tags are ours alone, all stored text is neutralised."""
        return self.render(kind, context, view=View.CAMPAIGN)

    @cached_property
    def _templates(self) -> "Templates":
        from service.rendering.templates import Templates  # noqa: PLC0415  # MJML, Markdown and Jinja: many processes make no mail

        return Templates(self._folder, self._community, self._brand)
