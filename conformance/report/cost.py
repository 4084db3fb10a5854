"""What the requests of a run would cost at providers that bill by request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bucket_conformance.conformance.wire.exchange import RequestClass

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Prices in US dollars per million requests, as published at ``source`` in November 2026.

    ``bound``: the tariff splits our classes further, and these are its highest prices: a cost is an upper bound.
    ``free_write``, ``free_read``: requests that are free, each ``free_per``. ``whole_millions``: beyond the free ones
    every started million is billed as a whole one.
    """

    name: str
    write: float
    read: float
    source: str
    bound: bool = False
    free_write: int = 0
    free_read: int = 0
    free_per: str = ""
    whole_millions: bool = False


TARIFFS: Final = (
    Tariff(name="AWS us-east-1", write=5.00, read=0.40, source="https://aws.amazon.com/s3/pricing/"),
    Tariff(
        name="R2",
        write=4.50,
        read=0.36,
        source="https://developers.cloudflare.com/r2/pricing/",
        free_write=MILLION,
        free_read=10 * MILLION,
        free_per="month",
        whole_millions=True,
    ),
    # Uploads and batches of deletes are free there, lists and copies are not; our class holds them all.
    Tariff(
        name="B2",
        write=4.00,
        read=0.40,
        source="https://www.backblaze.com/cloud-storage/transaction-pricing",
        bound=True,
        free_write=2_500,
        free_read=2_500,
        free_per="day",
    ),
)


def cost(requests: Mapping[str, int], tariff: Tariff) -> float:
    """Return the price of so many requests by class (as in a report's footer) in US dollars, pro rata, nothing free."""
    writes, reads = requests.get(RequestClass.WRITE, 0), requests.get(RequestClass.READ, 0)
    return (writes * tariff.write + reads * tariff.read) / MILLION


def summary(requests: Mapping[str, int]) -> str:
    """Return one line: how many requests of which class, and their price under each tariff."""
    counted = ", ".join(f"{requests.get(kind, 0)} {label}" for kind, label in _LABELS.items())
    prices = ", ".join(
        f"{tariff.name} {'at most ' if tariff.bound else ''}{dollars(cost(requests, tariff))}" for tariff in TARIFFS
    )
    return f"{sum(requests.values())} requests ({counted}) would cost on {prices}"


def conditions() -> str:
    """Return what the prices leave out: free requests and rounding."""
    left_out = []
    for tariff in TARIFFS:
        if tariff.free_per:
            free = f"{_many(tariff.free_write)} write/list and {_many(tariff.free_read)} read a {tariff.free_per}"
            rounding = ", then bills every million begun" if tariff.whole_millions else ""
            left_out.append(f"{tariff.name} has {free} free{rounding}")
    return f"Pro rata, without storage and traffic, and without what is free: {'; '.join(left_out)}."


def dollars(amount: float) -> str:
    """Return an amount rounded up to a hundredth of a cent: a run is never shown cheaper than it is."""
    hundredths = -int(-round(amount * 10_000, 6) // 1)
    return f"${hundredths / 10_000:.4f}"


def _many(number: int) -> str:
    return f"{number // MILLION} million" if number >= MILLION else f"{number}"


_LABELS: Final = {RequestClass.WRITE: "write/list", RequestClass.READ: "read", RequestClass.FREE: "free"}
