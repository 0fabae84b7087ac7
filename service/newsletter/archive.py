"""What anyone on the web may read of an edition: its own words and items, none of its readers. Made when it is frozen, cleaned again
when it is shown.
"""

from markupsafe import Markup, escape

from service.newsletter.mail import EditionContent, Story
from service.rendering import cleaned, link_or_empty, to_fragment

_WORDS = {"discussion": "Discussion", "content": "Worth reading", "activity": "Take part", "announcement": "News"}


def archive_fragment(content: EditionContent) -> str:
    """The edition as a piece of HTML without styles. New members' names are left out: they agreed to be named to members only."""
    parts = [to_fragment(content.intro)]
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
        parts.append(_section("The question of this edition", [to_fragment(content.question, brief=True)]))
    return clean_fragment(str(Markup("\n").join(part for part in parts if part)))


def clean_fragment(fragment: str) -> str:
    """The fragment with nothing in it but text, headings, lists and links that can be followed."""
    return cleaned(fragment, tags=frozenset({"section", "article"}), classes=("section", "article", "p"), link_rel="noopener")


def _section(title: str, rows: list[Markup]) -> Markup:
    return Markup("<section><h2>{}</h2>{}</section>").format(title, Markup("").join(rows))


def _article(story: Story, level: int) -> Markup:
    about = [_WORDS[story.kind], story.source, f"first shown in {story.recycled_from}" if story.recycled_from else ""]
    heading = Markup("<h{level}>{title}</h{level}>").format(level=level, title=_linked(story.title, story.url))
    words = to_fragment(story.summary, brief=True)
    return Markup("<article>{}<p class='muted'>{}</p>{}</article>").format(heading, " · ".join(a for a in about if a), words)


def _linked(title: str, url: str) -> Markup:
    address = link_or_empty(url)
    return Markup('<a href="{}">{}</a>').format(address, title) if address else escape(title)
