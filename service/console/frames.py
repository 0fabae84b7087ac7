"""Mails shown in a frame, as they will look: in daylight or in the dark, with nothing run and nothing loaded from elsewhere."""

import re

from fastapi.responses import HTMLResponse

from service.headers import FRAMED

HEADERS = {"Content-Security-Policy": FRAMED, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-store"}
_DARK = re.compile(r"@media[^{]*\(\s*prefers-color-scheme\s*:\s*dark\s*\)[^{]*\{")


def framed(html: str, *, dark: bool | None = None) -> HTMLResponse:
    """The mail for a frame. `dark` True or False shows it as a reader with that taste has it, whatever the facilitator's own is."""
    if dark is not None:
        html = _DARK.sub("@media all {" if dark else "@media not all {", html)
    return HTMLResponse(html, headers=HEADERS)
