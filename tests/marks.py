"""Marks that several tests carry."""

import sys

import pytest


def only_on_linux(why: str) -> pytest.MarkDecorator:
    """Skipped elsewhere, with the reason."""
    return pytest.mark.skipif(not sys.platform.startswith("linux"), reason=why)
