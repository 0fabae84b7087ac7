"""Markdown that a facilitator wrote, as cleaned HTML and as readable plain text. No HTML inside, no pictures; a line break
is a line break, as people who don't write Markdown expect. `brief` is for a text that stands under a heading of its own: what is
written as a heading in it becomes bold words.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import nh3
from markupsafe import Markup

from service.rendering.safety import markdown_escape
from service.rendering.values import Palette

if TYPE_CHECKING:
    from markdown_it.token import Token


_TAGS = {"p", "a", "strong", "em", "ul", "ol", "li", "blockquote", "h2", "h3", "h4", "br", "hr", "code", "pre"}
_OPENING = re.compile(r"<(p|a|ul|ol|li|blockquote|h2|h3|h4|hr)(?=[ >])")
_STYLE_FIRST = re.compile(r'<a (style="[^"]*") href="([^"]*)"')  # links are read off a mail by `<a href=`
_LAST_IN_QUOTE = re.compile(r'<p style="[^"]*">((?:(?!</p>).)*</p>\s*</blockquote>)', re.DOTALL)


def letter_styles(palette: Palette) -> dict[str, str]:
    """Inline styles for each element of an author's text: many mail programs drop style sheets."""
    return {
        "p": "margin:0 0 16px",
        "a": f"color:{palette.link};text-decoration:underline",
        "ul": "margin:0 0 16px;padding:0 0 0 22px",
        "ol": "margin:0 0 16px;padding:0 0 0 22px",
        "li": "margin:0 0 8px",
        "blockquote": f"margin:0 0 16px;padding:2px 0 2px 14px;border-left:3px solid {palette.line}",
        "h2": "margin:24px 0 8px;font-size:20px;line-height:1.3",
        "h3": "margin:20px 0 8px;font-size:18px;line-height:1.3",
        "h4": "margin:16px 0 8px;font-size:17px;line-height:1.3",
        "hr": f"margin:24px 0;border:0;border-top:1px solid {palette.line}",
    }


def brief_styles(styles: Mapping[str, str]) -> dict[str, str]:
    """The same for a text of a few lines: less room between its paragraphs."""
    return {**styles, **{name: styles[name].replace("margin:0 0 16px", "margin:0 0 8px") for name in ("p", "ul", "ol", "blockquote")}}


def cleaned(html: str, *, tags: frozenset[str] = frozenset(), classes: Sequence[str] = (), link_rel: str | None = None) -> str:
    """HTML with nothing in it but text, headings, lists and links that can be followed: the one place where it is decided what may
    pass. `tags` may be there too, `classes` are the elements that keep their class.
    """
    attributes = {"a": {"href"}} | {name: {"class"} for name in classes}
    return nh3.clean(html, tags=_TAGS | tags, attributes=attributes, url_schemes={"http", "https", "mailto"}, link_rel=link_rel)


def to_fragment(source: str, *, brief: bool = False) -> Markup:
    """Cleaned HTML without styles, for a page that has its own."""
    from service.rendering.parsing import to_raw_html  # noqa: PLC0415  # markdown-it, at the first text: many processes render none

    return Markup(cleaned(to_raw_html(source, brief=brief)))  # noqa: S704 - cleaned on the spot


def to_html(source: str, styles: Mapping[str, str], *, brief: bool = False) -> Markup:
    """Cleaned HTML, each element with its inline style."""
    clean = str(to_fragment(source, brief=brief))
    styled = _OPENING.sub(lambda found: f'<{found[1]} style="{styles[found[1]]}"', clean)
    linked = _STYLE_FIRST.sub(r'<a href="\2" \1', styled)
    return Markup(_LAST_IN_QUOTE.sub(r'<p style="margin:0">\1', linked))  # noqa: S704 - cleaned by nh3 just above


def to_text(source: str, *, brief: bool = False) -> str:
    """Readable plain text: paragraphs unwrapped, links as `title: address`, lists with dashes or numbers, quotes with `> `."""
    from service.rendering.parsing import parsed  # noqa: PLC0415  # as above

    return _Blocks(parsed(source, brief=brief)).text()


def from_plain(text: str) -> str:
    """Markdown that reads as exactly this plain text, lines and paragraphs kept: for words that were never meant as Markdown."""
    return "\n".join(markdown_escape(line.strip()) for line in text.strip().splitlines())


class _Blocks:
    """Walks the flat token list once; every block becomes some lines, prefixed by the quotes and lists around it."""

    def __init__(self, tokens: "Sequence[Token]") -> None:
        self._tokens = tokens
        self._lines: list[str] = []
        self._prefixes: list[str] = []
        self._lists: list[int | None] = []
        self._bullet = ""
        self._open: dict[str, Callable[[Token], None]] = {
            "bullet_list_open": lambda _: self._begin_list(None),
            "ordered_list_open": lambda token: self._begin_list(int(token.attrGet("start") or 1)),
            "list_item_open": lambda _: self._item(),
            "blockquote_open": lambda _: self._prefixes.append("> "),
            "bullet_list_close": lambda _: self._end_list(),
            "ordered_list_close": lambda _: self._end_list(),
            "list_item_close": lambda _: self._leave(),
            "blockquote_close": lambda _: self._end_quote(),
            "inline": lambda token: self._block(_inline(token.children or ())),
            "fence": lambda token: self._block(token.content.rstrip("\n")),
            "code_block": lambda token: self._block(token.content.rstrip("\n")),
            "hr": lambda _: self._block("-" * 20),
        }

    def text(self) -> str:
        for token in self._tokens:
            if handle := self._open.get(token.type):
                handle(token)
        return "\n".join(self._lines).strip()

    def _item(self) -> None:
        number = self._lists[-1]
        self._bullet = "- " if number is None else f"{number}. "
        if number is not None:
            self._lists[-1] = number + 1
        self._prefixes.append(" " * len(self._bullet))

    def _begin_list(self, first: int | None) -> None:
        self._lists.append(first)
        if len(self._lists) > 1 and self._lines and not self._lines[-1].strip():
            self._lines.pop()  # a list inside an item follows its words at once

    def _leave(self) -> None:
        self._prefixes.pop()
        if self._lines and not self._lines[-1].strip():
            self._lines.pop()  # items of a list stand close

    def _end_list(self) -> None:
        self._lists.pop()
        self._lines.append("")

    def _end_quote(self) -> None:
        self._prefixes.pop()
        while self._lines and self._lines[-1].strip() in {"", ">"}:
            self._lines.pop()
        self._lines.append("")

    def _block(self, text: str) -> None:
        before = "".join(self._prefixes)
        for line in text.split("\n"):
            start = before
            if self._bullet:
                start, self._bullet = before[: -len(self._bullet)] + self._bullet, ""
            self._lines.append((start + line).rstrip())
        self._lines.append(before.rstrip())


def _inline(children: "Sequence[Token]") -> str:
    parts: list[str] = []
    address, began = "", 0
    for child in children:
        if child.type == "link_open":
            address, began = str(child.attrGet("href") or ""), len(parts)
        elif child.type == "link_close":
            title = "".join(parts[began:])
            shown = address.removeprefix("mailto:")
            parts[began:] = [shown if title in {address, shown} else f"{title}: {shown}"]
        elif child.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        else:
            parts.append(child.content)
    return "".join(parts)
