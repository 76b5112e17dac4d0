"""Every compatibility shim, each with its reason and the versions it was needed for.

`tests/integration/test_compat.py` fails when one of them is no longer needed.
"""


def apply() -> None:
    """To be called before xtuner or mmengine's strategies are imported."""
    _safetensors_is_there()


def _safetensors_is_there() -> None:
    """xtuner 0.2.0 imports `is_safetensors_available`, which transformers 5.0 removed (5.17.0 seen).

    safetensors is a hard dependency since, so the answer is always yes.
    """
    import transformers.utils

    if not hasattr(transformers.utils, "is_safetensors_available"):
        transformers.utils.is_safetensors_available = lambda: True
