"""Fixtures: the sandbox and our side of it."""

from tests.mailchimp import has_transactional, sandbox, sandbox_process, world  # noqa: F401
