"""Security headers of every answer: what a page may load, who may frame it, what a link tells the next site. Imports nothing of ours."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_PAGES = ("/confirm/", "/preferences/", "/unsubscribe/", "/stay/", "/welcome/", "/console/sign-in/", "/report/", "/story/", "/do/")
"""Pages whose address is a secret: never kept, never listed, never told to another site."""
_NEVER = "base-uri 'none'; frame-ancestors 'none'"
PUBLIC = f"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; {_NEVER}"
"""Public pages: one stylesheet of ours, no script at all."""
CONSOLE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    f"frame-src 'self'; form-action 'self'; {_NEVER}"
)
"""The facilitator's pages: our own script and style, and nothing from any other host."""
FRAMED = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
"""A mail shown in a frame: somebody's words, so it runs nothing, follows nothing and loads nothing from elsewhere."""
API = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src data: https:; base-uri 'none'; frame-ancestors 'self'; "
    "form-action 'none'"
)
"""Data, and reports and previews that stand alone with a style of their own; the console shows them in a frame."""
DOCS = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' https://cdn.jsdelivr.net; style-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    f"img-src 'self' data: https://fastapi.tiangolo.com; connect-src 'self'; {_NEVER}"
)
REPORT = f"default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; {_NEVER}"
"""The report stands alone with a style of its own."""
SLASH_REDIRECT = 307
_POLICIES = (("/api/", API), ("/report/", REPORT), ("/console", CONSOLE), ("/docs", DOCS))


def headers_for(path: str) -> Mapping[str, str]:
    """The headers an answer at this path carries, unless the answer sets them itself."""
    policy = next((policy for prefix, policy in _POLICIES if path.startswith(prefix)), PUBLIC)
    secret = path.startswith(TOKEN_PAGES) or (path.startswith("/events/") and path.count("/") > 2)
    found = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN" if policy is API else "DENY",
        "Referrer-Policy": "no-referrer" if secret else "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if secret:
        found |= {"Cache-Control": "no-store", "X-Robots-Tag": "noindex, nofollow"}
    elif path.startswith(("/static/", "/console/static/")):
        found["Cache-Control"] = "public, max-age=604800"
    elif path.startswith(("/join", "/console", "/api/")):
        found["Cache-Control"] = "no-store"
    return found


def _here(location: str) -> str:
    """An address of ours without scheme and host."""
    found = urlsplit(location)
    return "/" + found.path.lstrip("/") + (f"?{found.query}" if found.query else "")


class SecurityHeaders:
    """Adds them to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in headers_for(scope["path"]).items():
                    headers.setdefault(name, value)
                if message["status"] == SLASH_REDIRECT:  # the router's, to the same page: it names the host that the caller said it is
                    headers["Location"] = _here(headers.get("Location", ""))
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, send_with_headers)
