"""Every text of ours that members read, and the catalogues that say them in other languages: `make texts`, or
`python -m docs.texts [CODE] [--check]`.

Texts stand in the pages and the mails as `_("...")`, in code as `said("...")` and `said_of(count, "one", "many")`. A new text gets an empty
place in each catalogue, one that is no longer used is taken out, and a new CODE starts a catalogue.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from service.languages import LOCALES
from service.pages.consent_texts import JOIN, JOIN_WITHOUT_MEASURING, PREFERENCES, STAY_WITH_LESS

ROOT = Path(__file__).resolve().parent.parent
FACILITATORS = frozenset({"do", "done", "review", "subject_data", "newsletter", "newsletter_edition"})
"""Pages that are not a member's own: they stay English, as the newsletter itself does."""
GAP = re.compile(r"%\(\w+\)s|\{\w+\}")
Text = str | tuple[str, str]
"""A text, or its form for one and its form for many."""


def texts() -> dict[Text, str]:
    """Every text, with the file it was first found in, in a stable order."""
    found: dict[Text, str] = {}
    for file, text in (*_of_templates(), *_of_code(), *_of_consents()):
        found.setdefault(text, str(file.relative_to(ROOT)))
    return found


def _of_templates() -> Iterator[tuple[Path, Text]]:
    pages = [p for p in sorted((ROOT / "service" / "pages" / "templates").glob("*.html")) if p.stem not in FACILITATORS]
    mails = [p for p in sorted((ROOT / "email_templates").rglob("*")) if p.suffix in {".md", ".txt", ".mjml"} and p.name != "README.md"]
    for file in (*pages, *mails):
        with file.open("rb") as source:
            for _, _, message, _ in babel_extract(source, ["_"], [], {}):
                text = message[0] if isinstance(message, tuple) else message
                if text:
                    yield file, text


def _of_code() -> Iterator[tuple[Path, Text]]:
    for file in sorted((ROOT / "service").rglob("*.py")):
        with file.open("rb") as source:
            for _, name, given, _ in extract_python(source, ["said", "said_of"], [], {}):
                arguments = (given,) if isinstance(given, str) else given
                if name == "said_of":
                    yield file, (str(arguments[1]), str(arguments[2]))
                elif arguments[0]:
                    yield file, arguments[0]


def _of_consents() -> Iterator[tuple[Path, Text]]:
    for consent in (JOIN, JOIN_WITHOUT_MEASURING, PREFERENCES, STAY_WITH_LESS):
        for part in fields(consent):
            text = getattr(consent, part.name)
            if part.name != "version" and text:
                yield ROOT / "service" / "pages" / "consent_texts.py", text


def updated(code: str) -> bytes:
    """The catalogue of a language with exactly today's texts; what was translated stays so."""
    old = _known(code)
    new = Catalog(locale=old.locale, fuzzy=False, header_comment=_HEADER.format(name=Locale.parse(code, sep="-").get_display_name("en")))
    for text, file in texts().items():
        known = old.get(text)
        same = known is not None and isinstance(known.string, tuple) == isinstance(text, tuple)
        new.add(text, known.string if known is not None and same else "", locations=[(file, None)])
    lines = BytesIO()
    write_po(lines, new, width=0, omit_header=False, include_lineno=False)
    # dates and versions of tools change with each run and tell a translator nothing
    kept = [line for line in lines.getvalue().splitlines(keepends=True) if not line.startswith(_UNSTABLE)]
    return b"".join(kept)


_UNSTABLE = tuple(f'"{name}'.encode() for name in ("Project-Id", "Report-M", "POT-", "PO-Rev", "Last-T", "Language-Team", "Generated-By"))
_HEADER = "# {name}. A text with an empty translation is shown in English. Kept in step with the code by `make texts`."


def faults(code: str) -> list[str]:
    """What is missing or wrong in a language's catalogue, a sentence each."""
    catalogue, found = _known(code), []
    for text in texts():
        ids = text if isinstance(text, tuple) else (text,)
        known = catalogue.get(text)
        said = () if known is None else known.string if isinstance(known.string, tuple) else (known.string,)
        if not said or not all(said):
            found.append(f"not translated: {ids[0]}")
        elif set(GAP.findall("".join(said))) != set(GAP.findall("".join(ids))):
            found.append(f"other gaps than the English text: {ids[0]}")
    return found


def _known(code: str) -> Catalog:
    file = LOCALES / f"{code}.po"
    if not file.is_file():
        return Catalog(locale=Locale.parse(code, sep="-"))
    with file.open("rb") as source:
        return read_po(source, locale=code)


def main() -> None:
    """Write the catalogues, or with --check only say what is missing in them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code", nargs="?", help="a language to start, such as pl")
    parser.add_argument("--check", action="store_true", help="change nothing; fail when something is not translated")
    told = parser.parse_args()
    codes = sorted({path.stem for path in LOCALES.glob("*.po")} | ({told.code} if told.code else set()))
    wrong = False
    for code in codes:
        if not told.check:
            (LOCALES / f"{code}.po").write_bytes(updated(code))
        for fault in faults(code):
            sys.stdout.write(f"{code}: {fault}\n")
            wrong = True
    sys.exit(1 if wrong and told.check else 0)


if __name__ == "__main__":
    main()
