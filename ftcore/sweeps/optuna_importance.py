"""Optuna's estimates of importance, where it is installed."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.sweeps import importance as own

TREES, DEPTH = 24, 12
"""Of fANOVA's forest; Optuna's own 64 of 64 take minutes for a thousand trials."""


def estimate(
    points: Sequence[Mapping[str, Any]], values: Sequence[float], keys: Sequence[str], maximize: bool
) -> tuple[dict[str, float], str] | None:
    """Shares by key and which method they are of; None without Optuna, or where it cannot tell.

    fANOVA needs scikit-learn; without it there is PED-ANOVA.
    """
    try:
        import optuna
        from optuna.distributions import CategoricalDistribution, FloatDistribution
    except ImportError:
        return None
    distributions: dict[str, Any] = {}
    for key in keys:
        column = [point[key] for point in points]
        if own.is_range(column):
            low, high = float(min(column)), float(max(column))
            distributions[key] = FloatDistribution(low, high, log=low > 0 and high >= 10 * low)
        else:
            distributions[key] = CategoricalDistribution(tuple(dict.fromkeys(map(str, column))))
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = optuna.create_study(direction="maximize" if maximize else "minimize")
            study.add_trials(
                optuna.trial.create_trial(
                    params={key: _param(distributions[key], point[key]) for key in keys},
                    distributions=distributions,
                    value=value,
                )
                for point, value in zip(points, values, strict=True)
            )
            return _evaluated(optuna, study, keys)
    except (ValueError, RuntimeError):
        # Too few trials of its kind, or a column that it cannot work with: means, then.
        return None
    finally:
        optuna.logging.set_verbosity(before)


def _evaluated(optuna: Any, study: Any, keys: Sequence[str]) -> tuple[dict[str, float], str] | None:
    evaluate = optuna.importance.get_param_importances
    try:
        forest = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, max_depth=DEPTH, seed=0)
        found, method = evaluate(study, evaluator=forest, normalize=False), own.FANOVA
    except ImportError:
        found = evaluate(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
        method = own.PED_ANOVA
    shares = {key: float(found.get(key, 0.0)) for key in keys}
    # NaN where nothing tells the best from the others.
    return (shares, method) if all(share >= 0 for share in shares.values()) else None


def _param(distribution: Any, value: Any) -> Any:
    return str(value) if hasattr(distribution, "choices") else float(value)
