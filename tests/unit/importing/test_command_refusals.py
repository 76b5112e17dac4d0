"""The command import-xtuner refuses: exit 2, the reason on stderr, nothing on stdout, nothing written."""

# ruff: noqa: E501 (a case a line)

import pytest

STEM = "internlm_7b_qlora_alpaca_e3"


WRONG = {
    "no file given": ([], "FILE: one file or folder is needed, given: none"),
    "two files": (["a.py", "b.py"], "FILE: one file or folder is needed, given: a.py, b.py"),
    "missing file": (["no/such.py"], "no/such.py"),
    "missing folder": (["no/such"], "no/such"),
    "misspelt shipped name": ([STEM.replace("qlora", "qlroa")], f"did you mean {STEM}?"),
    "nonsense": (["zzzz"], "allowed: a file, a folder, shipped, or the name of a configuration"),
    "unknown flag": ([STEM, "--chekc"], "did you mean --check?"),
    "unknown deepspeed": ([STEM, "--deepspeed", "zero3"], "deepspeed_zero3"),
    "vision": (["llava_internlm2_chat_7b_clip_vit_large_p14_336_e1_gpu8_pretrain"], "LLaVAModel is a vision-language"),
    "preferences": (["internlm2_chat_1_8b_dpo_full"], "DPO is preference optimisation"),
    "reward": (["internlm2_chat_1_8b_reward_full_ultrafeedback"], "RewardModel trains a model that scores"),
    "a name for many": (["shipped", "--name", "x"], "--name: is for one file"),
    "name with a slash": ([STEM, "--name", "a/b"], "name: 'a/b' is not allowed"),
    "name of a number": ([STEM, "--name", "123"], "--name: experiment=123 would not be read as this name"),
    "name of nothing": ([STEM, "--name", "null"], "--name: experiment=null would not"),
    "hidden name": ([STEM, "--name", "_mine"], "--name: experiment=_mine would not"),
    "name of a file": ([STEM, "--name", "x.yaml"], "--name: experiment=x.yaml would not"),
    "name that is taken": ([STEM, "--name", "quickstart"], "quickstart.yaml, which is searched before"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_request(case, run, in_an_empty_folder):
    """Exit 2 with the reason on stderr, nothing on stdout, nothing written."""
    words, told = WRONG[case]
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert told in err and "Traceback" not in err
    assert list(in_an_empty_folder.iterdir()) == []


BROKEN = {
    "lambda": ("model = dict(f=lambda x: x)\n", "my.py:1"),
    "base file": ("a = 1\n_base_ = ['b.py']\n", "my.py:2"),
    "syntax": ("a = 1\nb = (\n", "my.py:2"),
    "call": ("a = 1\n\nb = print(a)\n", "my.py:3"),
    "unknown name": ("model = dict(a=nope)\n", "my.py:1"),
    "empty": ("", "my.py: model"),
    "no Python": ("\x00", "my.py"),
    "no dict": ("model = 3\ntrain_dataloader = dict()\n", "my.py: model: is no dict"),
    "not known": ("model = dict(type='my.Own')\ntrain_dataloader = dict()\n", "my.Own is not known"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_file_that_cannot_be_read(case, run, in_an_empty_folder):
    """What is wrong in the file is told with its name and line; nothing is written."""
    text, told = BROKEN[case]
    file = in_an_empty_folder / "my.py"
    file.write_text(text)
    for words in ([file], [file, "--json"], [file, "--check", "--to", "to"]):
        code, out, err = run(*words)
        assert (code, out) == (2, "")
        assert told in err and "Traceback" not in err
    assert list(in_an_empty_folder.iterdir()) == [file]


def test_folder_without_files(run, in_an_empty_folder):
    """A folder with no configuration in it is a wrong request."""
    (in_an_empty_folder / "empty").mkdir()
    code, _, err = run("empty")
    assert code == 2 and "no .py file in this folder" in err
