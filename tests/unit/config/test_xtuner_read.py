"""XTuner's configuration files are read without running them, and give what mmengine gives."""

# ruff: noqa: E501 (a case a line)

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.config.errors import RequestError
from ftcore.config.xtuner.kinds import refusal
from ftcore.config.xtuner.read import read

XTUNER = importlib.util.find_spec("xtuner")
CONFIGS = Path(XTUNER.submodule_search_locations[0]) / "configs" if XTUNER else Path("none")
FILES = sorted(CONFIGS.rglob("*.py"))
needs_xtuner = pytest.mark.skipif(not FILES, reason="needs the package xtuner")


def problems(path: Path) -> list[str]:
    """What reading the file complains of, a line each."""
    with pytest.raises(RequestError) as caught:
        read(path)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def write(tmp_path):
    """Writes a text as my.py, beside a module, a package and a folder of data."""
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "datasets").mkdir()

    def write(text: str) -> Path:
        path = tmp_path / "my.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="module")
def shipped():
    """Each shipped file: its settings, or what reading it complains of."""

    def one(path):
        try:
            return read(path).settings
        except RequestError as error:
            return str(error)

    return {path: one(path) for path in FILES}


@needs_xtuner
def test_all_shipped_files(shipped):
    """All 594 files read, but for the seven programs among them, which are called that."""
    programs = {path.name: text for path, text in shipped.items() if isinstance(text, str)}
    assert len(FILES) == 594 and sum(isinstance(text, str) for text in shipped.values()) == 7
    assert all(text.startswith(f"{name}: a program and no configuration") for name, text in programs.items())


@needs_xtuner
def test_shipped_files_as_mmengine_reads_them(shipped):
    """Names in order, values and their types are those of mmengine's own reader."""
    config = pytest.importorskip("mmengine.config")
    compared = 0
    for path, ours in shipped.items():
        if isinstance(ours, dict):
            theirs = config.Config.fromfile(path, format_python_code=False).to_dict()
            assert repr(ours) == repr(theirs), path
            compared += 1
    assert compared == 587


@needs_xtuner
def test_shipped_kinds(shipped):
    """Exactly the supervised fine-tunings pass; all others are refused by name."""
    kinds = Counter()
    for read_as in shipped.values():
        problem = refusal(read_as) if isinstance(read_as, dict) else read_as.partition(": ")[2]
        kinds[" ".join(str(problem).split()[:2])] += 1
    assert kinds == {
        "None": 510,
        "model.type: LLaVAModel": 33,
        "model.type: InternVL_V1_5": 21,
        "model.type: DPO": 8,
        "model.type: RewardModel": 7,
        "model.type: ORPO": 5,
        "framework: 'huggingface'": 3,
        "a program": 7,
    }


@pytest.mark.parametrize(
    ("given", "told"),
    {
        "dpo": (
            {"model": {"type": "xtuner.model.dpo.DPO"}, "train_dataloader": {}},
            "model.type: DPO is preference optimisation; ftcore has no reference model, no pairs",
        ),
        "by registry": (
            {"model": {"type": "ORPO"}, "train_dataloader": {}},
            "model.type: ORPO is preference optimisation",
        ),
        "own model": (
            {"model": {"type": "mine.DPO"}, "train_dataloader": {}},
            "model.type: mine.DPO is not known",
        ),
        "misspelt": (
            {"model": {"type": "SupervisedFinetun"}, "train_dataloader": {}},
            "did you mean SupervisedFinetune?",
        ),
        "no type": ({"model": {}, "train_dataloader": {}}, "model.type: is missing"),
        "no model": ({"x": 1}, "model: is missing"),
        "model a text": ({"model": "x"}, "model: is no dict"),
        "no data": ({"model": {"type": "SupervisedFinetune"}}, "train_dataloader: is missing"),
    }.values(),
)
def test_kinds(given, told):
    """What is no supervised fine-tuning is refused with what is missing."""
    assert told in str(refusal(given))


LIKE_PYTHON = {
    "arithmetic": "a = 2 + 3 * 4 - 6 / 4 // 2 % 5 ** 2; b = -a; c = 0.1 + 0.2; d = ~5 | 2 & 3 ^ 1; e = 2 ** -1; f = +True",
    "augmented": "a = [1]; b = a; a += [2]; a += 'xy'; c = 3; c *= 2; c /= 4; d = dict(x=1); e = d; d['x'] += 4; d |= dict(y=2)",
    "repeated in place": "a = [1]; b = a; a *= 3",
    "shared": "t = dict(a=1); x = dict(t=t); y = dict(t=t); t['a'] = 2; x['t']['b'] = 3",
    "branches": "a = 3\nif a > 5: b = 1\nelif a == 3 and not None: b = 2\nelse: b = 3\nc = 'x' if b in (1, 2) else 'y'",
    "comparisons": "a = 1 < 2 <= 2 != 3; b = None is None; c = 'a' not in 'abc'; d = [] or {} or 'x'; e = 0 and 1 / 0",
    "displays": "a = [*range(3), *(4, 5)]; b = {**dict(x=1), 'y': 2}; c = (1,); d = sorted({3, 1, 2}); e = dict([('a', 1)], b=2)",
    "subscripts": "a = [1, 2, 3]; b = a[-1]; c = a[:2]; d = 'hello'[::-1]; a[0:1] = [7, 8]; del a[-1]",
    "texts": "n = 7; a = f'{n:03d}-{n!r}-{n / 3:.2f}-{\"x\":>{n}}'; b = '{}_{}_{x:>4}'.format(1, 'b', x=2); c = '%s-%03d-%(k)s' % {'k': 1} if 0 else '%s-%03d' % ('a', 5); d = '{{{0}}}'.format(1)",
    "text methods": "a = '-'.join(str(i) for i in range(3)); b = ' Ab '.strip().lower().upper(); c = 'a,b'.split(','); d = 'aXa'.replace('X', 'y'); e = 'ab' * 2",
    "dict methods": "a = dict(x=1, y=2); b = a.copy(); b.update(z=3); b.update({'q': 4}); c = a.get('n', 5); d = list(a.items()); e = list(a.keys()) + list(a.values()); f = b.pop('z')",
    "list methods": "a = [3, 1]; a.append(2); a.extend((5, 4)); a.sort(); a.insert(0, 9); a.remove(5); b = a.index(4); a.reverse()",
    "builtins": "a = [int('3'), float('1e-3'), str(1.0), bool([]), len('ab'), min(3, 1), max([1, 2]), sum([1, 2.5]), abs(-1), round(2.567, 2), round(2.5)]; b = list(range(5, 0, -2)); c = tuple('ab'); d = sorted([2, 1], reverse=True); e = int(64 / 3); f = sum([[1], [2]], [])",
    "comprehensions": "a = [i * j for i in range(3) if i for j in (1, 2)]; b = {k: v for k, v in [('x', 1)]}; i = 5; c = [i for i in 'ab']; d = sorted({i % 2 for i in range(5)})",
    "unpacking": "a, (b, *c) = 1, (2, 3, 4); d = e = []; d.append(1); [f, g] = 'xy'",
    "annotated, deleted, passed": "a: int = 3\nb: str\ndel a\npass\n'a text'\nc = 1",
    "constants": "a = 1_000; b = 0xff; c = 1e-4; d = r'\\d'; e = 'a' 'b'; f = None; g = '中文'; h = '''x\ny'''",
    "paths": "import os\nimport os.path as osp\nfrom os.path import basename\na = os.path.join('a', '/b', 'c'); b = osp.dirname(a); c = basename(a)",
    "copies": "import copy\nfrom copy import deepcopy\na = dict(x=[1]); b = copy.deepcopy(a); c = deepcopy(a); d = copy.copy(a); a['x'].append(2)",
    "math": "import math\nfrom math import pi as p\na = math.ceil(10 / 3); b = math.floor(p); c = math.pi * 2",
    "names reused": "max = 3; a = max; list = [1]; list += [2]",
    "semicolons and line ends": "a = (1,\r\n  2)\r\nb = 3",
    "tuples kept": "betas = (0.9, 0.999); a = dict(b=(1, [2]))",
}  # fmt: skip


@pytest.mark.parametrize("text", LIKE_PYTHON.values(), ids=LIKE_PYTHON)
def test_values_are_pythons(text, write):
    """The language it reads means what it means in Python."""
    expected: dict = {}
    exec(text, expected)
    found = read(write(text)).settings
    plain = {name: value for name, value in expected.items() if isinstance(value, DATA) and name[0] != "_"}
    assert repr(found) == repr(
        {name: value for name, value in plain.items() if name not in ("p", "basename")}
    )


DATA = (type(None), bool, int, float, str, list, tuple, dict)
NUMBERS = (
    st.integers(-50, 50) | st.floats(-50, 50, allow_nan=False).map(lambda x: round(x, 3)) | st.booleans()
)
ATOMS = NUMBERS.map(repr) | st.sampled_from(
    ["'ab'", "''", "[1, 'x']", "(2, 3)", "None", "dict(a=1)", "{'b': [2]}"]
)
SYMBOLS = "+ - * / // % ** < <= == != and or in | & is"
CALLED = "not - + len str sorted max list bool int"
SIGNS = st.sampled_from(SYMBOLS.split(" "))
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: (
        st.tuples(inner, SIGNS, inner).map(lambda parts: f"({' '.join(parts)})")
        | st.tuples(st.sampled_from(CALLED.split(" ")), inner).map(lambda parts: f"{parts[0]}({parts[1]})")
        | st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} if {parts[1]} else {parts[2]})")
        | st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]")
    ),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(EXPRESSIONS)
@pytest.mark.filterwarnings("ignore")
def test_any_expression(tmp_path_factory, expression):
    """An expression gives Python's value, or is refused; where Python raises it is refused."""
    path = tmp_path_factory.getbasetemp() / "expression.py"
    path.write_text(f"x = {expression}")
    try:
        found = read(path).settings["x"]
    except RequestError:
        return
    assert repr(found) == repr(eval(expression))


def test_imports_are_names(write):
    """What is imported is its dotted name, as mmengine writes it; nothing is imported."""
    text = (
        "import torch\nimport torch.nn as nn\nfrom transformers import AutoTokenizer as T\n"
        "from xtuner.utils import PROMPT_TEMPLATE\na = torch.float16\nb = dict(type=T.from_pretrained)\n"
        "c = PROMPT_TEMPLATE.default\nd = [nn.Linear, T]\nT2 = T\ne = 1 if T is not None else 2"
    )
    assert read(write(text)).settings == {
        "a": "torch.float16",
        "b": {"type": "transformers.AutoTokenizer.from_pretrained"},
        "c": "xtuner.utils.PROMPT_TEMPLATE.default",
        "d": ["torch.nn.Linear", "transformers.AutoTokenizer"],
        "T2": "transformers.AutoTokenizer",
        "e": 1,
    }


def test_data_folder_named_like_a_package(write):
    """A folder `datasets` beside the file is no module of it."""
    assert read(write("from datasets import load_dataset\nx = load_dataset")).settings == {
        "x": "datasets.load_dataset"
    }


def test_many_hooks(write):
    """Appending to a long list costs what is appended, and not the list."""
    assert (
        len(read(write("a = list(range(9000))\n" + "a.append(1)\na[0] = 2\na += [3]\n" * 200)).settings["a"])
        == 9400
    )


def test_text_configuration(write):
    """Types by name need no imports."""
    assert read(write("model = dict(type='SupervisedFinetune')\n_own = 1")).settings == {
        "model": {"type": "SupervisedFinetune"}
    }


def test_settings_share_nothing(write):
    """A dict under two names is two dicts in the settings."""
    found = read(write("t = dict(a=[])\nx = [t, t]")).settings
    found["x"][0]["a"].append(1)
    assert found["x"][1] == found["t"] == {"a": []}


def test_lines(write):
    """Each name, and what is written in it, has the line of its last assignment."""
    text = "a = 1\nm = dict(\n    llm=dict(\n        x=1),\n    h=[1,\n       2])\na += 1\nm['q'] = dict(\n    z=3)\nb = 1\ndel b"
    assert read(write(text)).lines == {
        "a": 7,
        "m": 2,
        "m.llm": 3,
        "m.llm.x": 4,
        "m.h": 5,
        "m.h.0": 5,
        "m.h.1": 6,
        "m.q": 8,
        "m.q.z": 9,
    }


@pytest.mark.parametrize("name", ["fileDirname", "fileBasename", "fileBasenameNoExtension", "fileExtname"])
@pytest.mark.parametrize("imports", ["", "import torch\n"])
def test_substitution(name, imports, write):
    """The four names of the file, put in where mmengine puts them in: not where a package is imported."""
    config = pytest.importorskip("mmengine.config")
    path = write(f"{imports}x = './{{{{ {name} }}}}/y'")
    assert read(path).settings == config.Config.fromfile(path, format_python_code=False).to_dict()


REFUSED = {
    "lambda": ("f = lambda x: x", "my.py:1: a lambda is code"),
    "def": ("def f(): pass\nmodel = f", "my.py:1: `def` is code"),
    "program": ("def f(): pass\nf()", "my.py: a program and no configuration"),
    "class": ("class A: pass", "my.py:1: `class` is code"),
    "for": ("for i in [1]: j = i\nk = j", "my.py:1: `for` is code, and a configuration is read without running any; write out the values it makes, or use a list comprehension"),
    "while": ("while 1: pass", "my.py:1: `while` is code"),
    "with": ("with x: pass", "my.py:1: `with` is code"),
    "try": ("try: import torch\nexcept ImportError: torch = None\nx = torch", "my.py:1: `try` is code"),
    "assert": ("assert 1", "my.py:1: `assert` is code"),
    "walrus": ("x = (y := 1)", "my.py:1: `:=` is not read"),
    "relative import": ("from .base import a\nx = a", "my.py:1: `from .base` is a file near this one, and is not read"),
    "relative star": ("from ..base import *\nx = a", "merge it first with mmengine: `Config.fromfile('FILE.py').dump('whole.py')`"),
    "module beside": ("\nimport beside", "my.py:2: beside lies beside this file and is code"),
    "from a module beside": ("from beside import f\nx = f", "my.py:1: beside lies beside this file"),
    "package beside": ("import package.inner", "my.py:1: package lies beside this file"),
    "star import": ("from torch import *\nx = float16", "my.py:1: `from torch import *` does not say what it brings"),
    "base": ("_base_ = ['a.py']\nx = y", "my.py:1: this file continues a base file, which is not read; merge it first"),
    "read_base": ("from mmengine.config import read_base\nwith read_base():\n    from .a import *\nx = y", "my.py:2: this file continues a base file"),
    "base variable": ("x = '{{ _base_.y }}'", "my.py:1: {{ _base_.y }} is taken from a base file"),
    "environment": ("y = 1\nx = '{{$HOME:/tmp}}'", "my.py:2: {{$HOME:/tmp}} is taken from the environment"),
    "syntax": ("a = 1\nb = dict(a=1,,)", "my.py:2: not Python: invalid syntax: b = dict(a=1,,)"),
    "never closed": ("a = (1", "my.py:1: not Python: '(' was never closed: a = (1"),
    "argument twice": ("a = dict(b=1,\n  b=2)", "not Python: keyword argument repeated: b"),
    "return": ("return 1", "my.py:1: not Python: 'return' outside function"),
    "no package": ("import nowhere_at_all\nx = nowhere_at_all.y", "my.py:1: no package 'nowhere_at_all' is installed"),
    "package nearly": ("from transformer import AutoTokenizer", "did you mean transformers?"),
    "folder no package": ("import unit_of_data", "my.py:1: no package 'unit_of_data'"),
    "unknown name": ("batch_size = 1\nx = batch_sise", "my.py:2: the name 'batch_sise' is not defined above this line; did you mean batch_size?"),
    "deleted name": ("a = 1\ndel a\nb = a", "my.py:3: the name 'a' is not defined"),
    "environment call": ("import os\nx = os.environ.get('A', 1)", "my.py:2: os.environ.get(...): calls are not executed"),
    "glob": ("import glob\nx = glob.glob('*')", "my.py:2: glob.glob(...): calls are not executed"),
    "built call": ("from transformers import AutoTokenizer as T\nx = T.from_pretrained('a')", "write the value, or dict(type=T.from_pretrained, ...) for XTuner to call it"),
    "open": ("x = open('/etc/passwd').read()", "my.py:1: open(...): calls are not executed"),
    "eval": ("x = eval('1')", "my.py:1: eval(...): calls are not executed"),
    "library value": ("import string\nx = string.digits", "my.py:2: string.digits is known only by running Python"),
    "class of a value": ("x = ().__class__", "a tuple has no attribute '__class__'"),
    "fields of a format": ("x = '{0.__class__}'.format(1)", "the field {0.__class__} is not a plain name"),
    "import in a sum": ("from torch import float16\nx = float16 + 'a'", "my.py:2: torch.float16 is imported and never loaded"),
    "import in a text": ("from torch import float16\nx = f'{float16}'", "torch.float16 is imported and never loaded"),
    "import in a call": ("from torch import float16\nx = max(1, float16)", "torch.float16 is imported and never loaded"),
    "import subscripted": ("from xtuner.utils import PROMPT_TEMPLATE as P\nx = P['default']", "write P.default"),
    "no key": ("x = dict(alpha=1)\ny = x['alpa']", "my.py:2: `x` has no key 'alpa'; did you mean alpha?"),
    "attribute of a dict": ("x = dict(a=1)\ny = x.a", "my.py:2: a dict has no attribute 'a' that can be read; write x['a']"),
    "attribute set": ("x = dict(a=1)\nx.a = 2", "my.py:2: an attribute cannot be set here; write x['a'] = ..."),
    "no method": ("x = dict(a=1)\nx.updte(b=1)", "did you mean update?"),
    "types": ("x = 1 + 'a'", "my.py:1: `1 + 'a'`: unsupported operand type(s) for +: 'int' and 'str'"),
    "zero": ("x = 1 / 0", "my.py:1: `1 / 0`: division by zero"),
    "unpacked": ("a, b = 1, 2, 3", "my.py:1: 3 values for 2 names"),
    "set": ("x = {1, 2}", "my.py:1: x: a set is no setting"),
    "order of a set": ("x = list({'a', 'b'})", "the order of a set changes from run to run"),
    "bytes": ("x = b'a'", "a value of type bytes has no place"),
    "identity": ("x = [] is []", "`is` is for None, True and False"),
    "power": ("x = 10 ** 10 ** 10", "my.py:1: an integer of over"),
    "repeated": ("x = 'a' * 10 ** 9", "my.py:1: over 1000000 characters"),
    "long list": ("x = [0] * 10 ** 9", "my.py:1: over 100000 items"),
    "range": ("x = list(range(10 ** 9))", "my.py:1: over 100000 items"),
    "width": ("x = f'{1:>999999999}'", "my.py:1: a width or precision of over 999"),
    "percent width": ("x = '%*d' % (999999999, 1)", "my.py:1: a width or precision of over 999"),
    "rounded": ("x = round(1, -10 ** 9)", "my.py:1: round(...) to over 400 digits"),
    "loops": ("x = [i for i in range(9999) for j in range(9999)]", "my.py:1: too much to work out"),
    "doubling": ("a = [1]\n" + "a = [a, a]\n" * 60 + "b = a == a", "too much to work out"),
    "within itself": ("a = {}\na['a'] = a", "nested too deeply"),
    "deep": ("x = " + "[" * 150 + "]" * 150, "my.py:1: nested too deeply"),
    "very deep": ("x = " + "-" * 50000 + "1", "my.py: nested too deeply"),
    "chain": ("x = " + "+".join("1" * 50000), "my.py: nested too deeply"),
    "NUL": ("x = 1\ny = '\0'", "my.py:2: a NUL byte"),
    "huge": ("#" * 2_000_001, "my.py: over 2 MB"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_refused(text, told, write):
    """One thing is wrong, and is told once, with its line and what to do."""
    (problem,) = problems(write(text))
    assert told in problem


WITHOUT = {
    "submodule": ("from xtuner.modell import SupervisedFinetune as S\nx = S", "my.py:1: the package xtuner has no module 'modell'; did you mean xtuner.model?"),
    "name": ("from xtuner.model import (\n  LLaVAModel,\n  SupervisedFinetun)", "my.py:3: xtuner.model has no 'SupervisedFinetun'; did you mean SupervisedFinetune?"),
    "through a star": ("from mmengine.utils import is_seq_off", "mmengine.utils has no 'is_seq_off'; did you mean is_seq_of?"),
    "attribute": ("import xtuner.model as m\nx = m.Supervised", "my.py:2: xtuner.model has no 'Supervised'"),
    "other package": ("from torch.optm import AdamW", "my.py:1: the package torch has no module 'optm'; did you mean torch.optim?"),
}  # fmt: skip


@needs_xtuner
@pytest.mark.parametrize(("text", "told"), WITHOUT.values(), ids=WITHOUT)
def test_missing_from_a_package(text, told, write):
    """An import that would fail when training starts is refused now, with the nearest name."""
    (problem,) = problems(write(text))
    assert told in problem


def test_packages_absent_here(write, monkeypatch):
    """Where the packages of training are not installed, their names pass."""
    from ftcore.config.xtuner import modules

    monkeypatch.setattr(modules, "_locations", lambda top: None)
    assert read(write("from xtuner.modell import X\nx = X")).settings == {"x": "xtuner.modell.X"}


def test_all_problems_at_once(write):
    """Wrong statements and wrong arguments are told together, in the order of lines, without follow-ups."""
    text = (
        "import os\na = 3\nmodel = dict(\n    x=lambda: 1,\n    y=dict(z=nope),\n    w=a / 0)\nb = model['x']\n"
        "b += 1\nmodel.update(c=b)\na = os.getenv('A')\nc = a + 1\nif c: d = 1\ne = d\nf = os.getenv('B')\ng = 1"
    )
    assert [told.split(": ")[0] for told in problems(write(text))] == [
        f"my.py:{n}" for n in (4, 5, 6, 10, 14)
    ]


def test_very_many_problems(write):
    """After a hundred problems the rest is not read, and the last line says so."""
    told = problems(write("x = y\n" * 300))
    assert (
        len(told) == 102
        and told[-1] == "my.py:101: over 100 things are wrong; the rest of the file is not read"
    )


def test_not_a_file(tmp_path, write):
    """No file, a folder, another format, another encoding: told without a traceback."""
    assert "no such file" in problems(tmp_path / "none.py")[0]
    assert "a folder" in problems(tmp_path)[0]
    (tmp_path / "a.yaml").write_text("x: 1")
    assert "is a Python file" in problems(tmp_path / "a.yaml")[0]
    path = write("")
    path.write_bytes("x = 1\ny = '中'".encode("gbk"))
    assert problems(path)[0].startswith("my.py:2: byte 0xd6 is not UTF-8")
    path.write_bytes(b"\xef\xbb\xbfx = 1")
    assert read(path).settings == {"x": 1}


PIECES = st.sampled_from(["(", ")", "'", "\n", " ", "=", "dict(", "*", "[", "{", "**", "lambda: ", ".", ",", "0", "del ", "x", "\0", "{{", "not ", "\ud7ff"])  # fmt: skip
SAMPLES = [path.read_text(encoding="utf-8") for path in FILES[30::120]] or ["x = dict(a=1)\ny = [x]"]


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), PIECES), max_size=8),
    st.floats(0, 1),
)
def test_damaged_files(tmp_path_factory, text, edits, end):
    """However a file is damaged, it is read or refused."""
    for place, cut, piece in edits:
        at = int(place * len(text))
        text = text[:at] + piece + text[at + cut :]
    path = tmp_path_factory.getbasetemp() / "damaged.py"
    path.write_text(text[: int(len(text) * (1 - end**8))], encoding="utf-8")
    try:
        read(path)
    except RequestError as error:
        assert all(problem.key.startswith("damaged.py") for problem in error.problems)


def test_light(write):
    """Reading loads neither training packages nor mmengine."""
    code = f"import sys; from pathlib import Path; from ftcore.config.xtuner.read import read; read(Path({str(write('import torch'))!r})); print([m for m in ('torch', 'mmengine', 'xtuner', 'transformers') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
