"""Words of the API as a facilitator says them. Pure."""

from collections.abc import Mapping

DONE: Mapping[str, str] = {
    "approved": "Approved. The welcome goes at the next hour a welcome may leave.",
    "declined": "Declined. No welcome goes; the person stays on the list they confirmed.",
    "saved": "Saved.",
    "added": "Added.",
    "removed": "Removed.",
    "suppressed": "Stopped. No more mail goes to this address.",
    "erased": "Erased here. Mailchimp is told until it confirms; see below how far that is.",
    "test": "The test is on its way. Look into your mailbox.",
    "edition_approved": "Approved in your name. It goes at its time.",
    "edition_scheduled": "It has its time.",
    "edition_sent": "It is on its way. This page shows how far it is.",
    "edition_cancelled": "Cancelled. Nothing goes; its items are free for another edition.",
    "edition_reopened": "It is a draft again.",
    "edition_skipped": "It waits for the next free week.",
    "edition_made": "A new extra edition.",
    "answered": "Ticked off as answered.",
    "unanswered": "It is open again.",
    "released": "Released. From now on it counts as theirs.",
    "nudged": "The notes are queued; they leave at the next hour they may.",
    "invited": "The invitation is queued.",
    "attendance": "The list is kept.",
    "collected": "The feed was read.",
    "tried": "It is tried again within a minute.",
    "followed": "No second note goes to them.",
    "decided": "Done. The delivery goes on from here.",
    "closed": "The quarter is closed: its figures stay as they are now.",
    "question": "The question is queued; their answer comes to you.",
}
STATES: Mapping[str, str] = {
    "open": "waiting for you",
    "unconfirmed": "not confirmed yet",
    "cleaned": "unreachable",
    "collected": "to be looked at",
    "needs_person": "needs a person",
    "in_doubt": "outcome unknown",
    "handing_over": "handing over",
    "productive_inquiries": "asking for help, working on a case",
    "negotiating_shared_understanding": "discussing, reading together",
    "producing_assets": "making documents and tools",
    "creating_standards": "benchmarks and standards",
    "formal_access_to_knowledge": "training and experts",
    "hard_bounce": "mail came back",
    "soft_bounces": "mail came back several times",
    "soft-bounce": "mail came back a moment ago, so Mailchimp takes none for a day",
}
KINDS: Mapping[str, str] = {
    "discussion": "Discussion",
    "content": "Something to read",
    "activity": "Activity",
    "announcement": "Announcement",
}
GROUPS: Mapping[str, str] = {
    "agenda_activist": "Agenda activists",
    "community_keeper": "Community keepers",
    "critical_friend": "Critical friends",
    "social_reporter": "Social reporters",
    "external_messenger": "External messengers",
    "value_detective": "Value detectives",
    "organisational_broker": "Organisational brokers",
}
GROUP_DOES: Mapping[str, str] = {
    "agenda_activist": "drive what is learnt: issues, challenges, what to pursue next",
    "community_keeper": "look after people: whose voice is missing, newcomers, trust",
    "critical_friend": "reflect on how it works, and collect feedback",
    "social_reporter": "keep the shared memory: moments, stories, pictures",
    "external_messenger": "carry the story outside",
    "value_detective": "find out what changed in someone's work, and show it",
    "organisational_broker": "talk with sponsors and employers",
}


def actor_in_words(actor: str) -> str:
    """`system` is what no person did; keys and people stay as they are kept, since the trail holds no names."""
    return {"system": "Kindling by itself", "": "nobody yet"}.get(actor, actor)
