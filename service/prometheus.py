"""What `watching` saw, in the form that Prometheus reads. Loaded when somebody asks for it."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from service import __version__
from service.watching import Watched

MEDIA_TYPE = CONTENT_TYPE_LATEST
AGES = {
    "oldest_due": "Age of the oldest one-to-one mail that is due and not yet taken.",
    "oldest_webhook": "Age of the oldest report of Mailchimp's that is not yet applied.",
    "since_webhook": "Time since Mailchimp last reported anything.",
    "since_tick": "Time since a worker last looked for due work.",
    "since_pull": "Time since Mailchimp's audience was last read through.",
    "since_report": "Time since a campaign's report was last read.",
}
QUANTILES = (0.5, 0.9, 0.99)


class _Snapshot(Collector):
    def __init__(self, seen: Watched, breakers: dict[str, str]) -> None:
        self._seen = seen
        self._breakers = breakers

    def collect(self) -> Iterator[Metric]:
        """Every number of one look."""
        yield _gauge("kindling_info", "The version that runs.", [((__version__,), 1)], ["version"])
        waiting = [((name,), count) for name, count in self._seen.backlog.model_dump().items()]
        yield _gauge("kindling_backlog", "What is due or waits, by kind of work; see /api/v1/backlog.", waiting, ["kind"])
        yield _gauge(
            "kindling_webhooks_parked", "Reports that could not be applied and wait for a person.", [((), self._seen.webhooks_parked)]
        )
        yield _gauge("kindling_endpoints_stopped", "Other systems that are told nothing any more.", [((), self._seen.endpoints_stopped)])
        yield _gauge("kindling_erasures_waiting", "Erasures Mailchimp has not confirmed yet.", [((), self._seen.erasures_waiting)])
        lately = [((kind, status), count) for (kind, status), count in sorted(self._seen.lately.items())]
        yield _gauge("kindling_deliveries_last_day", "Deliveries made in the last 24 hours, as they stand.", lately, ["kind", "status"])
        for name, text in AGES.items():
            age = getattr(self._seen, name)
            if age is not None:
                yield _gauge(f"kindling_{name}_seconds", text, [((), age)])
        yield self._calls()
        states = [((product, state), 1) for product, state in sorted(self._breakers.items())]
        yield _gauge("kindling_breaker", "The circuit breaker of this process, by product.", states, ["product", "state"])

    def _calls(self) -> Metric:
        calls = self._seen.call_seconds
        family = SummaryMetricFamily("kindling_provider_call_seconds", "How long the latest one-to-one calls took.")
        family.add_metric([], count_value=len(calls), sum_value=sum(calls))
        if calls:
            for quantile in QUANTILES:
                value = calls[min(len(calls) - 1, int(quantile * len(calls)))]
                family.add_sample("kindling_provider_call_seconds", {"quantile": str(quantile)}, value)
        return family


def _gauge(name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], labels: Iterable[str] = ()) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for label_values, value in values:
        family.add_metric(list(label_values), value)
    return family


def exposition_of(seen: Watched, breakers: Mapping[str, str]) -> bytes:
    """Every number of one look, as text."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(seen, dict(breakers)))
    return generate_latest(registry)
