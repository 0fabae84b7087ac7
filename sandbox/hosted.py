"""The pages that Mailchimp hosts for people: unsubscribe, confirm, archive; and the results of batches."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from sandbox import consequences, people
from sandbox.marketing.batches import results_archive
from sandbox.records import Mail

if TYPE_CHECKING:
    from sandbox.box import Sandbox

Show = Callable[..., Response]
ARCHIVE_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def hosted_routes(box: "Sandbox", show: Show) -> list[Route]:
    """Return the routes of the hosted pages. A GET never changes anything; a POST does."""
    pages = _Hosted(box, show)
    who = "{list_id}/{member_id}/{campaign_id}"
    return [
        Route(f"/unsubscribe/{who}", pages.unsubscribe, methods=["GET", "POST"]),
        Route("/track/unsub/{mail_id}", pages.transactional_unsubscribe, methods=["GET", "POST"]),
        Route("/confirm/{list_id}/{member_id}", pages.confirm, methods=["GET", "POST"]),
        Route(f"/profile/{who}", pages.profile, methods=["GET"]),
        Route("/archive/{campaign_id}", pages.archive, methods=["GET"]),
        Route("/results/{batch_id}", pages.results, methods=["GET"]),
    ]


class _Hosted:
    def __init__(self, box: "Sandbox", show: Show) -> None:
        self._box, self._show = box, show

    def _missing(self) -> Response:
        return self._show("message.html", 404, title="Not found", text="There is nothing at this address.")

    def _said(self, title: str, text: str) -> Response:
        self._box.store.commit()
        return self._show("message.html", title=title, text=text)

    async def unsubscribe(self, request: Request) -> Response:
        """The footer link of a campaign; POST is also the one-click of RFC 8058."""
        given = request.path_params
        mails = (self._box.state.mails.rows[key] for key in self._box.state.campaign_mails.get(given["campaign_id"], ()))
        mail = next((m for m in mails if m.email_id == given["member_id"]), None)
        return self._leave(request, mail)

    async def transactional_unsubscribe(self, request: Request) -> Response:
        """The link that `*|UNSUB:...|*` makes in a Transactional mail."""
        return self._leave(request, self._box.state.mails.get(request.path_params["mail_id"]))

    def _leave(self, request: Request, mail: Mail | None) -> Response:
        if mail is None:
            return self._missing()
        if request.method == "GET":
            return self._show("confirm.html", title="Unsubscribe", text=f"Stop mails to {mail.email}?", button="Unsubscribe")
        consequences.unsubscribe(self._box, mail, self._box.clock.now())
        return self._said("You are unsubscribed", "You will get no more of these mails.")

    async def confirm(self, request: Request) -> Response:
        """The link of Mailchimp's double opt-in mail."""
        list_id, member_id = request.path_params["list_id"], request.path_params["member_id"]
        member = self._box.state.list_members.get(list_id, {}).get(member_id)
        if member is None:
            return self._missing()
        if request.method == "GET":
            return self._show("confirm.html", title="Confirm", text=f"Subscribe {member.email}?", button="Subscribe")
        if member.status == "pending":
            people.audience(self._box, "confirm", {"list_id": list_id, "email": member.email})
        return self._said("Subscription confirmed", "Thank you.")

    async def profile(self, request: Request) -> Response:
        """The target of `*|UPDATE_PROFILE|*`."""
        member = self._box.state.list_members.get(request.path_params["list_id"], {}).get(request.path_params["member_id"])
        if member is None:
            return self._missing()
        return self._said("Your profile", f"{member.email} is {member.status}. Change it with POST /_control/audience/profile.")

    async def archive(self, request: Request) -> Response:
        """The browser view of a campaign, not personalised."""
        campaign = self._box.state.campaigns.get(request.path_params["campaign_id"])
        if campaign is None:
            return self._missing()
        return HTMLResponse(str(campaign.content.get("html", "")), headers={"Content-Security-Policy": ARCHIVE_POLICY})

    async def results(self, request: Request) -> Response:
        """A batch's results; the address is good for ten minutes."""
        until = request.query_params.get("until", "0")
        archive = results_archive(self._box, request.path_params["batch_id"])
        if archive is None or not until.isdigit() or self._box.clock.now() > int(until):
            return Response("expired", 403)
        return Response(archive, media_type="application/gzip")
