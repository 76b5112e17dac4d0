"""Every compatibility shim, each with its reason and the versions it was needed for.

`tests/integration/test_compat.py` fails when one of them is no longer needed.
"""

import os
import pickle
import sys
from contextlib import suppress
from pathlib import Path


def apply() -> None:
    """To be called before xtuner or mmengine's strategies are imported."""
    whole_grammars()
    _safetensors_is_there()


def whole_grammars() -> None:
    """To be called before mmengine, which imports yapf; imports nothing heavy.

    yapf 0.43.0 keeps its grammar in the user's cache when it is first imported, and renames the file before
    what it wrote is flushed: another process that imports it meanwhile (a rank, on any node of that home)
    ends with "EOFError: Ran out of input".
    """
    with suppress(ImportError):
        from yapf_third_party._ylib2to3.pgen2.grammar import Grammar

        Grammar.dump = _dump_whole


def leave_out(*packages: str) -> None:
    """Make `packages` look absent to this process; to be called before mmengine is imported.

    mmengine 0.10.7 imports bitsandbytes and deepspeed wherever they are installed: with all that they
    import, 4 s of a worker's 15 s start on one core (bitsandbytes 0.50.2, deepspeed 0.18.9).
    """
    for name in packages:
        # None is Python's own mark for a module that must not be imported.
        sys.modules.setdefault(name, None)


def compile_no_all_reduce() -> None:
    """To be called before mmengine's DeepSpeed strategy begins; imports deepspeed.

    deepspeed 0.18.9 on CPUs compiles an all-reduce over shared memory that its inference alone calls: 50 s
    of a core in the first run on a machine, and a failure where there is no C++ compiler.
    """
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def _dump_whole(grammar: object, filename: str) -> None:
    part = Path(f"{filename}.{os.uname().nodename}.{os.getpid()}")
    part.write_bytes(pickle.dumps(grammar.__dict__, pickle.HIGHEST_PROTOCOL))
    part.replace(filename)


def _safetensors_is_there() -> None:
    """xtuner 0.2.0 imports `is_safetensors_available`, which transformers 5.0 removed (5.17.0 seen).

    safetensors is a hard dependency since, so the answer is always yes.
    """
    import transformers.utils

    if not hasattr(transformers.utils, "is_safetensors_available"):
        transformers.utils.is_safetensors_available = lambda: True
