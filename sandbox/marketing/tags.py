"""Tags: a tag is a static segment of the same name."""

from typing import TYPE_CHECKING

from sandbox.marketing.find import member_of_call
from sandbox.records import Member, Segment
from sandbox.store import Doc
from sandbox.times import iso
from sandbox.wire import Call, Reply, invalid, not_found, select

if TYPE_CHECKING:
    from sandbox.box import Sandbox


def tag_segment(box: "Sandbox", list_id: str, name: str, now: float) -> str:
    """Return the id of the static segment of this name, made when it is new."""
    found = box.state.segment_names.get((list_id, name))
    if found is not None:
        return found
    segment = Segment(box.store.next_number("segment", 10001), list_id, name, "static", now, now)
    box.state.save_segment(segment)
    return str(segment.id)


def give_tag(box: "Sandbox", member: Member, name: str, now: float) -> None:
    """Put a tag on a member."""
    key = tag_segment(box, member.list_id, name, now)
    if key not in member.tags:
        member.tags[key] = now
        member.last_changed = now
        box.state.save_member(member)


def take_tag(box: "Sandbox", member: Member, key: str, now: float) -> bool:
    """Take a tag (by segment id) off a member; False when it was not on."""
    if member.tags.pop(key, None) is None:
        return False
    box.state.segment_members.get(key, {}).pop(member.id, None)
    member.last_changed = now
    box.state.save_member(member)
    return True


def set_tags(box: "Sandbox", member: Member, names: list[str], now: float, *, replace: bool) -> None:
    """Give a member these tags; with `replace` all others are taken off."""
    wanted = {tag_segment(box, member.list_id, name, now) for name in names}
    if replace:
        for key in [key for key in member.tags if key not in wanted]:
            take_tag(box, member, key, now)
    for name in names:
        give_tag(box, member, name, now)


async def get_tags(call: Call) -> Reply:
    """GET .../members/{subscriber_hash}/tags."""
    member = member_of_call(call)
    segments = call.box.state.segments.rows
    offset, count = call.page()
    found: list[Doc] = [
        {"id": int(key), "name": segments[key].name, "date_added": iso(at)} for key, at in member.tags.items() if key in segments
    ]
    return Reply(select({"tags": found[offset : offset + count], "total_items": len(found)}, call.query))


async def post_tags(call: Call) -> Reply:
    """POST .../members/{subscriber_hash}/tags: switch tags on (active) and off (inactive)."""
    member, now = member_of_call(call), call.box.clock.now()
    given = call.doc().get("tags")
    if not isinstance(given, list):
        raise invalid("tags", "This value should not be null.")
    for entry in given:
        if not isinstance(entry, dict) or not entry.get("name") or entry.get("status") not in ("active", "inactive"):
            raise invalid("tags", "Each tag needs a name and a status of active or inactive.")
    for entry in given:
        name = str(entry["name"])
        if entry["status"] == "active":
            give_tag(call.box, member, name, now)
        elif (member.list_id, name) in call.box.state.segment_names:
            take_tag(call.box, member, call.box.state.segment_names[member.list_id, name], now)
    return Reply(status=204)


async def tag_search(call: Call) -> Reply:
    """GET /lists/{list_id}/tag-search?name=."""
    list_id, wanted = call.args["list_id"], call.query.get("name", "").lower()
    if call.box.state.audiences.get(list_id) is None:
        raise not_found()
    found = [
        {"id": segment.id, "name": segment.name}
        for segment in call.box.state.segments.rows.values()
        if segment.list_id == list_id and segment.type == "static" and segment.name.lower().startswith(wanted)
    ]
    return Reply({"tags": found, "total_items": len(found)})
