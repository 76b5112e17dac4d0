"""What cannot fit is refused before it is queued; what might is not."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.cli.main import main
from ftcore.config.compose import compose
from ftcore.plan.memory import GIB, memory
from ftcore.plan.needs import shape
from ftcore.plan.refusal import ERROR, Room
from ftcore.sweeps.fitting import fitting
from ftcore.sweeps.request import request

LLAMA = ["model=llama3_8b_instruct", "data=openai_jsonl", "data.path=rows.jsonl", "evaluation=none"]
CARD = ["hardware=cuda", "hardware.arch=sm_90", "hardware.card=H100", "hardware.devices_per_node=1"]
WORDS = [*LLAMA, *CARD, "precision=bf16", "kernels=stock"]
FULL = [*WORDS, "lora=full", "parallelism=zero2", "hardware.memory_gib=40"]


@pytest.fixture(autouse=True)
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chat = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a word"}]}
    (tmp_path / "rows.jsonl").write_text((json.dumps(chat) + "\n") * 5000)


def experiment(*words: str):
    return compose([*words]).experiment


def test_refused_with_what_would_fit():
    """The peak, the card, and the settings that `plan --fit` finds; each of them is not refused."""
    e = experiment(*WORDS, "max_length=8192", "data.micro_batch_size=8", "hardware.memory_gib=40")
    problem = Room().refused(e)
    assert problem is not None and problem.key == "hardware.memory_gib"
    assert "H100 has 40" in problem.message and "--force" in problem.allowed
    offered = dict(word.split("=") for word in problem.allowed.split(" (plan")[0].split(" or "))
    assert set(offered) == {"max_length", "data.micro_batch_size"}
    for key, value in offered.items():
        fitting_one = [word for word in WORDS if not word.startswith(f"{key}=")]
        other = {"max_length": "data.micro_batch_size=8", "data.micro_batch_size": "max_length=8192"}[key]
        assert (
            Room().refused(experiment(*fitting_one, other, f"{key}={value}", "hardware.memory_gib=40"))
            is None
        )


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (FULL, True),
        ([*FULL, "hardware.memory_gib=null"], False),
        ([*FULL, "hardware.memory_gib=200"], False),
        ([*FULL, "model.path=nobody/unknown"], False),
        ([*LLAMA, "hardware=cpu", "lora=full"], False),
    ],
    ids=["too much", "unknown card", "large card", "unknown model", "no card"],
)
def test_only_where_card_and_model_are_known(words, refused):
    assert (Room().refused(experiment(*words)) is not None) is refused


def test_short_rows_without_packing_are_no_long_ones():
    """No sequence gets as long as max_length: what they need at most is what their longest one does."""
    words = [*WORDS, "max_length=8192", "data.micro_batch_size=8", "hardware.memory_gib=40"]
    assert Room().refused(experiment(*words, "data.packing=true"))
    # Without a tokenizer nobody knows how short they are: the least there can be decides.
    assert Room().refused(experiment(*words, "data.packing=false")) is None


def test_rough_parts_are_refused_later():
    """Experts of a family that no card was compared with: a third more than it has is no proof."""
    words = [*CARD, "data=openai_jsonl", "data.path=rows.jsonl", "evaluation=none", "precision=bf16"]
    e = experiment(*words, "model=mixtral_8x7b_instruct", "kernels=stock")
    needed = memory(e, shape(e.model.path)[0]).peak.allocated / GIB

    def with_card(share: float):
        hardware = e.hardware.model_copy(update={"memory_gib": needed / share})
        return Room().refused(e.model_copy(update={"hardware": hardware}))

    assert with_card(1.2) is None and with_card(1.4) is not None
    assert "kernels.loss=fused" not in str(with_card(1.4))  # which does not know experts


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 128),
    batch=st.integers(1, 16),
    card=st.floats(10, 200),
    loss=st.sampled_from(("stock", "fused")),
)
def test_nothing_that_might_fit_is_refused(length, batch, card, loss):
    """Refused only where the prediction is over the card by more than its error; and then always."""
    e = BASE.model_copy(
        update={
            "max_length": 64 * length,
            "data": BASE.data.model_copy(update={"micro_batch_size": batch}),
            "hardware": BASE.hardware.model_copy(update={"memory_gib": card}),
            "kernels": BASE.kernels.model_copy(update={"loss": loss}),
        }
    )
    over = memory(e, SHAPE).peak.allocated > (1 + ERROR) * card * GIB
    assert (ROOM.refused(e) is not None) is over
    assert (ROOM.warning(e) is None) is bool(memory(e, SHAPE).fits(card))


BASE = experiment(*WORDS, "hardware.memory_gib=80", "data.hub=huggingface")
SHAPE, ROOM = shape(BASE.model.path)[0], Room()


def test_run_makes_nothing(capsys, tmp_path):
    """Exit 2 with the reason beside whatever else is wrong, no run directory, no traceback."""
    assert main([*FULL]) == 2
    told = capsys.readouterr()
    assert "hardware.memory_gib:" in told.err and "GiB needed at the peak" in told.err
    assert "hardware.devices_per_node" in told.err and "Traceback" not in told.err
    assert not (tmp_path / "runs").exists()


def test_force_is_told_of_no_memory(capsys):
    """What else is wrong is wrong all the same."""
    assert main([*FULL, "--force"]) == 2
    told = capsys.readouterr().err
    assert "GiB needed" not in told and "hardware.devices_per_node" in told


def test_a_sweep_tells_of_every_trial(capsys):
    """At once, each with its point."""
    assert (
        main(["-m", *WORDS, "hardware.memory_gib=40", "max_length=1024,8192", "data.micro_batch_size=1,8,16"])
        == 2
    )
    told = [line for line in capsys.readouterr().err.splitlines() if "GiB needed" in line]
    points = [line.split("(in ")[1].split(")")[0] for line in told]
    assert "max_length=8192 data.micro_batch_size=16" in points and len(points) == 3
    assert (
        main(
            [
                "-m",
                *WORDS,
                "hardware.memory_gib=40",
                "max_length=8192",
                "data.micro_batch_size=8,16",
                "--force",
            ]
        )
        == 2
    )
    assert "GiB needed" not in capsys.readouterr().err


def asked(*words: str):
    return request([*WORDS, "hardware.memory_gib=40", *words], None)


def test_skip_invalid_leaves_them_out():
    """The others stay, numbered from 0 without a gap, and what was left out is told."""
    sweep, problems = fitting(
        asked("data.micro_batch_size=16,1", "max_length=8192,512"), Room(), skip_invalid=True
    )
    assert not problems
    assert [trial.number for trial in sweep.trials] == [0, 1, 2]
    assert [one.key for one in sweep.invalid] == ["hardware.memory_gib"]
    assert "max_length=8192" in sweep.invalid[0].message


def test_nothing_left_is_refused():
    """--skip-invalid cannot leave out everything."""
    sweep, problems = fitting(
        asked("data.micro_batch_size=16,32", "max_length=8192"), Room(), skip_invalid=True
    )
    assert len(problems) == len(sweep.trials) == 2


def test_very_many_are_counted():
    batches = ",".join(map(str, range(16, 46)))
    _, problems = fitting(
        asked(f"data.micro_batch_size={batches}", "max_length=8192"), Room(), skip_invalid=False
    )
    assert len(problems) == 21 and problems[-1].message == "and 10 more"


def test_a_search_is_refused_only_as_a_whole():
    """One value that fits is enough to begin with."""
    search = ["search=tpe", "search.trials=4"]
    some, problems = fitting(
        asked("data.micro_batch_size=1,16", "max_length=8192", *search), Room(), skip_invalid=False
    )
    assert not problems and len(some.trials) == 2
    _, problems = fitting(
        asked("data.micro_batch_size=16,32", "max_length=8192", *search), Room(), skip_invalid=False
    )
    assert len(problems) == 1


def test_doubt_is_said(monkeypatch, capsys):
    """Between what fits with a margin and what cannot: a warning, and the run goes on."""
    from ftcore.cli import launch
    from ftcore.plan import preflight
    from ftcore.runs import create

    monkeypatch.setattr(preflight, "preflight", lambda _e: [])
    monkeypatch.setattr(create, "create", lambda *_: SimpleNamespace())
    monkeypatch.setattr(launch, "launch", lambda *_, **__: 0)
    e = experiment(*WORDS)
    need = memory(e, shape(e.model.path)[0]).peak.total / GIB
    assert main([*WORDS, f"hardware.memory_gib={need}"]) == 0
    assert "warning: it may not fit" in capsys.readouterr().out
    assert main([*WORDS, f"hardware.memory_gib={need * 1.2}"]) == 0
    assert "may not fit" not in capsys.readouterr().out
