"""Interest categories (groups) and their interests."""

from sandbox.marketing.find import audience_of
from sandbox.store import Doc
from sandbox.wire import Call, Reply, invalid, not_found, select


def _category(call: Call) -> Doc:
    doc = call.box.state.table("interest_category").get(call.args["interest_category_id"])
    if doc is None or doc["list_id"] != audience_of(call).id:
        raise not_found()
    return doc


async def list_categories(call: Call) -> Reply:
    """GET /lists/{list_id}/interest-categories."""
    list_id = audience_of(call).id
    found = [d for d in call.box.state.table("interest_category").rows.values() if d["list_id"] == list_id]
    offset, count = call.page()
    body = {"list_id": list_id, "categories": found[offset : offset + count], "total_items": len(found)}
    return Reply(select(body, call.query))


async def add_category(call: Call) -> Reply:
    """POST /lists/{list_id}/interest-categories."""
    list_id, body = audience_of(call).id, call.doc()
    if not body.get("title") or body.get("type") not in ("checkboxes", "dropdown", "radio", "hidden"):
        raise invalid("title", "A category needs a title and a type.")
    doc: Doc = {"list_id": list_id, "id": call.box.state.new_id("category"), "title": str(body["title"])}
    doc |= {"display_order": int(body.get("display_order") or 0), "type": body["type"]}
    return Reply(call.box.state.table("interest_category").save(doc["id"], doc))


async def get_category(call: Call) -> Reply:
    """GET .../interest-categories/{interest_category_id}."""
    return Reply(_category(call))


async def delete_category(call: Call) -> Reply:
    """DELETE .../interest-categories/{interest_category_id}, with its interests."""
    doc = _category(call)
    interests = call.box.state.table("interest")
    for key in [key for key, one in interests.rows.items() if one["category_id"] == doc["id"]]:
        interests.drop(key)
    call.box.state.table("interest_category").drop(doc["id"])
    return Reply(status=204)


async def list_interests(call: Call) -> Reply:
    """GET .../interest-categories/{interest_category_id}/interests."""
    category = _category(call)
    found = [
        doc | {"subscriber_count": str(_count(call, key))}
        for key, doc in call.box.state.table("interest").rows.items()
        if doc["category_id"] == category["id"]
    ]
    offset, count = call.page()
    body: Doc = {"interests": found[offset : offset + count], "list_id": category["list_id"]}
    body |= {"category_id": category["id"], "total_items": len(found)}
    return Reply(select(body, call.query))


def _count(call: Call, key: str) -> int:
    people = call.box.state.list_members.get(call.args["list_id"], {}).values()
    return sum(bool(m.interests.get(key)) and m.status == "subscribed" for m in people)


async def add_interest(call: Call) -> Reply:
    """POST .../interest-categories/{interest_category_id}/interests."""
    category, name = _category(call), str(call.doc().get("name", "")).strip()
    if not name:
        raise invalid("name", "This value should not be blank.")
    doc: Doc = {"category_id": category["id"], "list_id": category["list_id"], "id": call.box.state.new_id("interest")}
    doc |= {"name": name, "display_order": int(call.doc().get("display_order") or 0)}
    call.box.state.table("interest").save(doc["id"], doc)
    return Reply(doc | {"subscriber_count": "0"})


def _interest(call: Call) -> Doc:
    category = _category(call)
    doc = call.box.state.table("interest").get(call.args["interest_id"])
    if doc is None or doc["category_id"] != category["id"]:
        raise not_found()
    return doc


async def get_interest(call: Call) -> Reply:
    """GET .../interests/{interest_id}."""
    doc = _interest(call)
    return Reply(doc | {"subscriber_count": str(_count(call, doc["id"]))})


async def change_interest(call: Call) -> Reply:
    """PATCH .../interests/{interest_id}: rename."""
    doc = _interest(call)
    doc |= {name: value for name, value in call.doc().items() if name in ("name", "display_order")}
    call.box.state.table("interest").save(doc["id"], doc)
    return Reply(doc | {"subscriber_count": str(_count(call, doc["id"]))})


async def delete_interest(call: Call) -> Reply:
    """DELETE .../interests/{interest_id}."""
    call.box.state.table("interest").drop(_interest(call)["id"])
    return Reply(status=204)
