"""A folder of the user's own groups and presets (`-cd FOLDER`), whatever is in it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftcore.config.compose import compose
from ftcore.config.errors import RequestError

MODEL = """\
defaults: [_base, _self_]
name: mine
path: /models/mine
context_length: 4096
template: qwen_chat
bos: false
stop_tokens: []
"""


def folder(root, **files):
    """`root` with `group__choice="text"` files."""
    for name, text in files.items():
        file = root.joinpath(*name.split("__")).with_suffix(".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(root)


@pytest.mark.parametrize("name", ["conf", "my conf", "a,b", "[x]", "试验", "it's", "a=b", "a$b", "{c}"])
def test_folder_of_any_name(tmp_path, name):
    """Groups of a folder are found whatever the folder is called."""
    where = folder(tmp_path / name, model__mine=MODEL)
    assert compose(["model=mine"], config_dir=where).experiment.model.path == "/models/mine"


def test_preset_of_any_name(tmp_path):
    """A preset with a Chinese name is chosen like any other."""
    where = folder(tmp_path, experiment__试验="# @package _global_\nmax_length: 99\n")
    assert compose(["experiment=试验"], config_dir=where).experiment.max_length == 99


def test_own_top_level_file(tmp_path):
    """`-cn` takes a top-level file of the user's folder."""
    where = folder(tmp_path, mine="defaults: [config, _self_]\nmax_length: 77\n")
    assert compose(["model=qwen3_8b"], config_dir=where, config_name="mine").experiment.max_length == 77


def test_unknown_folder_and_file(tmp_path):
    """A folder or a top-level file that is not there is told with the flag's name."""
    with pytest.raises(RequestError, match="--config-dir: no such folder"):
        compose([], config_dir=str(tmp_path / "none"))
    with pytest.raises(RequestError, match=r"--config-name: no file confg\.yaml.*did you mean config"):
        compose([], config_name="confg")


BROKEN = {
    "syntax error": ("a: [1", "while parsing"),
    "tab": ("a:\n\t- b", "cannot start any token"),
    "same key twice": ("name: a\nname: b\n", "duplicate key"),
    "unknown defaults": ("defaults: [nothing]\n", "nothing"),
    "defaults of a wrong type": ("defaults: 5\n", ""),
    "defaults of itself": ("defaults: [mine]\n", ""),
    "unknown keys": (MODEL + "pathh: x\n", "model.pathh: no such key; did you mean model.path?"),
    "wrong type": (MODEL.replace("false", "maybe"), "model.bos"),
    "missing": ("defaults: [_base, _self_]\nname: mine\n", "model.path: must be given"),
    "a list": ("- a\n- b\n", ""),
    "a number": ("5\n", ""),
    "empty": ("", "model.name"),
    "bytes": (b"\xff\xfe\x00\x01", ""),
    "bad package": ("# @package a b c\nname: x\n", ""),
    "broken interpolation": (MODEL.replace("/models/mine", "${"), ""),
    "hydra's settings": ("hydra:\n  run:\n    dir: x\n", ""),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_file(tmp_path, case):
    """A file that cannot be read or means nothing is a wrong request, told in one line."""
    text, expected = BROKEN[case]
    with pytest.raises(RequestError) as caught:
        compose(["model=mine"], config_dir=folder(tmp_path, model__mine=text))
    shown = [str(problem) for problem in caught.value.problems]
    assert any(expected in line for line in shown), shown
    assert not any("\n" in line for line in shown)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            ["defaults:", "- _base", "- _self_", "name: x", "path:", "  - ", "${", "}", "[", "???", "null",
             ": ", "# @package", "_global_", "hydra:", "  searchpath: 3", "!!python/object:os.system", "&a",
             "*a", "<<: *a", "\t", "override /lora: full", "- override /lora: nope", "optional nothing: null",
             "- model@x: y"]
        ),
        max_size=8,
    ).map("\n".join)
)  # fmt: skip
def test_any_file(tmp_path, text):
    """Whatever a file holds, what comes out is an experiment or a RequestError."""
    where = folder(tmp_path, model__mine=text)
    try:
        compose(["model=mine"], config_dir=where)
    except RequestError as error:
        assert error.problems
