"""A small client of the sandbox and a receiver of its webhooks, both over real HTTP."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import httpx

from sandbox.server import RunningSandbox

KEY, MD_KEY, MD_TEST_KEY = "sandbox-key-us1", "md-sandbox-key", "md-sandbox-test"
LIST = "/lists/sandbox01"
HTML = '<p>Dear *|FNAME|*, <a href="https://community.example.org/one">one</a> <a href="https://community.example.org/two">two</a> '
HTML += '<a href="https://community.example.org/three">three</a> <a href="*|UNSUB|*">leave</a> *|LIST:ADDRESS|*</p>'


class Speaker:
    """Speaks to one running sandbox."""

    def __init__(self, running: RunningSandbox) -> None:
        self.running = running
        self.http = httpx.Client(timeout=30, trust_env=False, auth=("any", KEY))

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.http.request(method, self.running.marketing_url + path, json=body, params=query)

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.call(method, path, body, **query)
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.content else None

    def md(self, method: str, key: str = MD_KEY, **body: Any) -> httpx.Response:
        return self.http.post(f"{self.running.transactional_url}/{method}.json", json={"key": key} | body)

    def md_ok(self, method: str, key: str = MD_KEY, **body: Any) -> Any:
        answer = self.md(method, key, **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def index(self, field: str) -> None:
        answer = self.http.post(f"{self.running.transactional_url}/metadata/add.json", json={"key": MD_KEY, "name": field})
        assert answer.json()["state"] == "active"

    def control(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self.http.request(method, f"{self.running.url}/_control{path}", json=body, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def log(self, *what: str) -> list[dict[str, Any]]:
        text = self.http.get(f"{self.running.url}/_control/log", params={"what": ",".join(what)}).text
        return [json.loads(line) for line in text.splitlines()]

    def advance(self, **units: float) -> Any:
        seconds = units.get("days", 0) * 86400 + units.get("hours", 0) * 3600 + units.get("seconds", 0)
        return self.control("POST", "/clock", {"advance_seconds": seconds})

    def member(self, email: str, status: str = "subscribed", **fields: Any) -> Any:
        return self.ok("POST", f"{LIST}/members", {"email_address": email, "status": status, **fields})

    def draft(self, **settings: Any) -> str:
        given = {"title": "edition-1", "subject_line": "Falls news", "from_name": "Falls", "reply_to": "falls@example.org"}
        body = {"type": "regular", "recipients": {"list_id": "sandbox01"}, "settings": given | settings}
        campaign_id: str = self.ok("POST", "/campaigns", body)["id"]
        self.ok("PUT", f"/campaigns/{campaign_id}/content", {"html": HTML})
        return campaign_id

    def send_campaign(self, **settings: Any) -> str:
        campaign_id = self.draft(**settings)
        self.ok("POST", f"/campaigns/{campaign_id}/actions/send")
        return campaign_id

    def send_mail(self, email: str, key: str = MD_KEY, **message: Any) -> dict[str, Any]:
        given: dict[str, Any] = {"from_email": "falls@example.org", "from_name": "Falls", "subject": "Welcome", "html": HTML}
        given |= {"to": [{"email": email, "name": "Ann Example"}]} | message
        row: dict[str, Any] = self.md_ok("messages/send", key, message=given)[0]
        return row


@dataclass
class Received:
    """One webhook as it came in."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw.decode(), keep_blank_values=True))

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.form["mandrill_events"])
        return found


@dataclass
class Receiver:
    """A web server on a free port that takes webhooks and answers as told."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    probes: list[tuple[str, str]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # answered in order, then 200
    head_status: int = 200

    def events(self) -> list[dict[str, Any]]:
        return [event for one in self.got for event in one.events]


def start_receiver() -> tuple[Receiver, ThreadingHTTPServer]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._probe(receiver.head_status)

        def do_GET(self) -> None:
            self._probe(200)

        def _probe(self, status: int) -> None:
            receiver.probes.append((self.command, self.headers.get("User-Agent", "")))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append(Received(self.path, dict(self.headers), raw))
            self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True, kwargs={"poll_interval": 0.02}).start()
    return receiver, server
