"""From what happened on the wire to the four error families of `base.py`; shared by both Mailchimp products."""

import httpx

from service.providers.base import Misconfigured, OutcomeUnknown, ProviderError, Rejected, Temporary

# Nothing of the request has left us: no connection was made.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
# The address in the settings can't be used at all.
UNUSABLE_ADDRESS = (httpx.UnsupportedProtocol, httpx.InvalidURL)


def unknown_or_temporary(title: str, *, reading: bool, status: int | None = None, detail: str = "", instance: str = "") -> ProviderError:
    """A read that went wrong may be repeated; a write may have happened."""
    family = Temporary if reading else OutcomeUnknown
    return family(title, status=status, detail=detail, instance=instance)


def from_transport(error: httpx.HTTPError | httpx.InvalidURL, *, reading: bool) -> ProviderError:
    """The family of a failure below HTTP. Only a connection that was never made is known not to have sent anything."""
    title = type(error).__name__  # its text may hold an address or a key
    if isinstance(error, UNUSABLE_ADDRESS):
        return Misconfigured(title)
    if isinstance(error, NOT_SENT):
        return Temporary(title)
    return unknown_or_temporary(title, reading=reading)


def from_download(response: httpx.Response) -> ProviderError:
    """A file that the provider pointed at is not there: its link has grown too old, or its store has a bad moment. It says nothing
    about our key."""
    family = Temporary if response.is_server_error or response.status_code == httpx.codes.TOO_MANY_REQUESTS else Rejected
    return family("File can't be fetched", status=response.status_code)
