"""Pages at /: each recipient's mailbox with the rendered mail, the campaigns, replies and webhooks."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.content import mail_content
from sandbox.hosted import hosted_routes
from sandbox.records import Mail
from sandbox.store import Doc
from sandbox.times import plain

if TYPE_CHECKING:
    from sandbox.box import Sandbox

SHOWN = 200
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'"
MAIL_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class Pages:
    """The pages of one sandbox."""

    def __init__(self, box: "Sandbox") -> None:
        """Load the templates."""
        self._box = box
        loader = FileSystemLoader(Path(__file__).with_name("templates"))
        self._templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
        self._templates.filters["time"] = lambda at: plain(at) if at is not None else "-"

    def show(self, name: str, status: int = 200, **values: Any) -> Response:
        """Render a page."""
        html = self._templates.get_template(name).render(now=self._box.clock.now(), **values)
        return HTMLResponse(html, status, {"Content-Security-Policy": PAGE_POLICY})

    def _missing(self) -> Response:
        return self.show("message.html", 404, title="Not found", text="There is nothing at this address.")

    async def mailboxes(self, request: Request) -> Response:
        """GET /?q=: the mailboxes, those with the newest mail first."""
        wanted = request.query_params.get("q", "").strip().lower()
        rows = self._box.state.mails.rows
        found = [
            (rows[ids[-1]].at, address, len(ids), rows[ids[-1]].subject)
            for address, ids in self._box.state.mails_of.items()
            if wanted in address or (wanted and any(wanted in rows[key].subject.lower() for key in ids))
        ]
        found.sort(reverse=True)
        return self.show("mailboxes.html", boxes=found[:SHOWN], total=len(found), q=request.query_params.get("q", ""))

    async def mailbox(self, request: Request) -> Response:
        """GET /mailbox/{address}: one person's mails, newest first."""
        address = request.path_params["address"].lower()
        ids = self._box.state.mails_of.get(address)
        if not ids:
            return self._missing()
        mails = [self._box.state.mails.rows[key] for key in reversed(ids)]
        replies = [one for one in self._box.state.inbound.rows.values() if one.sender.lower() == address]
        return self.show("mailbox.html", address=address, mails=mails[:SHOWN], replies=replies[-SHOWN:])

    def _mail(self, request: Request) -> Mail | None:
        return self._box.state.mails.get(request.path_params["mail_id"])

    async def mail(self, request: Request) -> Response:
        """GET /mail/{mail_id}: headers, the HTML in a frame, the text, and what happened to it."""
        mail = self._mail(request)
        if mail is None:
            return self._missing()
        return self.show("mail.html", mail=mail, content=mail_content(self._box, mail))

    async def mail_html(self, request: Request) -> Response:
        """GET /mail/{mail_id}/html: the bare HTML, which may load and run nothing."""
        mail = self._mail(request)
        if mail is None:
            return self._missing()
        html = mail_content(self._box, mail).html or "<p>This mail has no HTML part.</p>"
        return HTMLResponse(html, headers={"Content-Security-Policy": MAIL_POLICY, "X-Content-Type-Options": "nosniff"})

    async def campaigns(self, request: Request) -> Response:  # noqa: ARG002 - every page takes the request
        """GET /campaigns."""
        rows = sorted(self._box.state.campaigns.rows.values(), key=lambda c: c.created_at, reverse=True)
        return self.show("campaigns.html", campaigns=rows[:SHOWN])

    async def replies(self, request: Request) -> Response:  # noqa: ARG002
        """GET /replies: what people wrote back."""
        rows = list(self._box.state.inbound.rows.values())[::-1]
        return self.show("replies.html", replies=rows[:SHOWN])

    async def reply(self, request: Request) -> Response:
        """GET /replies/{reply_id}: the raw mail."""
        raw = self._box.store.body(request.path_params["reply_id"]).get("raw")
        return PlainTextResponse(raw) if raw is not None else self._missing()

    async def webhooks(self, request: Request) -> Response:  # noqa: ARG002
        """GET /webhooks: what is set up, what waits, what was posted lately."""
        state = self._box.state
        hooks: list[Doc] = [
            {"kind": kind, "url": hook["url"], "enabled": hook.get("enabled", True)}
            for kind, name in (("audience", "hook"), ("transactional", "md_hook"), ("inbound", "route"), ("batch", "batch_hook"))
            for hook in state.table(name).rows.values()
        ]
        posts = self._box.store.last_of("webhook", SHOWN)
        waiting = list(self._box.poster.posts.rows.values())
        return self.show("webhooks.html", hooks=hooks, posts=posts, waiting=waiting[:SHOWN], total=self._box.poster.waiting())


def mailbox_routes(box: "Sandbox") -> list[Route]:
    """Return the routes of the pages, Mailchimp's own hosted pages included."""
    pages = Pages(box)
    views: tuple[tuple[str, Callable[..., Any]], ...] = (
        ("/", pages.mailboxes),
        ("/mailbox/{address}", pages.mailbox),
        ("/mail/{mail_id}", pages.mail),
        ("/mail/{mail_id}/html", pages.mail_html),
        ("/campaigns", pages.campaigns),
        ("/replies", pages.replies),
        ("/replies/{reply_id}", pages.reply),
        ("/webhooks", pages.webhooks),
    )
    return [Route(path, view, methods=["GET"]) for path, view in views] + hosted_routes(box, pages.show)
