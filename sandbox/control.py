"""The control API under /_control: clock, faults, behaviours, and the truth."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import people, truth
from sandbox.control_wire import ControlError, answer, body_of, instant_of
from sandbox.marketing import batches
from sandbox.parts import Parts
from sandbox.recipients import BEHAVIOURS
from sandbox.store import Doc
from sandbox.times import iso

SWITCHES = [
    "recipients",
    "follow_links",
    "scheduling",
    "variate",
    "cancel_send",
    "complaint_as",
    "sending_seconds",
    "search_lag_seconds",
    "search_per_minute",
    "max_connections",
    "limit_body_empty",
    "webhook_batch_seconds",
    "webhook_retry_seconds",
    "signature_clock",
    "double_optin",
    "public_url",
]


async def health(parts: Parts, _request: Request) -> Response:
    """GET /_control: alive, and where the clock stands."""
    return answer({"status": "ok", "now": iso(parts.box.clock.now()), "seed": parts.box.config.seed})


async def get_clock(parts: Parts, _request: Request) -> Response:
    """GET /_control/clock."""
    clock = parts.box.clock
    return answer({"now": iso(clock.now()), "offset_seconds": clock.offset, "waiting": parts.box.engine.waiting()})


async def set_clock(parts: Parts, request: Request) -> Response:
    """POST /_control/clock: {"advance_seconds": N} or {"now": ISO}, with "flush": false not to wait for webhooks."""
    body, box = await body_of(request), parts.box
    start = box.clock.now()
    if "advance_seconds" in body:
        target = start + float(body["advance_seconds"])
    elif "now" in body:
        target = instant_of(body["now"], "now")
    else:
        raise ControlError("give advance_seconds or now")
    done = await box.engine.run_due(target)
    box.clock.move_to(target)
    box.store.commit()
    finished = await batches.run_pending(box, parts.marketing, parts.spec)
    summary: Doc = {"from": iso(start), "now": iso(target), "offset_seconds": box.clock.offset, "done": dict(done)}
    summary["batches"] = finished
    if body.get("flush", True):
        summary["webhooks"] = asdict(await box.poster.flush())
    return answer(summary | {"waiting": box.engine.waiting()})


async def flush(parts: Parts, _request: Request) -> Response:
    """POST /_control/flush: carry out what is due, then post every waiting webhook once."""
    done = await parts.box.engine.run_due(parts.box.clock.now())
    finished = await batches.run_pending(parts.box, parts.marketing, parts.spec)
    result = await parts.box.poster.flush()
    return answer({"done": dict(done), "batches": finished, "webhooks": asdict(result)})


async def reset(parts: Parts, _request: Request) -> Response:
    """POST /_control/reset: forget everything."""
    await parts.box.engine.stop()
    await parts.box.poster.close()
    parts.box.reset()
    parts.counts.clear()
    await parts.box.start()
    return answer({"status": "ok"})


async def get_settings(parts: Parts, _request: Request) -> Response:
    """GET /_control/settings: what can be switched while the sandbox runs."""
    return answer({name: getattr(parts.box.config, name) for name in SWITCHES})


async def set_settings(parts: Parts, request: Request) -> Response:
    """POST /_control/settings: any of the names that GET shows."""
    for name, value in (await body_of(request)).items():
        if name not in SWITCHES:
            raise ControlError(f"unknown setting {name}")
        setattr(parts.box.config, name, type(getattr(parts.box.config, name))(value))
        if name == "double_optin":
            for audience in parts.box.state.audiences.rows.values():
                audience.double_optin = bool(value)
                parts.box.state.audiences.save(audience.id, audience)
    return await get_settings(parts, request)


async def get_behaviours(parts: Parts, _request: Request) -> Response:
    """GET /_control/behaviours: the known names, and who is pinned to what."""
    pins = {email: doc["behaviours"] for email, doc in parts.box.state.pins.rows.items()}
    return answer({"known": sorted(BEHAVIOURS), "pinned": pins})


async def set_behaviours(parts: Parts, request: Request) -> Response:
    """POST /_control/behaviours: {"email": [names]}; [] unpins. For mails accepted from now on."""
    for email, names in (await body_of(request)).items():
        unknown = set(names) - BEHAVIOURS
        if unknown:
            raise ControlError(f"unknown behaviour {min(unknown)}")
        if names:
            parts.box.state.pins.save(email.lower(), {"behaviours": sorted(names)})
        else:
            parts.box.state.pins.drop(email.lower())
    return await get_behaviours(parts, request)


async def get_faults(parts: Parts, _request: Request) -> Response:
    """GET /_control/faults: every fault with `seen` and `fired`."""
    return answer({"faults": parts.box.faults.listed()})


async def add_fault(parts: Parts, request: Request) -> Response:
    """POST /_control/faults; {"kind": "refuse", "seconds": N} stops listening for a while."""
    body = await body_of(request)
    if body.get("kind") == "refuse":
        if parts.pause_listening is None:
            raise ControlError("this sandbox does not own its listener")
        await parts.pause_listening(float(body.get("seconds", 1.0)))
        return answer({"kind": "refuse", "seconds": body.get("seconds", 1.0)})
    try:
        return answer(asdict(parts.box.faults.add(body)))
    except (ValueError, TypeError) as error:
        raise ControlError(str(error)) from error


async def drop_faults(parts: Parts, request: Request) -> Response:
    """DELETE /_control/faults (all) or /_control/faults/{id}."""
    number = request.path_params.get("fault_id")
    if number is None:
        parts.box.faults.clear()
    elif not parts.box.faults.remove(number):
        raise ControlError("no such fault", 404)
    return await get_faults(parts, request)


async def post_reply(parts: Parts, request: Request) -> Response:
    """POST /_control/reply: someone writes back; see people.reply."""
    return answer(people.reply(parts.box, await body_of(request)))


async def post_act(parts: Parts, request: Request) -> Response:
    """POST /_control/act: open, click, bounce, complain or unsubscribe on one mail, now."""
    return answer(await people.act(parts.box, await body_of(request)))


async def post_audience(parts: Parts, request: Request) -> Response:
    """POST /_control/audience/{what}: someone acts in Mailchimp's own pages."""
    return answer(people.audience(parts.box, request.path_params["what"], await body_of(request)))


_Handler = Callable[[Parts, Request], Awaitable[Response]]
_ROUTES: tuple[tuple[str, str, _Handler], ...] = (
    ("GET", "", health),
    ("GET", "/clock", get_clock),
    ("POST", "/clock", set_clock),
    ("POST", "/flush", flush),
    ("POST", "/reset", reset),
    ("GET", "/settings", get_settings),
    ("POST", "/settings", set_settings),
    ("GET", "/behaviours", get_behaviours),
    ("POST", "/behaviours", set_behaviours),
    ("GET", "/faults", get_faults),
    ("POST", "/faults", add_fault),
    ("DELETE", "/faults", drop_faults),
    ("DELETE", "/faults/{fault_id:int}", drop_faults),
    ("GET", "/accepted", truth.get_accepted),
    ("GET", "/log", truth.get_log),
    ("GET", "/requests", truth.get_requests),
    ("DELETE", "/requests", truth.clear_requests),
    ("GET", "/keys", truth.get_keys),
    ("POST", "/keys", truth.reset_key),
    ("POST", "/reply", post_reply),
    ("POST", "/act", post_act),
    ("POST", "/audience/{what}", post_audience),
    ("GET", "/spec", truth.get_spec),
)


def control_routes(parts: Parts) -> list[Route]:
    """Return the routes of the control API."""

    def bound(handler: _Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                reply = await handler(parts, request)
            except (ControlError, people.Unknown) as error:
                reply = answer({"error": str(error)}, getattr(error, "status", 404))
            parts.box.store.commit()
            return reply

        return endpoint

    return [Route(f"/_control{path}", bound(handler), methods=[method]) for method, path, handler in _ROUTES]
