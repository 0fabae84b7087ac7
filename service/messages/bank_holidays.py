"""The bank holidays of England."""

import sys
from datetime import date
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


def is_bank_holiday(day: date) -> bool:
    """Is the day a bank holiday in England?"""
    return day in _english(day.year)


@cache
def _english(year: int) -> frozenset[date]:
    return frozenset(_country_alone("united_kingdom").UnitedKingdom(subdiv="ENG", years=year))


@cache
def _country_alone(name: str) -> Any:
    """The library's module for one country. Its package would load those of 250 others: 8 MB, and a third of a second of the first page."""
    import holidays  # noqa: PLC0415  # a process that sends nothing needs none

    package = "holidays.countries"
    stand_in = ModuleType(package)
    stand_in.__path__ = [str(Path(holidays.__path__[0]) / "countries")]
    there = sys.modules.setdefault(package, stand_in)
    try:
        return import_module(f"{package}.{name}")
    finally:
        if there is stand_in:
            del sys.modules[package]
