"""`ls`: filters, order, columns and forms of output; wrong requests above all."""

import csv
import io
import json

import pytest

from ftcore.cli.main import main
from tests.fixtures import records


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Forty ended runs."""
    folder = tmp_path_factory.mktemp("runs")
    base = records.template(tmp_path_factory.mktemp("base"))
    records.write(folder, records.variants(base, 40))
    return folder


@pytest.fixture
def entries(runs):
    return sorted(
        (json.loads(path.read_text()) for path in runs.glob("*/*/record.json")), key=lambda e: e["id"]
    )


@pytest.fixture
def ls(runs, capsys):
    """Standard output of `ls WORDS`, which succeeds."""

    def run(*words):
        assert main(["ls", f"runs_dir={runs}", *words]) == 0
        return capsys.readouterr().out

    return run


@pytest.fixture
def wrong(runs, capsys):
    """What is told of `ls WORDS`, which is refused without any output."""

    def run(*words, folder=runs):
        assert main(["ls", "--runs-dir", str(folder), *words]) == 2
        out, err = capsys.readouterr()
        assert out == "" and "Traceback" not in err
        return err

    return run


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["state=faild"], "state: no run is ever faild; allowed: created, queued,"),
        (["state!=faild"], "did you mean failed?"),
        (["created>yesterday"], "created: its values are times, and yesterday is none; allowed: 2026-11-24"),
        (["--sweep", "nope"], "--sweep: no such sweep under"),
    ],
)
def test_condition_that_no_run_can_meet(wrong, words, told):
    """A misspelt state, what is no time, and a sweep that is not there are refused, not answered by none."""
    assert told in wrong(*words)


def test_imported_runs_of_a_sweep(ls):
    """A sweep without a directory here is there where records name it."""
    assert found(ls, "--sweep", "sweep-0")


def found(ls, *words):
    return [row["run"] for row in json.loads(ls("--json", *words))]


def test_usual_columns(ls, entries):
    """Without words all runs are listed, oldest first, with the usual columns as plain values."""
    rows = json.loads(ls("--json"))
    assert [row["run"] for row in rows] == [entry["id"] for entry in entries]
    assert list(rows[0]) == ["run", "name", "state", "created", "job", "attempts", "loss"]
    assert rows[0]["attempts"] == 1 and rows[0]["loss"] == entries[0]["results"].get("final_loss")


@pytest.mark.parametrize(
    ("words", "is_so"),
    [
        (["lr=1e-4"], lambda e: e["config"]["lr"] == 1e-4),
        (["optim.lr>=0.0005"], lambda e: e["config"]["optim"]["lr"] >= 5e-4),
        (["rank<32", "state!=failed"], lambda e: e["config"]["rank"] < 32 and e["state"] != "failed"),
        (["lora.targets=q_proj"], lambda e: True),
        (["tag=good"], lambda e: "good" in e["tags"]),
        (["state=failed"], lambda e: e["state"] == "failed"),
        (["loss<1"], lambda e: e["results"].get("final_loss", 9) < 1),
        (["results.final_loss="], lambda e: "final_loss" not in e["results"]),
        (["name=试验"], lambda e: e["name"] == "试验"),
        (["--sweep", "sweep-0"], lambda e: e["sweep"] == "sweep-0"),
        (["created>2026-03-01T02:00:00+00:00"], lambda e: e["created"] > "2026-03-01T02:00:00+00:00"),
        (["launch.nodes=1", "seed=42"], lambda e: True),
        (["lr=7"], lambda e: False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_filters(ls, entries, words, is_so):
    """Conditions on keys of the record and of the configuration, all of which have to hold."""
    assert found(ls, *words) == [entry["id"] for entry in entries if is_so(entry)]


def test_sorted_and_limited(ls, entries):
    """By a key either way, runs without it last; the first of what is sorted, or the newest."""
    lost = [e["id"] for e in entries if "final_loss" not in e["results"]]
    there = sorted(
        (e for e in entries if "final_loss" in e["results"]), key=lambda e: e["results"]["final_loss"]
    )
    ids = [e["id"] for e in there]
    assert found(ls, "--sort", "loss") == ids + lost
    assert found(ls, "--sort", "-loss") == ids[::-1] + lost
    assert found(ls, "--sort=-loss", "--limit", "3") == ids[::-1][:3]
    assert found(ls, "--limit", "3") == [e["id"] for e in entries[-3:]]


def test_columns(ls):
    """These columns, or these beside the usual ones, under the names by which they were asked for."""
    assert list(json.loads(ls("--json", "--columns", "lr,optim.schedule"))[0]) == ["lr", "optim.schedule"]
    more = list(json.loads(ls("--json", "--columns", "+rank,host"))[0])
    assert more[-2:] == ["rank", "host"] and len(more) == 9


def test_what_a_plan_expects_is_a_column_of_runs_without_a_card(ls):
    """Empty, as docs/plan.md asks for it; what no run ever has is wrong all the same."""
    rows = json.loads(ls("--columns", "run,results.predicted.peak_memory_gib", "--json"))
    assert len(rows) == 40 and {row["results.predicted.peak_memory_gib"] for row in rows} == {None}


def test_csv(ls, entries):
    """Comma-separated values with a header, quotes where they are needed, and the RFC's line ends."""
    text = ls("--csv", "--columns", "run,overrides,loss,name")
    assert text.startswith("run,overrides,loss,name\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["run"] for row in rows] == [entry["id"] for entry in entries]
    assert rows[0]["overrides"] == ", ".join(entries[0]["overrides"])


def test_no_number_is_null(tmp_path, runs, capsys):
    """A loss that is no number is JSON's null, not a word that no parser takes."""
    entry = json.loads(next(runs.glob("*/*/record.json")).read_text())
    entry["results"]["final_loss"] = float("nan")
    records.write(tmp_path, iter([entry]))
    assert main(["ls", "--json", "--runs-dir", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)[0]["loss"] is None


def test_table_in_a_pipe(ls, entries):
    """Whole ids, however narrow the screen, without colours; Chinese keeps the columns straight."""
    text = ls("--columns", "name,run")
    lines = [line for line in text.splitlines() if "2026" in line]
    assert [line.split()[-1] for line in lines] == [entry["id"] for entry in entries]
    assert "\x1b" not in text
    wide = next(line for line in lines if "试验" in line)
    assert wide.index("│") == lines[0].index("│") - 2


def test_long_table_is_the_same(ls, monkeypatch):
    """So many rows that they are plain lines hold the same cells."""
    short = [[cell.strip() for cell in line.split("│")] for line in ls().splitlines() if "2026" in line]
    monkeypatch.setattr("ftcore.cli.rows.LONG", 3)
    long = [line.split() for line in ls().splitlines()[1:]]
    assert long == [[cell for cell in row if cell] for row in short]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optim.lrr=1"], "did you mean optim.lr?"),
        (["--columns", "+looss"], "did you mean loss?"),
        (["--sort", "-creatd"], "did you mean created?"),
        (["quickstart"], "is no filter"),
        (["lr<small"], "small is none"),
        (["dtype=bf16"], "more than one key"),
        (["--limit", "0"], "1 or more"),
        (["--limit", "x"], "--limit: x is no whole number"),
        (["--sort"], "--sort: needs a value"),
        (["--csv", "--json"], "not beside"),
        (["--colums", "lr"], "did you mean --columns?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_request(wrong, words, told):
    """What cannot be meant is told, with what may have been."""
    assert told in wrong(*words)


def test_everything_wrong_at_once(wrong):
    """All mistakes of a command line in one answer."""
    told = wrong("nonsense", "lrr=1", "--columns", "rnk", "--sort", "-creatd", "--limit", "-1")
    assert all(word in told for word in ("nonsense", "lrr", "rnk", "creatd", "--limit"))


def test_no_runs_yet(tmp_path, capsys):
    """Where there are no runs no key can be wrong."""
    for words in ([], ["lr=1", "--columns", "+rank", "--sort", "loss"]):
        assert main(["ls", "--runs-dir", str(tmp_path), *words]) == 0
        assert "no runs under" in capsys.readouterr().out
    assert main(["ls", "--json", "--runs-dir", str(tmp_path), "lr=1"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_none_is_so(ls):
    """Runs, but none that is asked for, is told as that."""
    assert "none of the 40 runs" in ls("lr=7")
