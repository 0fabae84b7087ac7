"""The account and its audiences: ping, root, lists, growth, verified domains, journeys."""

from collections import Counter
from datetime import UTC, datetime

from sandbox.marketing.find import audience_of, find_member
from sandbox.marketing.show import audience_doc
from sandbox.store import Doc
from sandbox.times import iso
from sandbox.wire import Call, Problem, Reply, invalid, not_found, select


async def ping(_call: Call) -> Reply:
    """GET /ping."""
    return Reply({"health_status": "Everything's Chimpy!"})


async def root(call: Call) -> Reply:
    """GET /: the account."""
    people = sum(m.status == "subscribed" for m in call.box.state.members.rows.values())
    body: Doc = {
        "account_id": "5a4db0x",
        "login_id": "1001",
        "account_name": "Sandbox",
        "email": call.box.config.from_email,
        "first_name": "Sandbox",
        "last_name": "Facilitator",
        "username": "sandbox",
        "avatar_url": "",
        "role": "owner",
        "member_since": "2020-01-01T00:00:00+00:00",
        "pricing_plan_type": "monthly" if call.box.config.scheduling else "forever_free",
        "first_payment": "2020-01-01T00:00:00+00:00",
        "account_timezone": "Europe/London",
        "account_industry": "Nonprofit",
        "contact": {"company": "Sandbox", "addr1": "", "addr2": "", "city": "", "state": "", "zip": "", "country": "GB"},
        "pro_enabled": call.box.config.cancel_send,
        "last_login": iso(call.box.clock.now()),
        "total_subscribers": people,
        "industry_stats": {"open_rate": 0.2, "bounce_rate": 0.01, "click_rate": 0.03},
    }
    return Reply(select(body, call.query))


async def list_lists(call: Call) -> Reply:
    """GET /lists."""
    audiences = list(call.box.state.audiences.rows.values())
    offset, count = call.page()
    body = {
        "lists": [audience_doc(call.box, audience) for audience in audiences[offset : offset + count]],
        "total_items": len(audiences),
        "constraints": {"may_create": True, "max_instances": 100, "current_total_instances": len(audiences)},
    }
    return Reply(select(body, call.query))


async def add_list(call: Call) -> Reply:
    """POST /lists."""
    body = call.doc()
    for name in ("name", "contact", "permission_reminder", "campaign_defaults"):
        if not body.get(name):
            raise invalid(name, "This value should not be blank.")
    audience = call.box.add_audience(call.box.state.new_id("list"), str(body["name"]))
    audience.contact = dict(body["contact"])
    audience.permission_reminder = str(body["permission_reminder"])
    _apply(audience, body)
    call.box.state.audiences.save(audience.id, audience)
    return Reply(audience_doc(call.box, audience))


def _apply(audience: object, body: Doc) -> None:
    defaults = body.get("campaign_defaults") or {}
    for name in ("from_name", "from_email", "subject", "language"):
        if name in defaults:
            setattr(audience, name, str(defaults[name]))
    for name in ("name", "contact", "permission_reminder", "double_optin", "marketing_permissions", "email_type_option"):
        if name in body:
            setattr(audience, name, body[name])


async def get_list(call: Call) -> Reply:
    """GET /lists/{list_id}."""
    return Reply(select(audience_doc(call.box, audience_of(call)), call.query))


async def change_list(call: Call) -> Reply:
    """PATCH /lists/{list_id}."""
    audience = audience_of(call)
    _apply(audience, call.doc())
    call.box.state.audiences.save(audience.id, audience)
    return Reply(audience_doc(call.box, audience))


async def growth(call: Call) -> Reply:
    """GET /lists/{list_id}/growth-history: the running month only."""
    audience = audience_of(call)
    counts = Counter(m.status for m in call.box.state.list_members.get(audience.id, {}).values())
    month = datetime.fromtimestamp(call.box.clock.now(), UTC).strftime("%Y-%m")
    row: Doc = {"list_id": audience.id, "month": month, "existing": 0, "imports": 0, "optins": 0, "reconfirm": 0}
    row |= {name: counts.get(name, 0) for name in ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")}
    row["deleted"] = counts.get("archived", 0)
    return Reply(select({"history": [row], "list_id": audience.id, "total_items": 1}, call.query))


def _domain_doc(call: Call, name: str) -> Doc:
    kept = call.box.state.table("domain").get(name)
    known = name in call.box.config.verified_domains or "*" in call.box.config.verified_domains
    verified = known if kept is None else kept["verified"]
    return {
        "domain": name,
        "verified": verified,
        "authenticated": verified,
        "verification_email": f"hello@{name}",
        "verification_sent": iso(call.box.clock.now()),
    }


async def list_domains(call: Call) -> Reply:
    """GET /verified-domains."""
    names = [n for n in call.box.config.verified_domains if n != "*"] + list(call.box.state.table("domain").rows)
    found = [_domain_doc(call, name) for name in dict.fromkeys(names)]
    return Reply({"domains": found, "total_items": len(found)})


async def add_domain(call: Call) -> Reply:
    """POST /verified-domains: mails a code, which is 123456 here."""
    email = str(call.doc().get("verification_email", ""))
    if "@" not in email:
        raise invalid("verification_email", "This value is not a valid email address.")
    name = email.rpartition("@")[2].lower()
    call.box.state.table("domain").save(name, {"verified": False})
    return Reply(_domain_doc(call, name))


async def get_domain(call: Call) -> Reply:
    """GET /verified-domains/{domain_name}."""
    name = call.args["domain_name"].lower()
    known = call.box.state.table("domain").get(name) or name in call.box.config.verified_domains
    if not known and "*" not in call.box.config.verified_domains:
        raise not_found()
    return Reply(_domain_doc(call, name))


async def verify_domain(call: Call) -> Reply:
    """POST /verified-domains/{domain_name}/actions/verify."""
    name = call.args["domain_name"].lower()
    if call.box.state.table("domain").get(name) is None:
        raise not_found()
    if str(call.doc().get("code")) != "123456":
        raise Problem(400, "Bad Request", "The verification code is not valid.")
    call.box.state.table("domain").save(name, {"verified": True})
    return Reply(_domain_doc(call, name))


async def trigger_journey(call: Call) -> Reply:
    """POST /customer-journeys/...: the person enters a flow; 204 and no message id."""
    email = str(call.doc().get("email_address", ""))
    if not any(find_member(call.box, list_id, email) for list_id in call.box.state.audiences.rows if "@" in email):
        raise Problem(400, "Bad Request", "The contact is not a member of the journey's audience.")
    now = call.box.clock.now()
    call.box.ledger.write(now, "journey", email=email, journey=call.args["journey_id"], step=call.args["step_id"])
    return Reply(status=204)
