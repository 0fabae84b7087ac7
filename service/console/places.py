"""Where in the console a line of the week's briefing is done, by the line's key. Pure."""

PLACES = {
    "join_request": "/console/requests/{id}",
    "reply": "/console/replies/{id}",
    "silent": "/console/newsletter/{id}/report",
    "newsletter": "/console/newsletter/{id}",
    "content": "/console/newsletter/{id}",
    "announcement": "/console/newsletter/{id}",
    "content_item": "/console/content?status=collected",
    "top_member": "/console/active",
    "lapsed": "/console/nudges",
    "invite": "/console/invitations",
    "story": "/console/stories",
    "event": "/console/events/{id}",
    "analytics": "/console/measures/editions",
}
PLANS = {"question": "/console/newsletter/{id}", "gap": "/console/groups", "event": "/console/events/{id}", "events": "/console/events"}


def place_of(key: str) -> str:
    """The page, or nothing for a line that is only to be known. Keys are a word, often an id, and sometimes more: `event:<id>:list`."""
    word, _, rest = key.partition(":")
    places = PLACES
    if word == "plan":
        places = PLANS
        word, _, rest = rest.partition(":")
    if word == "event" and rest.startswith("none"):
        return "/console/events/new"
    return places.get(word, "").format(id=rest.partition(":")[0])
