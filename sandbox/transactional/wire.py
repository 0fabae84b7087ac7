"""Calls and errors of the Transactional API."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sandbox.store import Doc
from sandbox.times import parse_instant
from sandbox.wire import Reply

if TYPE_CHECKING:
    from sandbox.box import Sandbox


class Failure(Exception):
    """An error answer: {"status": "error", "code", "name", "message"}."""

    def __init__(self, status: int, code: int, name: str, message: str) -> None:
        """Keep the parts of the body."""
        super().__init__(name)
        self.status, self.code, self.name, self.message = status, code, name, message

    def reply(self) -> Reply:
        """Return the error as an answer."""
        body = {"status": "error", "code": self.code, "name": self.name, "message": self.message}
        return Reply(body, self.status)


def bad(message: str) -> Failure:
    """Return the answer to parameters that make no sense."""
    return Failure(400, -2, "ValidationError", message)


def unknown(name: str, message: str) -> Failure:
    """Return the 404 of a thing that does not exist, such as Unknown_Message."""
    return Failure(404, -1, name, message)


@dataclass(slots=True)
class Ask:
    """One call of a method; `test` says that a test key was used."""

    box: "Sandbox"
    body: Doc
    test: bool = False

    def text(self, name: str, *, needed: bool = True) -> str:
        """Return a string parameter. Raises Failure when it is needed and missing, or not a string."""
        value = self.body.get(name)
        if value is None and not needed:
            return ""
        if not isinstance(value, str) or (needed and not value.strip()):
            raise bad(f"You must specify a {name} value" if value is None or value == "" else f'{{"{name}":"Please enter a string"}}')
        return value

    def instant(self, name: str) -> float | None:
        """Return a time parameter, or None. Raises Failure when it cannot be read."""
        value: Any = self.body.get(name)
        if value in (None, ""):
            return None
        try:
            return parse_instant(str(value))
        except ValueError as error:
            raise bad(f'{{"{name}":"Please enter a valid date"}}') from error


Method: TypeAlias = Callable[[Ask], Awaitable[Any]]
