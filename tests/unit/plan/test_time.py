"""Times from rates: arithmetic by hand, what may never get faster, what is told where nothing is known."""

import functools
import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ftcore.cli import plan, plan_time
from ftcore.cli.main import main
from ftcore.cli.plan_time import span
from ftcore.config.compose import compose
from ftcore.config.schema import Experiment
from ftcore.plan.assumed import peak_of
from ftcore.plan.estimate import estimate
from ftcore.plan.families import find, read
from ftcore.plan.links import link, volume
from ftcore.plan.parts import parts
from ftcore.plan.rates import KernelRates
from ftcore.plan.shapes import KNOWN
from ftcore.plan.summary import summarise
from ftcore.plan.time import ASSUMED, CALIBRATED, LOOP, step
from ftcore.plan.tokens import micro

LLAMA = find("Meta-Llama-3-8B")[0]
TRAINED = 167_772_160
WORDS = (
    "model=llama3_8b_instruct", "data=agent_flan", "data.path=/rows", "evaluation=none", "rank=64",
    "max_length=4096", "precision=bf16", "hardware=cuda", "hardware.card=made up", "hardware.arch=sm_90",
    "hardware.memory_gib=79.2", "hardware.devices_per_node=1", "hardware.rates=rates.json",
)  # fmt: skip
RATES = KernelRates(400e12, 200e12, 50e12, 2e12, 100e12, 1e-3, 5e-4, 2e-3, 0.01)
UNKNOWN = dict.fromkeys(("rows", "tokens", "samples", "labelled_share", "longest", "basis"))


@pytest.fixture(scope="module", autouse=True)
def rates_file(tmp_path_factory):
    """Rates that are easy to reckon with, where the words above look for them."""
    folder = tmp_path_factory.mktemp("rates")
    content = {
        "card": "made up", "arch": "sm_90", "accelerator": "cuda", "dtype": "bf16", "torch": "2",
        "measured": "2026-01-01", "memory": 2e12, "to_host": 2e10, "link": 100e9,
        "optimizer": {"stock": 1e-10, "fused": 5e-11},
        "kernels": dict.fromkeys(("stock", "fast", "fast_fp8"), asdict(RATES)),
    }  # fmt: skip
    (folder / "rates.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder / "rates.json"


@functools.cache
def composed(*words: str) -> Experiment:
    return compose([*WORDS, *words]).experiment


def changed(e: Experiment, **values) -> Experiment:
    for name, value in values.items():
        section, _, key = name.rpartition("__")
        update = {section: getattr(e, section).model_copy(update={key: value})} if section else {key: value}
        e = e.model_copy(update=update)
    return e


def known(rows: int, tokens: int, samples: int, labelled: float = 0.4) -> dict:
    return UNKNOWN | {
        "rows": rows, "tokens": tokens, "samples": samples, "labelled_share": labelled,
        "longest": 4096, "basis": "prepared",
    }  # fmt: skip


def test_a_stock_step_by_hand():
    """One full sequence of 4096, every layer computed again, four times a step; AdamW once."""
    e = composed("kernels=stock", "parallelism=single", "optim.gradient_accumulation=4")
    found = {one.name: one for one in step(e, LLAMA, UNKNOWN).terms}
    weights = 6_979_321_856
    assert found["linear forward"].seconds == pytest.approx(4 * 4096 * 2 * (weights + TRAINED) / 400e12)
    assert found["linear recompute"].seconds == found["linear forward"].seconds
    assert found["head and loss"].seconds == pytest.approx(4 * 4 * 4096 * 4096 * 128_256 / 100e12)
    assert found["optimizer"].seconds == pytest.approx(TRAINED * 1e-10)
    # Packed rows are kept apart by a mask: 4 q n^2 forward, as much again, 2.5 times that backward.
    assert found["attention"].seconds == pytest.approx(4 * 4.5 * 4 * 32 * 4096 * 4096**2 / 50e12)


def test_a_step_is_the_sum_of_its_parts():
    found = step(composed("kernels=fast"), LLAMA, UNKNOWN)
    assert sum(found.parts.values()) == pytest.approx(found.seconds)
    assert 0 < found.low < 1 < found.high


def test_short_micro_batches_wait_for_the_cpu():
    """64 tokens take what starting their kernels takes."""
    e = composed("kernels=stock", "data.packing=false", "optim.gradient_accumulation=1", "parallelism=single")
    found = step(e, LLAMA, known(1000, 64_000, 1000))
    assert found.parts["launches"] > 0
    assert found.seconds == pytest.approx(LOOP + 32 * 1.5e-3 + 2e-3)


@pytest.mark.parametrize(
    ("words", "shape", "layers"),
    [
        (["lora=full"], "Meta-Llama-3-8B", 0.73 * 32e-3),
        (["lora=qlora"], "Meta-Llama-3-8B", 1.55 * 32e-3),
        ([], "Qwen3-30B-A3B", 1.5 * 48e-3),
    ],
)
def test_launches_of_other_layers(words, shape, layers):
    """Without adapters fewer, with quantised weights and with experts more."""
    e = composed(
        "kernels=stock", "data.packing=false", "optim.gradient_accumulation=1", "parallelism=single", *words
    )
    found = step(changed(e, model__activation_checkpointing=False), read(KNOWN[shape]), known(9, 9, 9))
    assert found.launches == pytest.approx(LOOP + layers + 2e-3)


def test_the_optimizer_hides_launches():
    """The card steps 8e9 parameters while the CPU starts what comes next: only what is over waits."""
    words = ("kernels=stock", "data.packing=false", "optim.gradient_accumulation=1", "parallelism=single")
    found = step(composed("lora=full", *words), LLAMA, known(9, 9, 9))
    stepped = next(one.seconds for one in found.terms if one.name == "optimizer")
    assert stepped > found.launches and not found.waiting


def test_rows_behind_one_another_are_kept_apart_by_a_mask():
    """ftcore's loss lays the rows of a micro batch end to end: stock attention computes the whole square."""
    words = ("kernels=stock", "kernels.loss=fused", "data.packing=false")
    one, two = (composed(*words, f"data.micro_batch_size={n}") for n in (1, 2))
    assert not parts(one, LLAMA).masked and parts(two, LLAMA).masked
    assert not parts(composed("kernels=stock", *words[2:], "data.micro_batch_size=2"), LLAMA).masked
    assert micro(two, parts(two, LLAMA), UNKNOWN).squares == (2 * 4096) ** 2


def test_rows_without_packing_are_work_only_where_they_are_computed():
    """Three rows of 1000 in the mean, and up to 4096: stock pads them, ftcore's own parts do not."""
    data = known(3000, 3_000_000, 3000)
    words = ("data.packing=false", "data.micro_batch_size=3")
    stock, fast = composed("kernels=stock", *words), composed("kernels=fast", *words)
    padded, flat = (micro(e, parts(e, LLAMA), data) for e in (stock, fast))
    assert flat.tokens == 3000 and flat.labelled == 1200
    assert padded.tokens == pytest.approx(3 * 1000 * (1 + 1 / 2 + 1 / 3)) == padded.labelled
    assert step(stock, LLAMA, data).seconds > step(fast, LLAMA, data).seconds


def test_packed_rows_attend_to_themselves_alone():
    """Four rows a sample: a quarter of the squares, but behind a mask all of them."""
    data = known(4000, 4_000_000, 1000)
    fast, stock = composed("kernels=fast"), composed("kernels=stock")
    assert micro(fast, parts(fast, LLAMA), data).squares == pytest.approx(4000 * 1000)
    assert micro(stock, parts(stock, LLAMA), data).squares == pytest.approx(4000**2)


@pytest.mark.parametrize(
    ("parallelism", "iteration", "gathered", "once"),
    [
        ("ddp", 0, 0, 2 * 4 * TRAINED),
        ("zero1", 0, 0, 2 * 2 * TRAINED),
        ("zero2", 2 * TRAINED, 0, 2 * TRAINED),
        ("zero3", 2 * TRAINED, 3 * 2 * (8_030_261_248 + TRAINED), 0),
    ],
)
def test_volumes_by_hand(parallelism, iteration, gathered, once):
    """Of 24 ranks, 23 / 24 of: fp32 adapters under ddp, 16-bit ones under DeepSpeed; ZeRO-3 gathers forward,
    backward and to compute again."""
    e = composed("kernels=stock", "hardware.devices_per_node=4", "nodes=6", f"parallelism={parallelism}")
    found = volume(e, LLAMA, parts(e, LLAMA), again=32)
    assert found.gathered == pytest.approx(gathered * 23 / 24)
    assert found.iteration - found.gathered == pytest.approx(iteration * 23 / 24)
    assert found.step == pytest.approx(once * 23 / 24)


def test_the_slower_link_counts():
    """Between nodes the network, which the node's cards share; what is stated is not assumed."""
    words = ("hardware.devices_per_node=4", "parallelism=ddp")
    assert link(composed(*words), 100e9).speed == 100e9
    assert link(composed(*words, "hardware.link_gbps=400"), 100e9).speed == 50e9
    assert link(composed(*words), None).assumed
    far = link(composed(*words, "nodes=2", "cluster.network_gbps=200"), 100e9)
    assert far.speed == 25e9 and not far.assumed
    assert link(composed(*words, "nodes=2"), 100e9).assumed


@settings(max_examples=25, deadline=None)
@given(
    st.integers(64, 4096), st.integers(1, 4096), st.integers(1, 8), st.sampled_from(["stock", "fast"]),
    st.sampled_from([True, False]),
)  # fmt: skip
def test_more_is_never_faster(length, further, batch, kernels, packing):
    """More tokens a row, more rows a batch, more accumulation."""
    e = composed(f"kernels={kernels}")
    e = changed(e, data__packing=packing, data__micro_batch_size=batch, max_length=length)
    seconds = step(e, LLAMA, UNKNOWN).seconds
    rounded = (1 - 1e-9) * seconds
    assert step(changed(e, max_length=length + further), LLAMA, UNKNOWN).seconds >= rounded
    assert step(changed(e, data__micro_batch_size=batch + 1), LLAMA, UNKNOWN).seconds >= rounded
    more = changed(e, optim__gradient_accumulation=e.optim.gradient_accumulation + 1)
    assert step(more, LLAMA, UNKNOWN).seconds > seconds


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 1000), st.sampled_from(["ddp", "zero2", "zero3"]), st.integers(1, 8))
def test_a_faster_network_is_never_slower(gbps, parallelism, nodes):
    e = composed("kernels=stock", "hardware.devices_per_node=2", f"parallelism={parallelism}")
    e = changed(e, nodes=nodes, cluster__network_gbps=float(gbps))
    quicker = changed(e, cluster__network_gbps=2.0 * gbps)
    assert step(quicker, LLAMA, UNKNOWN).seconds <= step(e, LLAMA, UNKNOWN).seconds


def test_the_whole_job():
    """Steps, what stands beside them, and accelerator-hours of all ranks."""
    e = composed("hardware.devices_per_node=4", "parallelism=ddp", "kernels=fast")
    length = {"steps": 100, "iterations": 100, "between": None}
    found = estimate(e, LLAMA, UNKNOWN, length)
    beside = sum(found["beside"].values())
    assert found["total_seconds"] == pytest.approx(100 * found["step_seconds"] + beside)
    assert found["accelerator_hours"] == pytest.approx(4 * found["total_seconds"] / 3600)
    assert found["low"] < found["total_seconds"] < found["high"]
    assert not found["assumed"] and found["source"] == "rates.json of 2026-01-01"
    wider = estimate(e, LLAMA, UNKNOWN, length | {"between": [80, 120]})
    assert wider["low"] < found["low"] and wider["high"] > found["high"]


def test_unknown_steps_leave_a_step_known():
    found = estimate(composed(), LLAMA, UNKNOWN, {"steps": None, "iterations": None, "between": None})
    assert found["step_seconds"] > 0 and found["total_seconds"] is None
    assert found["why"] == "how many steps there are is not known"


def test_no_rates_and_no_peak_is_no_time():
    """A card that nobody calibrated and whose peak is not known, and a CPU: what to do is said."""
    for words in (("hardware.arch=sm_999", "hardware.rates=null"), ("hardware=cpu", "hardware.rates=null")):
        e = composed(*words, "precision=fp32") if "hardware=cpu" in words else composed(*words)
        found = estimate(e, LLAMA, UNKNOWN, {"steps": 5, "iterations": 5, "between": None})
        assert found["step_seconds"] is None and found["accelerator_hours"] is None
        assert "run `python -m ftcore calibrate` on it" in found["why"]


def test_a_known_peak_is_assumed_and_says_so():
    """A wide range, and the word."""
    found = step(composed("hardware.rates=null"), LLAMA, UNKNOWN)
    assert found.source.startswith("assumed shares of the 989 TFLOP/s")
    assert (found.low, found.high) == pytest.approx(ASSUMED)
    assert found.high / found.low > CALIBRATED[1] / CALIBRATED[0]


@pytest.mark.parametrize(
    ("card", "tflops"),
    [
        ("NVIDIA H20", 148), ("NVIDIA H20-3e", 148), ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA A100-SXM4-40GB", 312), ("NVIDIA GeForce RTX 4090 D", 165), ("NVIDIA L40S", 362),
        ("NVIDIA L40", 181), ("Tesla V100-SXM2-32GB", 125), ("NVIDIA H2000", None), ("", None),
    ],
)  # fmt: skip
def test_cards_of_one_architecture_have_peaks_of_their_own(card, tflops):
    """By whole words of the driver's name; a name that is not known has its architecture's."""
    found = peak_of(card, None)
    assert (found and found[0].operations) == (tflops and tflops * 1e12)
    assert peak_of("a new one", "sm_90")[0] == peak_of("NVIDIA H100 80GB HBM3", "sm_90")[0]


def test_an_h20_is_no_h100():
    """Of one architecture, a seventh of the products a second and more bytes."""
    slow = step(composed("hardware.rates=null", "hardware.card=NVIDIA H20"), LLAMA, UNKNOWN)
    fast = step(composed("hardware.rates=null"), LLAMA, UNKNOWN)
    assert 3 < slow.seconds / fast.seconds < 7 and "148 TFLOP/s that NVIDIA H20 has" in slow.source


def test_rates_of_another_card_are_not_taken(tmp_path, monkeypatch, rates_file):
    """`auto` looks by the card's name, in cache_dir first; of fp32 only where it is fp32's."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "cache" / "rates"
    place.mkdir(parents=True)
    (place / "made_up.json").write_text(rates_file.read_text(encoding="utf-8"), encoding="utf-8")
    auto = ("hardware.rates=auto", "cache_dir=cache")
    assert "made_up.json" in step(composed(*auto), LLAMA, UNKNOWN).source
    assert "assumed" in step(composed(*auto, "hardware.card=another"), LLAMA, UNKNOWN).source
    assert step(composed(*auto, "precision=fp32", "kernels=stock"), LLAMA, UNKNOWN) is None


def test_the_recipe_is_mostly_gathering(capsys, monkeypatch, tmp_path):
    """ZeRO-3 with offload: most of a step is weights that travel; without it, computing is."""
    monkeypatch.chdir(tmp_path)
    words = ["plan", "experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6", "max_steps=269", "--json"]
    assert main(words) == 0
    time = json.loads(capsys.readouterr().out)["time"]
    assert time["assumed"] and time["parts"]["weights gathered"] > 0.5 * time["step_seconds"]
    assert time["low"] < 43.7 * 3600 < time["high"]
    assert main([*words, "parallelism=ddp"]) == 0
    better = json.loads(capsys.readouterr().out)["time"]
    assert better["total_seconds"] < time["total_seconds"] / 2


def told(show, words) -> str:
    """What `show` prints of a plan, on a wide page."""
    page = Console(file=io.StringIO(), width=200)
    show(summarise(compose(words)), page)
    return page.file.getvalue()


def test_explain_shows_the_arithmetic(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = ["experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6"]
    page = told(lambda plan, console: plan_time.explain(plan["time"], console), words)
    assert "47.1 GB" in page and "12.5 GB/s" in page and "assumed 100 Gbit/s a node" in page


def test_a_cpu_without_rates_is_told_what_to_do(monkeypatch, tmp_path):
    """The quickstart on a fresh machine: the rest of the plan stands."""
    monkeypatch.chdir(tmp_path)
    page = told(plan.show, ["hardware=cpu"])
    assert "not estimated: no rates for CPU in fp32: run `python -m ftcore calibrate` on it" in page


def test_compare_has_times(capsys, monkeypatch, tmp_path):
    """Side by side: ddp beside ZeRO-3."""
    monkeypatch.chdir(tmp_path)
    words = ["experiment=agentflan_llama3_8b", "hardware=dcu", "nodes=6", "max_steps=9", "--json"]
    assert main(["plan", "--compare", *words, "parallelism=zero3,ddp"]) == 0
    sharded, whole = (row["time"]["step_seconds"] for row in json.loads(capsys.readouterr().out))
    assert whole < sharded


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (0.0004, "0.4 ms"),
        (75, "75.0 s"),
        (100, "1.7 min"),
        (157_320, "43.7 h"),
        (4e5, "4.6 d"),
    ],
)
def test_spans(seconds, text):
    assert span(seconds) == text


def test_shipped_rates_can_be_read():
    """Every file in conf/rates."""
    from ftcore.config.groups import conf_dir
    from ftcore.plan.rates_file import file_name, load

    for file in (conf_dir() / "rates").glob("*"):
        assert file.name == file_name(load(Path(file)).card)
