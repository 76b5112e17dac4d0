"""Every compatibility shim, each with its reason and the versions it was needed for.

`tests/integration/test_compat.py` fails when one of them is no longer needed.
"""

import sys


def apply() -> None:
    """To be called before xtuner or mmengine's strategies are imported."""
    _safetensors_is_there()


def leave_out(*packages: str) -> None:
    """Make `packages` look absent to this process; to be called before mmengine is imported.

    mmengine 0.10.7 imports bitsandbytes and deepspeed wherever they are installed: with all that they
    import, 4 s of a worker's 15 s start on one core (bitsandbytes 0.50.2, deepspeed 0.18.9).
    """
    for name in packages:
        # None is Python's own mark for a module that must not be imported.
        sys.modules.setdefault(name, None)


def _safetensors_is_there() -> None:
    """xtuner 0.2.0 imports `is_safetensors_available`, which transformers 5.0 removed (5.17.0 seen).

    safetensors is a hard dependency since, so the answer is always yes.
    """
    import transformers.utils

    if not hasattr(transformers.utils, "is_safetensors_available"):
        transformers.utils.is_safetensors_available = lambda: True
