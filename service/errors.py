"""The service's errors, drawn once. None of them knows HTTP; `app.py` maps them to answers.

ServiceError
├── InvalidInput       a value that makes no sense; names the field and the mend
├── NotFound           no such thing
├── NotAllowed         known, but not permitted
├── NotSignedIn        no key, or one that does not count
├── Conflict           the thing is in a state where this can't be done
├── LimitReached       too often or too much; says when to come back
└── Unavailable        a part we need does not answer just now

Provider errors (what an outside service told us) are another family: see `providers/base.py`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One bad field: `pointer` is a JSON pointer (`/email`), `detail` says what is wrong and how to mend it."""

    pointer: str
    detail: str


class ServiceError(Exception):
    """An expected refusal: `code` is stable, `detail` is a sentence for the facilitator, without personal data."""

    code = "error"

    def __init__(self, detail: str, *, problems: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = problems


class InvalidInput(ServiceError):
    """A value that makes no sense."""

    code = "invalid_input"

    @classmethod
    def field(cls, name: str, detail: str) -> "InvalidInput":
        """One bad field, named as in the API (`email`)."""
        return cls(f"{name}: {detail}", problems=(FieldProblem(f"/{name}", detail),))


class NotFound(ServiceError):
    """No such thing."""

    code = "not_found"


class NotAllowed(ServiceError):
    """Known, but not permitted."""

    code = "not_allowed"


class NotSignedIn(ServiceError):
    """No key, or one that does not count; the same words for each cause."""

    code = "not_signed_in"


class Conflict(ServiceError):
    """The thing is in a state where this can't be done."""

    code = "conflict"


class LimitReached(ServiceError):
    """Too often or too much."""

    code = "limit_reached"

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(ServiceError):
    """A part that we need does not answer just now."""

    code = "unavailable"
