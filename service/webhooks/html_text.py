"""HTML mail bodies as plain text that reads like the text part the sender's program would have made.

Pure; must never import a database, a framework or settings. Nothing is fetched, nothing is executed.
"""

import re
from html import unescape
from html.parser import HTMLParser

import nh3

_DROPPED = {"script", "style", "head", "title", "template", "noscript", "svg", "object"}
_BLOCKS = frozenset({"div", "table", "tbody", "tr", "ul", "ol", "li", "section", "article", "header", "footer", "hr", "pre", "center"})
_SPACED = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote"})
_KEPT = {*_BLOCKS, *_SPACED, "br", "td", "th"}
_DEEPEST_QUOTE = 10
# Repairing takes quadratic time in the depth; no mail program nests this deep.
_DEEPEST = 5000
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_ENDLESS = frozenset(
    {"br", "hr", "img", "meta", "link", "input", "col", "wbr", "area", "base", "embed", "source", "p", "li", "td", "th", "tr"}
)
# Gmail's indent button also makes a blockquote, without the line at the side: those are the writer's own words.
_INDENT = re.compile(r"border\s*:\s*(none|0)", re.IGNORECASE)


def html_to_text(html: str) -> str:
    """The readable text: paragraphs apart, list items with a dash, table cells side by side, quotes behind `> `."""
    if _depth(html) > _DEEPEST:
        return unescape(re.sub(r"\s*<[^<>]*>\s*", "\n", html)).strip()
    # The cleaner repairs the markup first: the standard library's parser takes quadratic time on unfinished tags.
    whole = nh3.clean(
        html, tags=_KEPT, clean_content_tags=_DROPPED, attributes={"blockquote": {"style"}}, strip_comments=True, link_rel=None
    )
    reader = _Reader()
    reader.feed(whole)
    reader.close()
    return reader.text()


def _depth(html: str) -> int:
    """How many elements are open at most, roughly: elements that need no end are not counted."""
    depth = deepest = 0
    for tag in _TAG.finditer(html):
        if tag[2].lower() not in _ENDLESS:
            depth += -1 if tag[1] else 1
            deepest = max(deepest, depth)
    return deepest


class _Reader(HTMLParser):
    """Collects finished lines and the one being written."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._lines: list[str] = []
        self._line = ""
        self._preformatted = 0
        self._quotes: list[bool] = []
        self._wants_gap = False

    def text(self) -> str:
        """What was read so far, with at most one empty line in a row."""
        self._end_line()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip("\n")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Break the line where a reader would see a break."""
        if tag == "br":
            self._write_line()
        elif tag in _SPACED:
            self._end_line()
            self._wants_gap = bool(self._lines)
        elif tag in _BLOCKS:
            self._end_line()
        if tag == "blockquote":
            style = dict(attrs).get("style") or ""
            self._quotes.append(not _INDENT.search(style))
        elif tag == "pre":
            self._preformatted += 1
        elif tag == "li":
            self._line = "- "
        elif tag in ("td", "th") and self._line.strip():
            self._line += " "

    def handle_endtag(self, tag: str) -> None:
        """Undo what the start did."""
        if tag in _SPACED:
            self._end_line()
            self._wants_gap = True
        elif tag in _BLOCKS:
            self._end_line()
        if tag == "blockquote" and self._quotes:
            self._quotes.pop()
        elif tag == "pre":
            self._preformatted = max(self._preformatted - 1, 0)

    def handle_data(self, data: str) -> None:
        """Text, with white space as a browser shows it."""
        if self._preformatted:
            first, *rest = data.split("\n")
            self._line += first
            for line in rest:
                self._write_line()
                self._line = line
            return
        data = re.sub(r"[ \t\r\n\f]+", " ", data).replace("\xa0", " ")
        if not self._line or self._line.endswith(" "):
            data = data.lstrip(" ")
        self._line += data

    def _end_line(self) -> None:
        if self._line.strip():
            self._write_line()
        self._line = ""

    def _write_line(self) -> None:
        prefix = "> " * min(sum(self._quotes), _DEEPEST_QUOTE)
        if self._wants_gap and self._line.strip():
            self._lines.append(prefix.rstrip())
        if self._line.strip():
            self._wants_gap = False
        self._lines.append((prefix + self._line).rstrip())
        self._line = ""
