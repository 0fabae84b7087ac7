"""Rendering personal mails, HTML and text, beside bare Jinja2 filling templates of the same text.

python -m bench.rendering [--mails 1000]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from mjml import mjml2html

from bench.book import Figure, keep
from service.bootstrap import TEMPLATES
from service.rendering import Community, Renderer
from service.rendering.compose import composer
from service.rendering.values import Brand

WANTED = 0.7
KIND = "event_reminder"
COMMUNITY = Community("Falls community", "Maria Okafor", "1 Example Street, London SW1A 1AA", "http://127.0.0.1:8000", "Maria Okafor")
ROUNDS = 5


def bare(context: dict[str, object]) -> Callable[[], object]:
    """The same subject, HTML and text by plain Jinja2 with autoescape: no sandbox, no strictness, no neutralised merge tags, no links
    looked for.
    """
    source = composer(TEMPLATES, Brand.load(TEMPLATES / "brand.json")).get_template(f"{KIND}/body.mjml").render()
    html = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = Environment(autoescape=False, loader=FileSystemLoader(TEMPLATES), trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    ours = Renderer(TEMPLATES, COMMUNITY)._templates._html  # noqa: SLF001  # the same filters, so that the same text can be filled in
    for environment in (html, text):
        environment.filters |= ours.filters
        environment.globals["community"] = ours.globals["community"]
    html.globals["_"] = lambda message, **values: Markup(message) % values  # noqa: S704  # our own texts
    text.globals["_"] = lambda message, **values: message % values
    page = html.from_string(str(mjml2html(source, disable_comments=True, fonts={})))
    body, subject = text.get_template(f"{KIND}/body.txt"), text.get_template(f"{KIND}/subject.txt")

    def fill() -> object:
        return subject.render(context), page.render(context), body.render(context)

    return fill


def seconds_for(mails: int, *fills: Callable[[], object]) -> list[float]:
    """The best of several rounds of each, taken by turns: whatever else the machine does comes upon all alike."""
    best = [float("inf")] * len(fills)
    for _ in range(ROUNDS):
        for place, fill in enumerate(fills):
            begun = time.perf_counter()
            for _ in range(mails):
                fill()
            best[place] = min(best[place], time.perf_counter() - begun)
    return best


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--mails", type=int, default=1000)
    most = parser.parse_args().mails
    sample = json.loads((Path(TEMPLATES) / KIND / "sample.json").read_text())
    context = {**sample, "preferences_url": "https://cop.example/p", "unsubscribe_url": "https://cop.example/u"}
    renderer = Renderer(TEMPLATES, COMMUNITY)
    plain = bare({**context, "mail_subject": "Reminder", "by_campaign": False, "language": "en"})
    figures = []
    for mails in (most // 100, most // 10, most):
        ours, peer = seconds_for(mails, lambda: renderer.render(KIND, context), plain)
        wanted = WANTED if mails == most else None
        figures.append(Figure("rendering a personal mail", mails, mails / ours, "mails/s", mails / peer, "bare Jinja2", wanted))
    keep("rendering", figures)


if __name__ == "__main__":
    main()
