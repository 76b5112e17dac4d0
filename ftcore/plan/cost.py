"""What a run costs, and its share of what may be used, by the rates that the cluster group states."""

from typing import Any

from ftcore.config.schema import Experiment


def cost(e: Experiment, device_hours: float | None) -> dict[str, Any] | None:
    """Of so many device-hours (devices times hours; None: unknown); None where the cluster states no rate.

    price: in `currency`. share: of `quota_device_hours`, 1.0 is all of it.
    """
    cluster = e.cluster
    rate, quota = cluster.price_per_device_hour, cluster.quota_device_hours
    if rate is None and quota is None:
        return None
    known = device_hours is not None
    return {
        "device_hours": device_hours,
        "price_per_device_hour": rate,
        "price": rate * device_hours if known and rate is not None else None,
        "currency": cluster.currency,
        "quota_device_hours": quota,
        "share": device_hours / quota if known and quota is not None else None,
    }
