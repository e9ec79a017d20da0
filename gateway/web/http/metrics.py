"""What is counted, under documented names. Counting is plain addition on the event loop's thread; the exposition is prometheus_client's.

=====================================  ==========================  =================================================================
name                                   labels                      meaning
=====================================  ==========================  =================================================================
aeo_http_requests_total                route, status               requests answered
aeo_http_request_seconds               route                       time from the first byte of a request to the end of its answer
aeo_answers_total                      verdict                     answers about declared codes
aeo_refusals_total                     code                        refusals given, of messages and of requests
aeo_background_age_seconds             task                        time since a background task last ended a round well
aeo_background_failures                task                        rounds of it that failed since then
aeo_index_operators                                                operators in the read index
aeo_index_position                                                 journal entries reflected in the read index
aeo_index_age_seconds                                              time since the index last heard that it is complete
aeo_index_bound_seconds                                            from this age on the node answers ``not-current``
aeo_index_current                                                  1 if the index can be answered from
aeo_data_age_seconds                   partner, scope              age of the last complete list
aeo_domestic_age_seconds                                           age of what the domestic feed states; +Inf: it never stated anything
aeo_outbox_messages                    partner, state              messages of ours by what became of them
aeo_partner_problem                    partner, what               1 for what does not work with one partner, and with no other
aeo_database_bytes                                                 size of the database
aeo_database_reusable_bytes                                        free pages in it, which are used again (SQLite)
aeo_disk_free_bytes                                                what its disk has left, where that is a disk of this node
aeo_retention_bytes                    shelf                       what was put away by the rules of `aeo-gateway retention`
aeo_ends_in_seconds                    kind, owner, name           time until what `aeo-gateway warnings` watches ends, and nothing succeeds
=====================================  ==========================  =================================================================
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

#: Upper bounds of the time classes, in seconds.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts since the start of this process. Labels come from closed lists: no text of a caller ever becomes one."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.answers: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self._times: dict[str, list[int]] = {}
        self._sums: defaultdict[str, float] = defaultdict(float)

    def served(self, route: str, status: int, seconds: float) -> None:
        """One request, answered."""
        self.requests[route, status] += 1
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = [0] * (len(BOUNDS) + 1)
        times[bisect_left(BOUNDS, seconds)] += 1
        self._sums[route] += seconds

    def families(self) -> Iterator[Metric]:
        """What was counted, as prometheus_client knows it."""
        requests = CounterMetricFamily("aeo_http_requests", "Requests answered.", labels=("route", "status"))
        for (route, status), count in self.requests.items():
            requests.add_metric((route, str(status)), count)
        yield requests
        for name, text, label, counts in (
            ("aeo_answers", "Answers about declared codes.", "verdict", self.answers),
            ("aeo_refusals", "Refusals given.", "code", self.refusals),
        ):
            family = CounterMetricFamily(name, text, labels=(label,))
            for value, count in counts.items():
                family.add_metric((value,), count)
            yield family
        seconds = HistogramMetricFamily("aeo_http_request_seconds", "Time taken by a request.", labels=("route",))
        for route, times in self._times.items():
            bounds = (*map(str, BOUNDS), "+Inf")
            seconds.add_metric((route,), list(zip(bounds, accumulate(times), strict=True)), self._sums[route])
        yield seconds


def gauge(name: str, text: str, values: Iterable[tuple[tuple[str, ...], float]], labels: tuple[str, ...] = ()) -> Metric:
    """A gauge of values by their labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


class _Once:
    """What a registry collects: families made before, so that no database is read on the event loop."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def exposition(families: Iterable[Metric]) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(list(families)))
    return generate_latest(registry)
