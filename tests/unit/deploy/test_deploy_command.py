"""`ftcore deploy`: what it serves and where, what it refuses, and what it leaves."""

import json
import os
import shutil
import socket
import sys
import threading
import types
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ftcore.cli.main import main
from ftcore.config.errors import RequestError, WorkError
from ftcore.config.groups import conf_dir
from ftcore.deploy import settings, target
from ftcore.deploy.target import State, Up
from ftcore.runs import record
from ftcore.runs.files import write_json
from tests.fixtures.served_runs import folders, small_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return folders(tmp_path_factory.mktemp("deploy"))


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """A completed run with a merged model, in the folder that commands start in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FTCORE_API_KEY", raising=False)
    return small_run(replace(made, runs=Path("runs").absolute()))


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


@pytest.fixture
def upstream():
    """A server that lists one model."""

    class Models(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"data": [{"id": "theirs"}]} if self.path == "/v1/models" else {}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Models) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def refused(capsys, *words) -> str:
    """What a wrong request is told; nothing is made and nothing is printed for a program to read."""
    assert main(["deploy", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "the request is wrong" in err and "Traceback" not in err
    return err


def test_settings_are_the_runs(run):
    """`${name}` is the run's; without a choice it is openai; overrides are typed and checked."""
    e = settings.experiment(run, [])
    assert (e.deploy.kind, e.deploy.model_name, e.deploy.port) == ("openai", "quickstart", 8000)
    e = settings.experiment(run, ["deploy.port=9", "deploy=openai", "deploy.model_name=模型-1"])
    assert (e.deploy.port, e.deploy.model_name) == (9, "模型-1")
    assert e.model == settings.experiment(run, []).model


def test_a_run_that_says_where(made, tmp_path):
    """Its own choice is taken where none is typed, and single keys change it."""
    own = {"kind": "openai", "model_name": "own", "host": "0.0.0.0", "port": 9, "upstream": None,
           "upstream_model": None, "tools": "agent_flan", "thoughts": "drop", "max_tokens": 5,
           "device": "cpu", "dtype": "bf16"}  # fmt: skip
    run = small_run(replace(made, runs=tmp_path / "runs"), config={"deploy": own})
    assert settings.experiment(run, []).deploy.model_dump() == own
    assert settings.experiment(run, ["deploy.port=10"]).deploy.model_dump() == own | {"port": 10}
    assert settings.experiment(run, ["deploy=openai"]).deploy.model_name == "quickstart"


def test_an_older_run(run):
    """One of a version without the group is served like any other."""
    text = run.config.read_text()
    run.config.write_text(text.replace("deploy:\n  kind: none\n", ""))
    assert "\ndeploy:" not in run.config.read_text()
    assert settings.experiment(run, []).deploy.kind == "openai"


def test_everything_wrong_at_once(run, capsys):
    """Keys of other groups, unknown keys, unknown targets, wrong values."""
    err = refused(capsys, "last", "lr=3", "deploy.prot=4", "deploy.max_tokens=0", "deploy.upstream=ftp://x")
    for expected in ("lr: the run is finished", "did you mean deploy.port?", "deploy.max_tokens: ",
                     "deploy.upstream: "):  # fmt: skip
        assert expected in err
    assert "did you mean openai?" in refused(capsys, "last", "deploy=openia")
    assert "deploy: none is nowhere" in refused(capsys, "last", "deploy=none")


@pytest.mark.parametrize("words", [[], ["a", "b"], ["deploy.port=1"]])
def test_one_run_is_needed(run, capsys, words):
    """No run, or two."""
    assert "RUN: one run is needed" in refused(capsys, *words)


def test_an_unknown_run(run, capsys):
    """With those that there are, and with what else is wrong."""
    err = refused(capsys, "nine", "deploy.prot=4")
    assert "nine: no such run under runs" in err and run.id in err
    assert "deploy.prot: no such key" in err


def test_a_run_without_a_merged_model(run, capsys):
    """The reason, and nothing is made."""
    shutil.rmtree(run.merged)
    write_json(run.record, record.read(run) | {"state": "failed"})
    err = refused(capsys, "last")
    assert "has no merged/" in err and "is failed" in err
    assert not (run.path / "deploy").exists()


def test_print_starts_nothing(run, capsys):
    """--print says what would be done, for people, and leaves nothing."""
    assert main(["deploy", "last", "--print", "deploy.port=8123", "deploy.model_name=mine"]) == 0
    out = capsys.readouterr().out
    assert "http://127.0.0.1:8123/v1" in out and str(run.merged) in out and "function_calls" in out
    assert out.rstrip().splitlines()[-1].startswith("curl http://127.0.0.1:8123/v1/chat/completions")
    assert not (run.path / "deploy").exists()


def test_a_port_in_use(run, capsys, taken):
    """It is named before anything is loaded."""
    err = refused(capsys, "last", f"deploy.port={taken}")
    assert f"deploy.port: port {taken} of 127.0.0.1 is not to be had" in err


def test_no_address_of_this_machine(run, capsys):
    """A host that is none, and one that is somebody else's."""
    assert "deploy.host: no.such.host.invalid" in refused(capsys, "last", "deploy.host=no.such.host.invalid")
    assert "192.0.2.1 is not to be had" in refused(capsys, "last", "deploy.host=192.0.2.1")


def test_an_upstream_that_is_not_there(run, capsys):
    """The address and why; native tools are an upstream's alone."""
    err = refused(capsys, "last", "deploy.upstream=http://127.0.0.1:9/v1")
    assert "deploy.upstream: http://127.0.0.1:9/v1 does not answer" in err
    assert "deploy.tools: native" in refused(capsys, "last", "deploy.tools=native", "--print")


def test_an_upstream_of_another_kind(run, capsys, upstream):
    """One that lists no models, and one that has others."""
    assert "no list of models" in refused(capsys, "last", f"deploy.upstream={upstream}/v2")
    err = refused(capsys, "last", f"deploy.upstream={upstream}/v1")
    assert "deploy.upstream_model: " in err and "allowed: theirs" in err
    assert (
        main(["deploy", "last", f"deploy.upstream={upstream}/v1", "deploy.upstream_model=theirs", "--print"])
        == 0
    )
    assert f"{upstream}/v1 (model theirs)" in capsys.readouterr().out


def test_down_without_a_server(run, capsys):
    """Nothing was made, nothing is taken back; a server that is gone is forgotten."""
    assert main(["deploy", "last", "--down", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"run": run.id, "target": "openai", "ended": []}
    state = State.of(run, "openai")
    state.add("server process", "1", pid=os.getpid(), host=os.uname().nodename, began=1.0, url="x")
    assert main(["deploy", "last", "--down", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ended"] == [] and not state.path.parent.exists()


def test_down_on_another_machine(run, capsys):
    """A process of another host is not this one's to end, and stays written down."""
    State.of(run, "openai").add("server process", "7", pid=7, host="elsewhere", began=1.0, url="x")
    assert main(["deploy", "last", "--down"]) == 1
    err = capsys.readouterr().err
    assert "runs on elsewhere" in err and "kept: server process 7" in err
    assert State.of(run, "openai").made


def test_the_state_is_what_was_made(run):
    """Effects in order, the file gone with the last one."""
    state = State.of(run, "xinference")
    assert state.made == [] and str(state) == ""
    state.add("registration", "llama", url="u")
    state.add("model", "llama-1")
    assert str(state) == "registration llama, model llama-1"
    first, second = State.of(run, "xinference").made
    state.remove(second)
    assert State.of(run, "xinference").made == [first]
    state.remove(first)
    assert not state.path.parent.exists()


@pytest.fixture
def halting(monkeypatch):
    """A target that makes one thing and fails at the next; the real ones need their services."""
    module = types.ModuleType("halting_target")

    def up(served, settings, state, console):
        state.add("channel", served.model_name)
        raise WorkError("the second step failed")

    module.problems = lambda served, settings: []
    module.up = up
    monkeypatch.setitem(sys.modules, "halting_target", module)
    monkeypatch.setitem(target.MODULES, "openai", "halting_target")
    return module


def test_a_failure_says_what_was_made(run, capsys, halting):
    """What is there already, and the command that takes it back."""
    assert main(["deploy", "last"]) == 1
    err = capsys.readouterr().err
    assert "the second step failed" in err and "kept: channel quickstart" in err
    assert f"goes on with: python -m ftcore deploy {run.id} deploy=openai --down" in err


def test_json_is_what_is_served(run, capsys, halting):
    """One object, printed when it is served and before it ends."""
    printed = []
    halting.up = lambda *args: Up({"url": "u", "model": "m"}, lambda: printed.append(capsys.readouterr().out))
    assert main(["deploy", "last", "--json"]) == 0
    assert json.loads(printed[0]) == {"run": run.id, "target": "openai", "url": "u", "model": "m"}


def test_modules_are_those_of_the_group():
    """Every choice of the group but none has its module."""
    choices = {file.stem for file in (conf_dir() / "deploy").glob("[!_]*.yaml")}
    assert choices == {*target.MODULES, "none"}


def test_the_runs_own_keys_stay(run):
    """Where a model is served changes nothing else of the run's experiment."""
    with pytest.raises(RequestError, match="a group cannot be left out"):
        settings.experiment(run, ["~deploy"])
