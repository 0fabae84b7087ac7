"""The rejection denylist and the allowlist."""

from sandbox.consequences import deny, reject_doc, reject_key, sync
from sandbox.store import Doc
from sandbox.times import plain
from sandbox.transactional.wire import Ask, unknown


async def rejects_list(ask: Ask) -> list[Doc]:
    """rejects/list; expired entries only with include_expired."""
    email, now = ask.text("email", needed=False).lower(), ask.box.clock.now()
    subaccount = ask.body.get("subaccount")
    found = []
    for entry in ask.box.state.rejects.rows.values():
        expired = entry.expires_at is not None and entry.expires_at <= now
        fits = (not email or entry.email == email) and (not subaccount or entry.subaccount == subaccount)
        if fits and (not expired or ask.body.get("include_expired")):
            found.append(reject_doc(entry, now))
    return found[:1000]


async def rejects_add(ask: Ask) -> Doc:
    """rejects/add: by hand, for ever."""
    email = ask.text("email")
    comment, subaccount = ask.text("comment", needed=False), ask.body.get("subaccount")
    entry = deny(ask.box, email, "custom", ask.box.clock.now(), detail=comment, subaccount=subaccount)
    return {"email": email, "added": entry is not None}


async def rejects_delete(ask: Ask) -> Doc:
    """rejects/delete: every entry of the address."""
    email, now = ask.text("email"), ask.box.clock.now()
    keys = [key for key, entry in ask.box.state.rejects.rows.items() if entry.email == email.lower()]
    for key in keys:
        entry = ask.box.state.rejects.rows[key]
        ask.box.state.rejects.drop(key)
        sync(ask.box, "remove", entry, now)
        ask.box.ledger.write(now, "denylist", action="remove", email=entry.email, reason=entry.reason)
    return {"email": email, "deleted": bool(keys), "subaccount": ask.body.get("subaccount")}


async def allow_list(ask: Ask) -> list[Doc]:
    """allowlists/list."""
    email = ask.text("email", needed=False).lower()
    return [doc for key, doc in ask.box.state.allowed.rows.items() if key.startswith(email)]


def _sync_allow(ask: Ask, action: str, doc: Doc) -> None:
    event = {"type": "whitelist", "action": action, "ts": int(ask.box.clock.now()), "entry": doc}
    ask.box.poster.transactional("whitelist", event)


async def allow_add(ask: Ask) -> Doc:
    """allowlists/add: takes the address off the denylist as well."""
    email, comment = ask.text("email"), ask.text("comment", needed=False)
    doc = {"email": email, "detail": comment, "created_at": plain(ask.box.clock.now())}
    ask.box.state.allowed.save(email.lower(), doc)
    ask.box.state.rejects.drop(reject_key(email))
    _sync_allow(ask, "add", doc)
    return {"email": email, "added": True}


async def allow_delete(ask: Ask) -> Doc:
    """allowlists/delete."""
    email = ask.text("email")
    doc = ask.box.state.allowed.get(email.lower())
    if doc is None:
        raise unknown("Invalid_Reject", f"'{email}' is not on the allowlist")
    ask.box.state.allowed.drop(email.lower())
    _sync_allow(ask, "remove", doc)
    return {"email": email, "deleted": True}
