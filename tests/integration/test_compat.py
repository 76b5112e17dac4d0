"""Each shim is still needed with the locked versions, and does what it is there for."""

import subprocess
import sys

import pytest

USES_SAFETENSORS_CHECK = "import xtuner.model.utils"
IMPORTS = "import sys, mmengine.runner; print('bitsandbytes' in sys.modules, 'deepspeed' in sys.modules)"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_xtuner_needs_the_safetensors_answer():
    """Without the shim the import fails over that very name; with it, it succeeds."""
    bare = python(USES_SAFETENSORS_CHECK)
    assert bare.returncode == 1 and "is_safetensors_available" in bare.stderr
    shimmed = python(f"from ftcore import compat; compat.apply(); {USES_SAFETENSORS_CHECK}")
    assert shimmed.returncode == 0, shimmed.stderr


@pytest.mark.slow
def test_mmengine_imports_packages_that_nobody_asked_for():
    """Left out, they are not imported, and transformers and peft take them for not installed."""
    assert python(IMPORTS).stdout.split()[-2:] == ["True", "True"]
    hidden = python(
        "from ftcore import compat; compat.apply(); compat.leave_out('bitsandbytes', 'deepspeed');"
        "import sys, mmengine.runner, xtuner.engine, peft.import_utils, transformers.utils;"
        "print(peft.import_utils.is_bnb_available(), sys.modules['bitsandbytes'], sys.modules['deepspeed'])"
    )
    assert hidden.returncode == 0, hidden.stderr
    assert hidden.stdout.split()[-3:] == ["False", "None", "None"]


@pytest.mark.slow
@pytest.mark.parametrize(("before", "compiles"), [("", "True"), ("compat.compile_no_all_reduce();", "False")])
def test_deepspeed_compiles_an_all_reduce_of_its_inference(before, compiles):
    """With the shim it asks nobody for a compiler; ZeRO-3 trains without (`training/test_zero.py`)."""
    done = python(
        "import os; os.environ['DS_ACCELERATOR'] = 'cpu'; from ftcore import compat; compat.apply();"
        f"{before} import sys, deepspeed.comm; from deepspeed.ops.op_builder import cpu;"
        "cpu.ShareMemCommBuilder.load = lambda self: self;"
        "print(sys.modules['deepspeed.comm.torch'].build_shm_op() is not None)"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == compiles


SEEN_AT_RENAME = """
import os, pickle, pathlib, sys, tempfile
{before}
from yapf_third_party._ylib2to3.pgen2.grammar import Grammar
seen = []
def look(name, rename):
    def looked(old, new, *rest):
        seen.append(pathlib.Path(old).stat().st_size)
        return rename(old, new, *rest)
    setattr(os, name, looked)
look("rename", os.rename)
look("replace", os.replace)
file = pathlib.Path(tempfile.mkdtemp(), "Grammar.pickle")
grammar = Grammar()
grammar.dump(str(file))
print(seen[0] == file.stat().st_size > 0, pickle.loads(file.read_bytes()) == grammar.__dict__)
"""


@pytest.mark.parametrize(
    ("before", "whole"),
    [("", "False True"), ("from ftcore import compat; compat.whole_grammars()", "True True")],
)
def test_a_grammar_is_whole_when_it_gets_its_name(before, whole):
    """With yapf's own way another process reads half of it."""
    done = python(SEEN_AT_RENAME.format(before=before))
    assert done.stdout.strip() == whole, done.stderr


@pytest.mark.parametrize("package", ["bitsandbytes", "deepspeed"])
def test_what_was_imported_already_stays(package):
    """Leaving a package out after its import changes nothing."""
    code = f"import sys, types; sys.modules['{package}'] = 'it'; from ftcore import compat;"
    assert python(f"{code} compat.leave_out('{package}'); print(sys.modules['{package}'])").stdout == "it\n"
