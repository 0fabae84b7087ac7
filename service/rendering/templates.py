"""Every template of a folder, compiled, and filled. Loaded by `renderer.py` when the first mail is made."""

import html as htmllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateError, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from service.errors import NotFound
from service.languages import ENGLISH, in_language, listed_in, translations, written_in
from service.rendering import markdown
from service.rendering.compose import compiled_html, composer
from service.rendering.safety import (
    ARCHIVE_TAG,
    PREFERENCES_TAG,
    SUBJECT_TAG,
    UNSUBSCRIBE_TAG,
    MergeTag,
    field_name,
    link,
    link_or_empty,
    markdown_link,
    markdown_value,
    one_line,
    plain_value,
    quote_reason,
    with_breaks,
)
from service.rendering.values import Brand, Community, Draft, Rendered, RenderingError, View

T = TypeVar("T")
LETTER_LAYOUT = "_letter"


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, where a mapping's own entries come before its methods: quicker, and `event.items` means the entry."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


class Templates:
    """See `Renderer`, whose work this is."""

    def __init__(self, templates: Path, community: Community, brand: Brand) -> None:
        """Raises RenderingError when a template does not compile."""
        self._folder, self._base_url = templates, community.base_url
        self._styles = markdown.letter_styles(brand.light)
        self._html = self._environment(community, plain_value, autoescape=True)
        brief = markdown.brief_styles(self._styles)
        self._html.globals["_"] = _saying(lambda text, values: Markup(text) % values, plain_value)  # noqa: S704 - ours; values are escaped
        self._html.filters["markdown"] = lambda source: markdown.to_html(source, self._styles)
        self._html.filters["brief"] = lambda source: markdown.to_html(source, brief, brief=True)
        self._html.filters["with_breaks"] = with_breaks
        self._text = self._environment(community, plain_value)
        self._text.globals["_"] = _saying(lambda text, values: text % values, plain_value)
        self._text.filters["markdown"] = markdown.to_text
        self._text.filters["brief"] = lambda source: markdown.to_text(source, brief=True)
        self._markdown = self._environment(community, markdown_value)
        self._markdown.globals["_"] = _saying(lambda text, values: Markup(text % values), markdown_value)  # noqa: S704 - not HTML: escaped for Markdown
        self._markdown.filters |= {"url": markdown_link, "as_markdown": Markup}
        first_pass = composer(templates, brand)
        found = sorted(folder.name for folder in templates.iterdir() if (folder / "subject.txt").is_file())
        drafted = [kind for kind in found if (templates / kind / "draft.md").is_file()]
        self._drafts = {kind: self._template(self._markdown, f"{kind}/draft.md") for kind in drafted}
        self._subjects = {kind: self._template(self._text, f"{kind}/subject.txt") for kind in found}
        self._mails = {kind: self._pair(first_pass, f"{kind}/body") for kind in found if kind not in self._drafts}
        self._letter = self._pair(first_pass, LETTER_LAYOUT)

    def kinds(self) -> tuple[str, ...]:
        """See `Renderer`."""
        return tuple(self._subjects)

    def letters(self) -> tuple[str, ...]:
        """See `Renderer`."""
        return tuple(self._drafts)

    def draft(self, kind: str, context: Mapping[str, object], language: str) -> Draft:
        """See `Renderer`."""
        template, values = _known(self._drafts, kind), _spoken(context, language, self._base_url)
        with _naming(kind):
            return Draft(one_line(self._subjects[kind].render(values)), _tidy(template.render(values)))

    def letter(self, kind: str, draft: Draft, language: str, preferences_url: str, unsubscribe_url: str, view: View) -> Rendered:
        """See `Renderer`."""
        _known(self._drafts, kind)
        subject = one_line(str(plain_value(draft.subject)))
        context: dict[str, object] = {
            "body": draft.body,
            "mail_subject": subject,
            "preferences_url": preferences_url,
            "unsubscribe_url": unsubscribe_url,
        }
        return self._filled(kind, self._letter, subject, _spoken(context, language, self._base_url), view)

    def render(self, kind: str, context: Mapping[str, object], view: View, language: str) -> Rendered:
        """See `Renderer`."""
        pair, values = _known(self._mails, kind), _spoken(context, language, self._base_url)
        with _naming(kind):
            subject = one_line(self._subjects[kind].render(values))
        # where Mailchimp puts the subject in, its tag stands in the title too
        shown = SUBJECT_TAG if isinstance(context.get("subject"), MergeTag) else subject
        return self._filled(kind, pair, subject, {**values, "mail_subject": shown}, view)

    def _filled(self, kind: str, pair: tuple[Template, Template], subject: str, context: dict[str, object], view: View) -> Rendered:
        by_campaign = view is View.CAMPAIGN
        if by_campaign:
            context |= {"preferences_url": PREFERENCES_TAG, "unsubscribe_url": UNSUBSCRIBE_TAG}
        context["by_campaign"] = by_campaign
        with _naming(kind):
            html, text = pair[0].render(context), pair[1].render(context)
        own = {PREFERENCES_TAG, UNSUBSCRIBE_TAG, ARCHIVE_TAG, context.get("preferences_url"), context.get("unsubscribe_url")}
        return Rendered(subject, html, _tidy(text), tuple(address for address in dict.fromkeys(_addresses(html)) if address not in own))

    def _pair(self, first_pass: Environment, stem: str) -> tuple[Template, Template]:
        html = compiled_html(first_pass, f"{stem}.mjml")
        with _naming(stem):
            return self._html.from_string(html), self._text.get_template(f"{stem}.txt")

    def _template(self, environment: _Environment, name: str) -> Template:
        with _naming(name):
            return environment.get_template(name)

    def _environment(self, community: Community, finalize: Callable[[object], object], *, autoescape: bool = False) -> _Environment:
        environment = _Environment(
            loader=FileSystemLoader(self._folder),
            undefined=StrictUndefined,
            finalize=finalize,
            autoescape=autoescape,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.globals["community"] = asdict(community)
        environment.filters |= {
            "url": link,
            "url_or_empty": link_or_empty,
            "one_line": one_line,
            "quoted": pass_context(lambda context, words, limit=160: quote_reason(words, limit, language=context["language"])),
            "field_name": field_name,
            "in_words": pass_context(lambda context, items: listed_in(items, context["language"])),
        }
        return environment


def _spoken(context: Mapping[str, object], language: str, base_url: str) -> dict[str, object]:
    """The values of a mail in the language it is written in, and that language's code. Links to pages of ours ask for the language too."""
    code = written_in(language)
    if code == ENGLISH:
        return {**context, "language": code}
    said = {name: in_language(value, code) for name, value in context.items()}
    ours = {name: f"{value}?lang={code}" for name, value in said.items() if name.endswith("_url") and _plain_page(value, base_url)}
    return said | ours | {"language": code}


def _plain_page(address: object, base_url: str) -> bool:
    return isinstance(address, str) and address.startswith(f"{base_url}/") and "?" not in address


def _saying(put_together: Callable[[str, dict[str, object]], str], finalize: Callable[[object], object]) -> Callable[..., str]:
    """A template's `_()`: the text in the mail's language, with its values made harmless as all printed values are."""

    @pass_context
    def say(context: Context, message: str, **values: object) -> str:
        text = translations(context["language"]).gettext(message)
        return put_together(text, {name: finalize(value) for name, value in values.items()})

    return say


def _known(templates: Mapping[str, T], kind: str) -> T:
    if kind not in templates:
        raise NotFound("There is no such kind of mail.")
    return templates[kind]


def _addresses(html: str) -> Iterator[str]:
    """Where the links of `html` go. Ours begin with `<a href=`; looking for just that is many times quicker than parsing."""
    for piece in html.split('<a href="')[1:]:
        address = piece[: piece.index('"')]
        yield htmllib.unescape(address) if "&" in address else address


def _tidy(text: str) -> str:
    while " \n" in text:
        text = text.replace(" \n", "\n")
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip() + "\n"


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Turns a template's fault into ours, with the template's name. Jinja's message names fields, never values."""
    try:
        yield
    except TemplateError as error:
        raise RenderingError(f"{name}: {error.message}") from error
    except RenderingError as error:
        raise RenderingError(f"{name}: {error.detail}") from error
