"""`deploy=oneapi`: the channel it makes, what it refuses, and what is left after a failure."""

import json
import os
from pathlib import Path

import pytest

from ftcore.deploy.oneapi.channel import RUN, base_url
from tests.fixtures.deployed import Deploying
from tests.fixtures.one_api import EMPTY, OneApi, serving, upstream
from tests.fixtures.served_runs import folders

KEY, NEWER = "sk-upstream", "20261125-2"


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return Deploying(folders(tmp_path_factory.mktemp("oneapi")), "oneapi")


@pytest.fixture
def one_api(monkeypatch):
    with serving(OneApi()) as server:
        monkeypatch.setenv("ONEAPI_ACCESS_TOKEN", server.token)
        monkeypatch.setenv("ONEAPI_CHANNEL_KEY", KEY)
        yield server


@pytest.fixture
def model():
    with upstream("x") as url:
        yield url


@pytest.fixture
def deploy(target, one_api, model, tmp_path, monkeypatch):
    """The target, pointed at the two servers."""
    monkeypatch.chdir(tmp_path)
    there = {"server": one_api.url, "upstream": f"{model}/v1"}
    monkeypatch.setattr(target, "settings", target.settings.model_copy(update=there))
    return target


def test_a_channel_is_made_and_tested(deploy, one_api, model):
    """The channel points at the upstream without /v1, holds the key, and answered a test."""
    code, told = deploy.make()
    assert code == 0, told
    assert deploy.up.facts["reply"] == "I am x" and deploy.up.facts["url"] == f"{one_api.url}/v1"
    (channel,) = one_api.channels.values()
    assert channel["base_url"] == model and channel["key"] == KEY and channel["models"] == "x"
    assert channel["name"] == "ftcore-x" and channel["model_mapping"] == "{}" and channel["type"] == 8
    assert [(one["what"], one["name"], one["id"]) for one in deploy.state().made] == [
        ("channel", "ftcore-x", 1)
    ]


def test_secrets_stay_out_of_everything_written_and_said(deploy, one_api):
    """Neither the access token nor the key is in the output, the preview or any file of the run."""
    said = deploy.preview() + deploy.make()[1]
    written = [file.read_text("latin-1") for file in Path("runs").rglob("*") if file.is_file()]
    assert not [text for text in [said, *written] if one_api.token in text or KEY in text]


def test_a_newer_run_updates_the_channel_and_the_older_one_leaves_it(deploy, one_api):
    """Re-deploying changes the one channel; taking back the run before then does not remove it."""
    deploy.make()
    code, told = deploy.make(NEWER, priority=3)
    assert code == 0 and "is updated" in told
    (channel,) = one_api.channels.values()
    assert json.loads(channel["config"])[RUN] == "x/20261125-2" and channel["priority"] == 3
    code, told = deploy.down()
    assert code == 0 and "no longer this run's" in told and one_api.channels and not deploy.state().made
    assert deploy.down(NEWER)[0] == 0
    assert not one_api.channels and not deploy.state(NEWER).made


def test_the_same_again_changes_nothing(deploy, one_api):
    """A second deployment finds its channel beyond the first page and leaves it as it is."""
    deploy.make()
    for number in range(2, 25):
        one_api.channels[number] = one_api.channels[1] | {
            "id": number, "name": f"n{number}", "models": f"m{number}", "config": "",
        }  # fmt: skip
    before = json.dumps(one_api.channels)
    code, told = deploy.make()
    assert code == 0 and "is as it was" in told and json.dumps(one_api.channels) == before


def test_a_mapping_goes_away_with_the_next_update(deploy, one_api):
    """One-API ignores empty fields of an update, so that no mapping is written as {}."""
    with upstream("theirs") as other:
        code, _ = deploy.make(upstream_model="theirs", upstream=other)
        assert code == 0 and one_api.channels[1]["model_mapping"] == '{"x": "theirs"}'
    assert deploy.make()[0] == 0 and one_api.channels[1]["model_mapping"] == "{}"


@pytest.mark.parametrize(("kind", "url"), [(1, "http://a:1"), (8, "http://a:1"), (50, "http://a:1/v1")])
def test_the_address_is_what_the_type_wants(kind, url):
    """/v1 is there for type 50 alone, however it was typed."""
    assert {
        base_url(typed, kind) for typed in ("http://a:1", "http://a:1/", "http://a:1/v1", "http://a:1/v1/")
    } == {url}


def test_type_50_is_served(deploy, one_api):
    """The address of an OpenAI-compatible channel keeps its /v1."""
    assert deploy.make(channel_type=50)[0] == 0


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("ONEAPI_CHANNEL_KEY", "", "still answers success"),
        ("ONEAPI_CHANNEL_KEY", None, "still answers success"),
        ("ONEAPI_CHANNEL_KEY", "a\nb", "more than one line"),
        ("ONEAPI_ACCESS_TOKEN", None, "is not set"),
        ("ONEAPI_ACCESS_TOKEN_FILE", "/nowhere", "cannot be read"),
    ],
)
def test_secrets_that_are_wrong(deploy, one_api, monkeypatch, name, value, part):
    """What One-API would take in silence is refused before anything is sent."""
    if name.endswith("_FILE"):
        monkeypatch.delenv("ONEAPI_ACCESS_TOKEN")
    monkeypatch.setenv(name, value) if value is not None else monkeypatch.delenv(name)
    code, told = deploy.make()
    assert code == 2 and part in told and not one_api.requests and not deploy.state().made


def test_secrets_from_files(deploy, one_api, monkeypatch, tmp_path):
    """NAME_FILE names a file with the secret."""
    for name, text in (("ONEAPI_ACCESS_TOKEN", one_api.token), ("ONEAPI_CHANNEL_KEY", KEY)):
        (tmp_path / name).write_text(f"{text}\n")
        monkeypatch.delenv(name)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    assert deploy.make()[0] == 0


def test_a_refused_token_is_an_error_though_the_answer_is_200(deploy, one_api, monkeypatch):
    """What went wrong is read from the body."""
    monkeypatch.setenv("ONEAPI_ACCESS_TOKEN", "wrong")
    code, told = deploy.make()
    assert code == 1 and "access token 无效" in told and not one_api.channels


def test_the_default_login_is_refused(deploy, one_api):
    """A server that lets in root with 123456 gets no channel."""
    one_api.password = "123456"
    code, told = deploy.make()
    assert code == 2 and "first password" in told and not one_api.channels


def test_too_many_logins_are_told(deploy, one_api):
    """A server that takes no more logins cannot be examined, and says so."""
    one_api.logins = 20
    code, told = deploy.make()
    assert code == 1 and "no more logins" in told and not one_api.channels


def test_a_server_that_is_down(deploy):
    """Nobody listens: the address and the reason, exit 1."""
    code, told = deploy.make(server="http://127.0.0.1:9")
    assert code == 1 and "http://127.0.0.1:9: no answer" in told and not deploy.state().made


def test_another_server(deploy, model):
    """A server that is no One-API is not taken for one."""
    code, told = deploy.make(server=model)
    assert code == 1 and "is no One-API" in told


def test_success_without_a_channel_is_a_failure(deploy, one_api, monkeypatch):
    """One-API's word is not taken: the channel is looked for."""
    monkeypatch.setattr(one_api, "_add", lambda body: {"success": True, "message": ""})
    code, told = deploy.make()
    assert code == 1 and "made no channel" in told and not deploy.state().made


@pytest.mark.parametrize(
    ("theirs", "key"),
    [
        ({"name": "ftcore-x", "models": "other"}, "deploy.channel"),
        ({"name": "b", "models": "a,x"}, "deploy.model_name"),
    ],
)
def test_what_is_somebody_elses(deploy, one_api, theirs, key):
    """A channel of that name, or one that serves the model to the same group, is not ours to change."""
    one_api.channels[7] = {**EMPTY, **theirs, "id": 7, "key": "k"}
    code, told = deploy.make()
    assert code == 2 and key in told and "channel 7" in told and list(one_api.channels) == [7]


@pytest.mark.parametrize("other", [{"group": "vip"}, {"status": 2}, {"models": "xy"}])
def test_what_is_not_in_the_way(deploy, one_api, other):
    """Another group, a disabled channel or a longer name do not clash."""
    theirs = {"name": "b", "models": "x"} | other
    one_api.channels[7] = {**EMPTY, **theirs, "id": 7, "key": "k"}
    assert deploy.make()[0] == 0


def test_a_channel_that_fails_its_test_does_not_stay(deploy, one_api, monkeypatch):
    """The upstream's refusal is told, and nothing is left on the server or in the state."""
    monkeypatch.setenv("ONEAPI_CHANNEL_KEY", "sk-wrong")
    code, told = deploy.make()
    assert code == 1 and "wrong key" in told and "kept: no channel" in told
    assert not one_api.channels and not deploy.state().made


def test_an_update_that_fails_its_test_is_put_back(deploy, one_api):
    """The channel points again where it did, and is still the older run's."""
    deploy.make()
    before = {name: value for name, value in one_api.channels[1].items() if name != "key"}
    code, told = deploy.make(NEWER, upstream="http://127.0.0.1:9")
    assert code == 1 and "as it was before (x/20261124-1)" in told
    assert {name: value for name, value in one_api.channels[1].items() if name != "key"} == before
    assert deploy.state().made and not deploy.state(NEWER).made


def test_down_without_anything(deploy, one_api):
    """Nothing made, nothing taken back; no secret is needed for it."""
    os.environ.pop("ONEAPI_ACCESS_TOKEN")
    assert deploy.down() == (0, "nothing of this run is in One-API\n")
