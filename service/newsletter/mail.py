"""What an edition looks like: the words and items it is made of, as a mail and as seen by one member."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict
from service.events.models import Event, EventStatus
from service.members.interest_groups import group_fields, interest_groups, merge_field_of
from service.members.models import Member
from service.messages.models import Message
from service.messages.rules import MessageKind
from service.newsletter.editions import items_of, personal_items_of
from service.newsletter.models import ContentItem, Edition
from service.newsletter.newcomers import Newcomer, newcomers_of
from service.newsletter.rules import ContentKind
from service.newsletter.words import markdown_of
from service.rendering import Rendered, Renderer, RenderingError, as_member
from service.settings import Settings

EVENTS_AHEAD = timedelta(days=35)
MAX_EVENTS = 4


@dataclass(frozen=True, slots=True)
class Story:
    """One item as readers see it: `summary` is Markdown, the rest plain text. `recycled_from` names where it was first shown, empty for
    a new one.
    """

    kind: str
    title: str
    url: str
    summary: str
    source: str
    recycled_from: str


@dataclass(frozen=True, slots=True)
class Pick:
    """One item that only the people of an interest group see; `field` is the merge field that tells Mailchimp who they are."""

    field: str
    group: str
    story: Story


@dataclass(frozen=True, slots=True)
class Meeting:
    """One event ahead; `starts_local` is wall-clock words, `day` and `month` the same day in short, `url` our page to sign up on."""

    title: str
    starts_local: str
    day: str
    month: str
    venue: str
    url: str


@dataclass(frozen=True, slots=True)
class EditionContent:
    """Everything readers see, before any template. `intro` and `question` are Markdown, the rest plain text."""

    number: int
    date_local: str
    subject: str
    preview_text: str
    intro: str
    lead: Story | None
    items: tuple[Story, ...]
    announcements: tuple[Story, ...]
    picks: tuple[Pick, ...]
    events: tuple[Meeting, ...]
    newcomers: tuple[Newcomer, ...]
    question: str


async def content_of(session: AsyncSession, edition: Edition, *, now: datetime, settings: Settings) -> EditionContent:
    """The edition as it stands now, with the events ahead of it."""
    at = edition.scheduled_for or now
    items = await items_of(session, edition)
    stories = [(item, _story(item, edition, settings)) for item in items]
    lead = next((story for item, story in stories if str(item.id) == edition.lead_item_id), None)
    rest = [story for item, story in stories if str(item.id) != edition.lead_item_id]
    return EditionContent(
        number=edition.number,
        date_local=_day(at.astimezone(settings.zone), year=True),
        subject=edition.subject,
        preview_text=edition.preview_text,
        intro=edition.intro,
        lead=lead,
        items=tuple(s for s in rest if s.kind != ContentKind.ANNOUNCEMENT),
        announcements=tuple(s for s in rest if s.kind == ContentKind.ANNOUNCEMENT),
        picks=await _picks(session, edition, settings),
        events=await _events(session, after=at, settings=settings),
        newcomers=await newcomers_of(session, edition, now=now),
        question=edition.question,
    )


def _story(item: ContentItem, edition: Edition, settings: Settings) -> Story:
    earlier = [number for number in item.used_in if number != str(edition.number)]
    first = (item.published_at or item.created_at).astimezone(settings.zone)
    recycled = f"edition {earlier[0]} ({first:%B} {first.year})" if earlier else ""
    return Story(item.kind, item.title, item.url, markdown_of(item.summary, item.summary_format), item.source, recycled)


async def _picks(session: AsyncSession, edition: Edition, settings: Settings) -> tuple[Pick, ...]:
    items = {str(item.id): item for item in await personal_items_of(session, edition)}
    groups = await interest_groups(session) if items else []
    return tuple(
        Pick(merge_field_of(group), group.name, _story(items[edition.personal[str(group.id)]], edition, settings))
        for group in groups
        if edition.personal.get(str(group.id)) in items
    )


async def _events(session: AsyncSession, *, after: datetime, settings: Settings) -> tuple[Meeting, ...]:
    found = await session.exec(
        select(Event)
        .where(Event.status == EventStatus.PLANNED, Event.starts_at > after, Event.starts_at <= after + EVENTS_AHEAD)
        .order_by(col(Event.starts_at))
        .limit(MAX_EVENTS)
    )
    meetings = []
    for planned in found:
        at = planned.starts_at.astimezone(settings.zone)
        words = f"{_day(at)}, {at:%H:%M}"
        sign_up = f"{settings.base_url}/events/{planned.id}"  # never the meeting's own address: the archive is public
        meetings.append(Meeting(planned.title, words, str(at.day), f"{at:%b}", planned.venue, sign_up))
    return tuple(meetings)


def _day(at: datetime, *, year: bool = False) -> str:
    return f"{at:%A} {at.day} {at:%B}" + (f" {at.year}" if year else "")


def render_edition(content: EditionContent, *, measured: bool, renderer: Renderer, settings: Settings) -> Rendered:
    """The edition as a campaign's mail, with Mailchimp's merge tags in it. Raises Conflict when a template can't be filled."""
    context: dict[str, object] = {
        "number": content.number,
        "date_local": content.date_local,
        "subject": content.subject,
        "preview_text": content.preview_text,
        "intro": content.intro,
        "lead": _values(content.lead) if content.lead else None,
        "items": [_values(story) for story in content.items],
        "announcements": [_values(story) for story in content.announcements],
        "picks": [{**_values(pick.story), "field": pick.field, "group": pick.group} for pick in content.picks],
        "events": [asdict(meeting) for meeting in content.events],
        "newcomers": [{"first_name": person.first_name, "organisation": person.organisation} for person in content.newcomers],
        "question": content.question,
        "archive_url": f"{settings.base_url}/newsletter",
        "measured": measured,
    }
    try:
        return renderer.campaign(MessageKind.NEWSLETTER, context)
    except RenderingError as error:
        raise Conflict(f"The mail can't be made: {error.detail}") from error


def _values(story: Story) -> dict[str, str]:
    return {
        "kind": story.kind,
        "title": story.title,
        "url": story.url,
        "summary": story.summary,
        "source": story.source,
        "recycled_from": story.recycled_from,
        "why_now": "",
    }


async def edition_mail(session: AsyncSession, edition: Edition, *, now: datetime, renderer: Renderer, settings: Settings) -> Rendered:
    """The mail with merge tags: as frozen, or as it would be frozen now. Raises Conflict when a template can't be filled."""
    if edition.message_id is not None:
        message = await session.get_one(Message, edition.message_id)
        return Rendered(message.subject, message.html, message.text, tuple(message.links))
    content = await content_of(session, edition, now=now, settings=settings)
    return render_edition(content, measured=settings.tracking_on, renderer=renderer, settings=settings)


async def preview(
    session: AsyncSession,
    edition: Edition,
    *,
    now: datetime,
    renderer: Renderer,
    settings: Settings,
    member: Member | None = None,
) -> Rendered:
    """The mail as `member` would see it, or as a reader of whom nothing is known. Links for
    leaving lead nowhere here: a curious click must not unsubscribe the member."""
    mail = await edition_mail(session, edition, now=now, renderer=renderer, settings=settings)
    fields = {
        "ARCHIVE": f"{settings.base_url}/newsletter/{edition.number}",
        "LIST:ADDRESS": settings.postal_address,
        "HTML:LIST_ADDRESS_HTML": settings.postal_address,
        "LIST:COMPANY": settings.community_name,
        "MC:SUBJECT": mail.subject,
        "PREFS": "#",
        "UNSUB": "#",
    }
    if member is not None:
        fields |= {
            "FNAME": member.first_name,
            "LNAME": member.last_name,
            "EMAIL": member.email,
            **group_fields(await interest_groups(session), member.interests),
        }
    return as_member(mail, fields)
