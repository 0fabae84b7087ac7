"""The control API's reading side: what was accepted, what happened, how often each endpoint was called, the keys."""

from collections.abc import AsyncIterator

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sandbox.control_wire import ControlError, answer, body_of, instant_of
from sandbox.ledger import accepted
from sandbox.parts import Parts
from sandbox.store import Doc


async def get_accepted(parts: Parts, request: Request) -> Response:
    """GET /_control/accepted?since=&until=&email=&campaign_id=&title=&tag=&product=&delivery_id=&items=1."""
    wanted: Doc = dict(request.query_params)
    for name in ("since", "until"):
        if wanted.get(name):
            wanted[name] = instant_of(wanted[name], name)
    wanted["items"] = wanted.get("items") in ("1", "true")
    return answer(accepted(parts.box.state, wanted))


async def get_log(parts: Parts, request: Request) -> Response:
    """GET /_control/log?what=&since=&until=&after=: the ledger as JSON lines."""
    query = request.query_params
    since = instant_of(query["since"], "since") if query.get("since") else 0.0
    until = instant_of(query["until"], "until") if query.get("until") else 1e12
    kinds = {name for name in query.get("what", "").split(",") if name}
    after = int(query.get("after") or 0)
    lines = list(parts.box.store.ledger(since, until, after))

    async def write() -> AsyncIterator[bytes]:
        for line in lines:
            if not kinds or line["what"] in kinds:
                yield orjson.dumps(line) + b"\n"

    return StreamingResponse(write(), media_type="application/x-ndjson")


async def get_requests(parts: Parts, _request: Request) -> Response:
    """GET /_control/requests: calls per endpoint, writes, statuses, open and peak connections."""
    return answer(parts.counts.body())


async def clear_requests(parts: Parts, _request: Request) -> Response:
    """DELETE /_control/requests: count from nought."""
    parts.counts.clear()
    return answer(parts.counts.body())


async def get_keys(parts: Parts, _request: Request) -> Response:
    """GET /_control/keys: the signing keys that Mailchimp shows in its pages only."""
    state = parts.box.state
    return answer(
        {
            "inbound": [{k: r[k] for k in ("id", "domain", "pattern", "url", "auth_key")} for r in state.table("route").rows.values()],
            "transactional": [{k: h[k] for k in ("id", "url", "auth_key")} for h in state.table("md_hook").rows.values()],
        }
    )


async def reset_key(parts: Parts, request: Request) -> Response:
    """POST /_control/keys: {"kind": "transactional"|"inbound", "id"}: a new auth_key, in force at once."""
    body = await body_of(request)
    table = parts.box.state.table("md_hook" if body.get("kind") == "transactional" else "route")
    hook = table.get(str(body.get("id")))
    if hook is None:
        raise ControlError("no such webhook", 404)
    hook["auth_key"] = parts.box.state.new_id("auth_key", 22)
    table.save(str(body["id"]), hook)
    return answer({"id": body["id"], "auth_key": hook["auth_key"]})


async def get_spec(parts: Parts, _request: Request) -> Response:
    """GET /_control/spec: how many exchanges were checked against the published specs, and what did not fit."""
    return answer(parts.spec.body() if parts.spec else {"checked": 0, "violations": [], "skipped": "MAILCHIMP_SPECS is not set"})
