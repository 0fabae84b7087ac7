"""One file for each thing that Kindling promises about Mailchimp; the details are tested beside the features."""

from tests.mailchimp import has_transactional, sandbox, sandbox_process, world  # noqa: F401
from tests.webhooks.conftest import caller, public_settings  # noqa: F401
