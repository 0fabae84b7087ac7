"""Imports every table, for Alembic, the app and the workers."""

from sqlmodel import SQLModel

from service.audience import models as audience
from service.auth import models as auth
from service.briefing import models as briefing
from service.campaigns import models as campaigns
from service.console import models as console
from service.engagement import models as engagement
from service.events import models as events
from service.invitations import models as invitations
from service.jobs import models as jobs
from service.leadership import models as leadership
from service.measures import models as measures
from service.members import models as members
from service.messages import models as messages
from service.newsletter import models as newsletter
from service.outgoing import models as outgoing
from service.resources import models as resources
from service.stories import models as stories
from service.topmembers import models as topmembers
from service.webhooks import models as webhooks

__all__ = [
    "audience",
    "auth",
    "briefing",
    "campaigns",
    "console",
    "engagement",
    "events",
    "invitations",
    "jobs",
    "leadership",
    "measures",
    "members",
    "messages",
    "metadata",
    "newsletter",
    "outgoing",
    "resources",
    "stories",
    "topmembers",
    "webhooks",
]

metadata = SQLModel.metadata
