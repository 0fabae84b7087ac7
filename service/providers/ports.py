"""Everything the service may send through, put together. Adapters are built in `build.py`."""

from dataclasses import dataclass

from service.providers.base import Audience, Campaigns, Mailer, Product
from service.providers.reports import Reports


@dataclass(frozen=True)  # no slots: `at_first_use` stands for it with properties
class Providers:
    """Everything the service may send through; `mailer` is None where the account has no Transactional key and no mail server is
    set (personal mail then goes through campaigns).
    """

    audience: Audience
    campaigns: Campaigns
    reports: Reports
    mailer: Mailer | None

    @property
    def personal(self) -> Product:
        """What personal mail leaves through."""
        return self.mailer.product if self.mailer is not None else Product.MARKETING

    def built(self) -> "Providers":
        """The adapters themselves, where something stands for them until it is needed."""
        return self

    async def close(self) -> None:
        """Give back what they hold, when the process ends."""
