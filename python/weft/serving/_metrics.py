"""What the server counts, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import prometheus_client as prometheus

if TYPE_CHECKING:
    from ._queue import Timing

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_MODEL = ("model", "version")


class Metrics:
    """The metrics of one server, apart from those of others in the process."""

    def __init__(self) -> None:
        self.registry = own = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter(
            "weft_requests",
            "Requests by how they were answered: ok, or the name of gRPC's status",
            (*_MODEL, "protocol", "outcome"),
            registry=own,
        )
        self.waited = prometheus.Histogram(
            "weft_queue_seconds", "How long requests waited", _MODEL, registry=own, buckets=_SECONDS
        )
        self.computed = prometheus.Histogram(
            "weft_compute_seconds", "How long calls took", _MODEL, registry=own, buckets=_SECONDS
        )
        self.rows = prometheus.Histogram(
            "weft_batch_rows", "Rows of a call", _MODEL, registry=own, buckets=_COUNTS
        )
        self.tokens = prometheus.Counter(
            "weft_tokens", "Tokens that were written", _MODEL, registry=own
        )
        self.waiting = prometheus.Gauge(
            "weft_waiting_requests", "Requests that wait", _MODEL, registry=own
        )
        self.texts = prometheus.Gauge(
            "weft_texts", "Texts that are being written", _MODEL, registry=own
        )

    def watch(self, model: str, version: str, timing: Timing) -> None:
        """Counts a call of a model."""
        for seconds in timing.waited:
            self.waited.labels(model, version).observe(seconds)
        self.computed.labels(model, version).observe(timing.computed)
        self.rows.labels(model, version).observe(timing.rows)

    def write(self, model: str, version: str, texts: int, tokens: int) -> None:
        """Counts a turn of a language model: the texts that are there, and the new tokens."""
        self.texts.labels(model, version).set(texts)
        self.tokens.labels(model, version).inc(tokens)

    def forget(self, model: str, version: str) -> None:
        """Leaves out what is no count of a version that is unloaded."""
        for gauge in (self.waiting, self.texts):
            if (model, version) in gauge._metrics:
                gauge.remove(model, version)

    def text(self) -> bytes:
        """All of them, in Prometheus' format."""
        return prometheus.generate_latest(self.registry)
