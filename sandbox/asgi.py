"""Writing a Reply to an ASGI connection."""

from starlette.types import Scope, Send

from sandbox.wire import Reply


async def respond(scope: Scope, send: Send, reply: Reply) -> None:
    """Send an answer; HEAD gets no body."""
    body = reply.raw()
    headers = [(b"content-length", str(len(body)).encode())]
    if reply.status != 204 and body:
        headers.append((b"content-type", reply.content_type.encode()))
    headers += [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
