"""What anyone on the web may read of an edition: its own words and items, none of its readers. Made when it is frozen, cleaned again
when it is shown.
"""

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape

from service.newsletter.mail import EditionContent, Story
from service.rendering import link_or_empty

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable("image")
_TAGS = {"p", "a", "strong", "em", "ul", "ol", "li", "blockquote", "h2", "h3", "h4", "br", "hr", "code", "pre", "section", "article"}
_ATTRIBUTES = {"a": {"href"}, "section": {"class"}, "article": {"class"}, "p": {"class"}}
_WORDS = {"discussion": "Discussion", "content": "Worth reading", "activity": "Take part", "announcement": "News"}


def archive_fragment(content: EditionContent) -> str:
    """The edition as a piece of HTML without styles. New members' names are left out: they agreed to be named to members only."""
    parts = [_markdown(content.intro)]
    parts += [_article(content.lead, 2)] if content.lead else []
    if content.items:
        parts.append(_section("Also in this edition", [_article(story, 3) for story in content.items]))
    if content.announcements:
        parts.append(_section("News", [_article(story, 3) for story in content.announcements]))
    if content.events:
        rows = [
            Markup("<li>{title}<br>{when}{venue}</li>").format(
                title=_linked(meeting.title, meeting.url), when=meeting.starts_local, venue=f", {meeting.venue}" if meeting.venue else ""
            )
            for meeting in content.events
        ]
        parts.append(_section("Coming up", [Markup("<ul>{}</ul>").format(Markup("").join(rows))]))
    if content.question:
        parts.append(_section("The question of this edition", [Markup("<p>{}</p>").format(content.question)]))
    return clean_fragment(str(Markup("\n").join(part for part in parts if part)))


def clean_fragment(fragment: str) -> str:
    """The fragment with nothing in it but text, headings, lists and links that can be followed."""
    return nh3.clean(fragment, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"http", "https", "mailto"}, link_rel="noopener")


def _markdown(source: str) -> Markup:
    html = str(_MARKDOWN.render(source)).replace("<h1>", "<h2>").replace("</h1>", "</h2>")
    return Markup(clean_fragment(html))  # noqa: S704 - cleaned on the spot


def _section(title: str, rows: list[Markup]) -> Markup:
    return Markup("<section><h2>{}</h2>{}</section>").format(title, Markup("").join(rows))


def _article(story: Story, level: int) -> Markup:
    about = [_WORDS[story.kind], story.source, f"first shown in {story.recycled_from}" if story.recycled_from else ""]
    heading = Markup("<h{level}>{title}</h{level}>").format(level=level, title=_linked(story.title, story.url))
    summary = Markup("<p>{}</p>").format(story.summary) if story.summary else Markup("")
    return Markup("<article>{}<p class='muted'>{}</p>{}</article>").format(heading, " · ".join(a for a in about if a), summary)


def _linked(title: str, url: str) -> Markup:
    address = link_or_empty(url)
    return Markup('<a href="{}">{}</a>').format(address, title) if address else escape(title)
