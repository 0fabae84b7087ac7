"""What a mail asks of mail programs, and which of them can't do it: by the data of caniemail.com (`data/caniemail.json`)."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tinycss2
from justhtml import Element, JustHTML

DATA = Path(__file__).parent / "data" / "caniemail.json"
FEATURES: dict[str, dict[str, dict[str, str]]] = json.loads(DATA.read_text(encoding="utf-8"))["features"]
_SHORT = {"padding-left": "padding", "padding-right": "padding", "padding-bottom": "padding", "padding-top": "padding",
          "margin-left": "margin", "margin-right": "margin", "margin-bottom": "margin", "margin-top": "margin",
          "border-top": "border", "border-left": "border", "border-color": "border", "border-bottom": "border"}  # fmt: skip
_ELEMENTS = {"table": "html-table", "h1": "html-h1-h6", "h2": "html-h1-h6", "h3": "html-h1-h6", "p": "html-p", "div": "html-div",
             "strong": "html-strong", "style": "html-style", "ul": "html-lists", "ol": "html-lists", "img": "html-img",
             "blockquote": "html-blockquote", "code": "html-code", "pre": "html-pre", "hr": "html-hr", "span": "html-span"}  # fmt: skip
_ATTRIBUTES = {"align": "html-align", "valign": "html-valign", "width": "html-width", "height": "html-height", "role": "html-role",
               "lang": "html-lang", "dir": "html-dir", "cellpadding": "html-cellpadding", "cellspacing": "html-cellspacing",
               "aria-label": "html-aria-label", "aria-hidden": "html-aria-hidden"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A mail's demands: `features` by caniemail's names, each with how it is written here; `unknown` properties that it has no data of;
    `padded` the elements with a padding of their own.
    """

    features: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    padded: list[Element] = field(default_factory=list)


def elements(node: object) -> Iterator[Element]:
    for child in getattr(node, "children", None) or ():
        if isinstance(child, Element):
            yield child
        yield from elements(child)


def asked_of(html: str) -> Asked:
    """Everything a mail uses: elements, attributes, properties of style attributes and sheets, rules about the screen."""
    found = Asked()
    for element in elements(JustHTML(html, sanitize=False).root):
        for name in (_ELEMENTS.get(element.name), *(_ATTRIBUTES.get(attribute) for attribute in element.attrs)):
            if name:
                found.features.setdefault(name, name.removeprefix("html-"))
        own = list(_declared(tinycss2.parse_blocks_contents(element.attrs.get("style") or ""), found))
        if any(name.startswith("padding") and value.strip("0px %") for name, value in own):
            found.padded.append(element)
        if element.name == "style":
            _sheet("".join(child.data or "" for child in element.children), found)
    return found


def _sheet(css: str, found: Asked) -> None:
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        assert rule.type != "error", rule
        if rule.type == "at-rule":
            condition = tinycss2.serialize(rule.prelude)
            slug = "css-at-media-prefers-color-scheme" if "prefers-color-scheme" in condition else f"css-at-{rule.at_keyword}"
            found.features.setdefault(slug, f"@{rule.at_keyword} {condition.strip()}")
            _sheet(tinycss2.serialize(rule.content), found)
        else:
            list(_declared(tinycss2.parse_blocks_contents(rule.content), found))


def _declared(nodes: list, found: Asked) -> Iterator[tuple[str, str]]:  # type: ignore[type-arg]
    for node in nodes:
        assert node.type in {"declaration", "whitespace", "comment"}, node
        if node.type == "declaration":
            value = tinycss2.serialize(node.value).strip()
            yield node.lower_name, value
            if not node.lower_name.startswith(("mso-", "-webkit-", "-ms-")):  # each for one program, passed over by the others
                _note(node.lower_name, value, found)


def _note(name: str, value: str, found: Asked) -> None:
    slug = "css-display-none" if (name, value) == ("display", "none") else f"css-{_SHORT.get(name, name)}"
    if slug in FEATURES:
        found.features.setdefault(slug, f"{name}: {value}")
    else:
        found.unknown.add(name)


def support(slug: str, client: str) -> tuple[str, str]:
    """(`y`, `a`, `n` or `u`, what the notes say) of a feature in one mail program."""
    mark, *notes = FEATURES[slug]["support"].get(client, "u").split()
    return mark, " ".join(FEATURES[slug]["notes"].get(note.strip("#"), "") for note in notes)  # type: ignore[call-overload]
