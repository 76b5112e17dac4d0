"""Rates from measurements: what is known comes back out; and rates files that are not what they should be."""

import json
import random
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.cli.main import main
from ftcore.config.errors import RequestError
from ftcore.plan.families import find
from ftcore.plan.least_squares import non_negative
from ftcore.plan.rates import KernelRates, Measurement, fit, micro_seconds
from ftcore.plan.rates_file import file_name, load
from ftcore.plan.work import How, Micro, Work, work

FAST = KernelRates(600e12, 350e12, None, 2.2e12, 450e12, 0.6e-3, 0.3e-3, 1e-3, 0.0)
STOCK = KernelRates(500e12, 350e12, 80e12, 1.8e12, 250e12, 2.5e-3, 1.2e-3, 4e-3, 0.0)
WIDE = replace(find("Meta-Llama-3-8B")[0], layers=6)
NARROW = replace(WIDE, hidden=2048, intermediate=8192, heads=32, head_dim=64)
SMALL = replace(
    WIDE, hidden=256, intermediate=512, heads=4, kv_heads=2, head_dim=64, vocabulary=1024, layers=12
)


def of(shape, rows, fused, again=False) -> Work:
    masked = not fused and len(rows) > 1
    by = How("lora", 64, None, fused, fused, masked, 2)
    tokens = sum(rows)
    squares = tokens**2 if masked else sum(row**2 for row in rows)
    labelled = 0.4 * tokens if fused else tokens
    return work(shape, by, Micro(tokens, squares, labelled), shape.layers if again else 0)


def measured(rates: KernelRates, fused: bool, noise: float = 0.0, seed: int = 0) -> list[Measurement]:
    rows, draw = (1000, 1500, 300, 1296), random.Random(seed)
    cases = [
        (WIDE, (4096,), False), (WIDE, (4096,), True), (WIDE, rows, False), (WIDE, (8192,), False),
        (replace(WIDE, layers=2), (4096,), False), (NARROW, (4096,), False), (NARROW, rows, False),
        (SMALL, (64,), False), (SMALL, (64,), True), (replace(SMALL, layers=4), (64,), False),
    ]  # fmt: skip
    found = []
    for shape, lengths, again in cases:
        done = of(shape, lengths, fused, again)
        seconds = micro_seconds(done, rates) * (1 + draw.gauss(0, noise))
        found.append(Measurement("", done, seconds, launch_bound=shape.hidden == SMALL.hidden))
    return found


@pytest.mark.parametrize(("rates", "fused"), [(FAST, True), (STOCK, False)], ids=["fast", "stock"])
def test_known_rates_come_back(rates, fused):
    """From measurements without noise, where elementwise work runs at a copy's speed."""
    found = fit(measured(rates, fused), bandwidth=rates.elementwise)
    for name, value in asdict(found).items():
        if name != "error" and value is not None:
            assert value == pytest.approx(getattr(rates, name), rel=1e-3), name
    assert found.error < 0.01
    assert (found.masked_attention is None) == fused


@pytest.mark.parametrize(("rates", "fused"), [(FAST, True), (STOCK, False)], ids=["fast", "stock"])
@pytest.mark.parametrize("seed", range(5))
def test_with_noise_the_whole_model_is_still_predicted(rates, fused, seed):
    """2 % of noise in every measurement: 32 layers within 6 %, and the fit says how much it was."""
    found = fit(measured(rates, fused, 0.02, seed), bandwidth=3e12)
    whole = of(replace(WIDE, layers=32), (4096,), fused)
    assert micro_seconds(whole, found) == pytest.approx(micro_seconds(whole, rates), rel=0.06)
    assert 0.003 < found.error < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_a_slow_cpu_is_not_taken_for_a_slow_card(seed):
    """Launches of real layers that take twice as long as tiny ones', so that short micro batches wait for
    them: what the card bounds is still found."""
    slow = replace(FAST, launch=4e-3, launch_fixed=2e-3)
    tiny = replace(FAST, launch=2e-3, launch_fixed=2e-3)
    rows = (1000, 1500, 300, 1296)
    of_card = [(WIDE, (4096,)), (WIDE, rows), (WIDE, (8192,)), (replace(WIDE, layers=2), (4096,))]
    of_cpu = [(WIDE, (1024,)), (NARROW, (4096,)), (NARROW, rows)]
    draw = random.Random(seed)
    found = [
        Measurement("", done, micro_seconds(done, slow) * (1 + draw.gauss(0, 0.02)))
        for shape, lengths in (*of_card, *of_cpu)
        for done in [of(shape, lengths, True)]
    ]
    small = [of(SMALL, (64,), True), of(SMALL, (64,), True, True), of(replace(SMALL, layers=4), (64,), True)]
    found += [Measurement("", done, micro_seconds(done, tiny), launch_bound=True) for done in small]
    rates = fit(found, bandwidth=FAST.elementwise)
    whole = of(replace(WIDE, layers=32), (8192,), True)
    assert micro_seconds(whole, rates) == pytest.approx(micro_seconds(whole, FAST), rel=0.06)
    assert tiny.launch < rates.launch < slow.launch


def test_a_small_stack_is_bound_by_its_launches():
    """It takes what the CPU needs, however fast the card is."""
    tiny = of(SMALL, (64,), True)
    assert micro_seconds(tiny, FAST) == 12 * FAST.launch + FAST.launch_fixed


def test_too_few_measurements_are_refused():
    every = measured(FAST, True)
    with pytest.raises(ValueError, match="no measurement that the CPU bounds"):
        fit([one for one in every if not one.launch_bound], 3e12)
    with pytest.raises(ValueError, match="3 measurements that the card bounds, and 4 are needed"):
        fit([*every[:3], *every[-3:]], 3e12)


positive = st.floats(0.01, 100)


@settings(max_examples=30, deadline=None)
@given(st.lists(positive, min_size=3, max_size=3), st.integers(0, 1000))
def test_least_squares_finds_what_made_the_values(wanted, seed):
    draw = random.Random(seed)
    rows = [[draw.uniform(0, 1) for _ in wanted] for _ in range(8)]
    values = [sum(a * b for a, b in zip(row, wanted, strict=True)) for row in rows]
    assert non_negative(rows, values) == pytest.approx(wanted, rel=1e-3, abs=1e-3)


def test_nothing_computes_faster_than_the_roof():
    """What is measured as if products took no time gives the roof, and the rest the blame."""
    quick = replace(FAST, linear=9e15, elementwise=1e12)
    found = fit(measured(quick, True), bandwidth=3e12, roof=800e12)
    assert found.linear == pytest.approx(800e12)
    assert found.attention <= 800e12 * 1.0001 and found.head <= 800e12 * 1.0001


def test_least_squares_is_never_negative():
    """y = -x has its nearest at 0; a column of zeros has 0."""
    assert non_negative([[1.0, 0.0], [2.0, 0.0]], [-1.0, -2.0]) == [0.0, 0.0]


def written(folder: Path, change=lambda content: None) -> Path:
    content = {
        "card": "NVIDIA H100 80GB HBM3", "arch": "sm_90", "accelerator": "cuda", "dtype": "bf16",
        "measured": "2026-11-24T19:00:00+00:00", "torch": "2.11.0", "memory": 2.9e12, "to_host": 5e10,
        "link": None, "optimizer": {"stock": 5e-11, "fused": 2e-11}, "notes": [],
        "kernels": {"fast": asdict(FAST), "stock": asdict(STOCK)},
    }  # fmt: skip
    change(content)
    file = folder / "rates.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_a_file_is_read(tmp_path):
    found = load(written(tmp_path))
    assert found.kernels["fast"] == FAST and found.optimizer["fused"] == 2e-11
    assert found.source.endswith("rates.json of 2026-11-24")


def test_names_of_files():
    assert file_name("NVIDIA H100 80GB HBM3") == "nvidia_h100_80gb_hbm3.json"
    assert file_name(" K100_AI/中文 ") == "k100_ai_中文.json"


def test_everything_wrong_with_a_file_is_told_at_once(tmp_path):
    """Each with its full key, and the nearest name of a misspelt one."""

    def spoil(content):
        content["kernels"]["fast"]["liner"] = content["kernels"]["fast"].pop("linear")
        content["kernels"]["fastt"] = {}
        content["kernels"]["stock"]["head"] = 0
        content["kernels"]["stock"]["launch"] = "quick"
        content["optimizer"]["fused"] = float("inf")
        del content["memory"]
        content["memry"] = 1.0

    with pytest.raises(RequestError) as error:
        load(written(tmp_path, spoil))
    told = {one.key.removeprefix(f"{tmp_path}/rates.json: "): one for one in error.value.problems}
    assert told["kernels.fast.liner"].nearest == "kernels.fast.linear"
    assert told["kernels.fast.linear"].message == "is missing"
    assert told["kernels.fastt"].nearest == "fast"
    assert told["kernels.stock.head"].allowed == "a number over 0"
    assert told["kernels.stock.launch"].allowed == "a number of 0 or more"
    assert "no rate" in told["optimizer.fused"].message
    assert told["memory"].message == "is missing" and told["memry"].nearest == "memory"
    assert len(told) == 8


@pytest.mark.parametrize("text", ["[]", "{", "null", '{"kernels": []}', '{"kernels": {"fast": 3}}'])
def test_what_is_no_rates_file_is_refused(tmp_path, text):
    file = tmp_path / "rates.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError):
        load(file)


def test_plan_refuses_a_bad_file_with_its_key(tmp_path, monkeypatch, capsys):
    """Exit 2, no traceback; and a file that is not there."""
    monkeypatch.chdir(tmp_path)
    bad = written(tmp_path, lambda content: content["kernels"]["fast"].pop("head"))
    words = ["plan", "model=llama3_8b_instruct", "data=agent_flan", "hardware=cuda"]
    assert main([*words, f"hardware.rates={bad}"]) == 2
    assert "rates.json: kernels.fast.head: is missing" in capsys.readouterr().err
    assert main([*words, "hardware.rates=nowhere.json"]) == 2
    assert "hardware.rates: nowhere.json cannot be read" in capsys.readouterr().err
