"""An item's words: Markdown where a person wrote them for the newsletter, plain text where they came from elsewhere (feeds, files,
replies, stories). Plain text that happens to look like Markdown stays what it is.
"""

from service.newsletter.models import ContentItem
from service.newsletter.rules import SummaryFormat
from service.rendering import from_plain, to_fragment, to_text


def markdown_of(summary: str, written: str) -> str:
    """The words as Markdown, whatever they were written in."""
    return summary if written == SummaryFormat.MARKDOWN else from_plain(summary)


def html_of(summary: str, written: str) -> str:
    """The words as readers see them: cleaned HTML without styles."""
    return str(to_fragment(markdown_of(summary, written), brief=True)).strip()


def text_of(summary: str, written: str) -> str:
    """The words as plain text, made from the same source as the HTML."""
    return to_text(summary, brief=True) if written == SummaryFormat.MARKDOWN else summary


def item_text(item: ContentItem) -> str:
    """An item's words as plain text."""
    return text_of(item.summary, item.summary_format)
