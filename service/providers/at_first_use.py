"""The adapters, built when one is first asked for: most requests, and many processes, never speak to Mailchimp."""

from collections.abc import Callable

from service.providers.base import Audience, Campaigns, Mailer, Product
from service.providers.ports import Providers
from service.providers.reports import Reports


class ProvidersAtFirstUse(Providers):
    """Stands for the adapters that `make` gives. What personal mail leaves through is known without them."""

    def __init__(self, make: Callable[[], Providers], *, personal: Product) -> None:
        self._make = make
        self._made: Providers | None = None
        self._personal = personal

    def built(self) -> Providers:
        """The adapters themselves."""
        if self._made is None:
            self._made = self._make()
        return self._made

    @property
    def audience(self) -> Audience:
        """As the adapters'."""
        return self.built().audience

    @property
    def campaigns(self) -> Campaigns:
        """As the adapters'."""
        return self.built().campaigns

    @property
    def reports(self) -> Reports:
        """As the adapters'."""
        return self.built().reports

    @property
    def mailer(self) -> Mailer | None:
        """As the adapters'."""
        return self.built().mailer

    @property
    def personal(self) -> Product:
        """What personal mail leaves through."""
        return self._personal

    async def close(self) -> None:
        """Close what was opened."""
        if self._made is not None:
            await self._made.close()
