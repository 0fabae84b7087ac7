"""Markdown as markdown-it reads it, with our own rules about links and headings. Loaded by `markdown.py` at the first text."""

import re
from collections.abc import Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from service.rendering.safety import link_or_empty


class _Parser(MarkdownIt):
    """Markdown whose links lead somewhere from a mailbox: a web page or an address, nothing relative."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - markdown-it's name
        return bool(link_or_empty(url))


_PARSER = _Parser("commonmark", {"html": False, "breaks": True}).disable("image")
_PASTED = re.compile(r"https?://[^\s<>()\[\]]*[^\s<>()\[\].,;:!?'\"]")


@lru_cache(maxsize=32)  # the HTML and the text of one mail come from one parse
def parsed(source: str, *, brief: bool = False) -> tuple[Token, ...]:
    """The text as markdown-it's flat list of tokens, our own rules applied."""
    tokens = _PARSER.parse(source)
    in_heading = False
    for token in tokens:
        if token.tag == "h1":  # the mail has its own first heading
            token.tag = "h2"
        if token.type == "inline":
            token.children = _with_pasted_links(token.children or [])
        if brief and token.type in {"heading_open", "heading_close"}:
            in_heading = token.type == "heading_open"
            token.type, token.tag = token.type.replace("heading", "paragraph"), "p"
        elif in_heading and token.type == "inline":
            bold = Token("strong_open", "strong", 1), Token("strong_close", "strong", -1)
            token.children = [bold[0], *(token.children or []), bold[1]]
    return tuple(tokens)


def _with_pasted_links(children: Sequence[Token]) -> list[Token]:
    """Makes bare web addresses links, as anybody who pastes one expects."""
    made: list[Token] = []
    inside = 0
    for child in children:
        inside += child.nesting if child.type.startswith("link_") else 0
        if child.type != "text" or inside:
            made.append(child)
            continue
        position = 0
        for found in _PASTED.finditer(child.content):
            address = _PARSER.normalizeLink(found.group())
            made += [_text(child.content[position : found.start()]), Token("link_open", "a", 1, attrs={"href": address})]
            made += [_text(found.group()), Token("link_close", "a", -1)]
            position = found.end()
        made.append(_text(child.content[position:]))
    return made


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def to_raw_html(source: str, *, brief: bool = False) -> str:
    """HTML that is still to be cleaned."""
    return str(_PARSER.renderer.render(parsed(source, brief=brief), _PARSER.options, {}))
