"""`deploy=stack`: the compose file, its secrets, and what happens the second time."""

import json
import re
import socket
import stat
from pathlib import Path

import pytest
import yaml

from ftcore.deploy.stack.compose import SECRETS, compose, missing_secrets, read_env
from tests.fixtures.deployed import Deploying
from tests.fixtures.served_runs import folders

NEWER = "20261125-2"
REFERENCE = re.compile(r"\$\{(\w+):\?[^}]*\}")


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return Deploying(folders(tmp_path_factory.mktemp("stack")), "stack")


@pytest.fixture
def deploy(target, tmp_path, monkeypatch):
    """The target, with ports that nobody listens on."""
    monkeypatch.chdir(tmp_path)
    free = {name: _free() for name in ("fastgpt_port", "oneapi_port", "xinference_port")}
    monkeypatch.setattr(target, "settings", target.settings.model_copy(update=free))
    return target


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def services(deploy) -> dict:
    return compose(deploy.settings, "/runs/x/merged")["services"]


def test_what_is_written(deploy):
    """Compose file, secrets for the owner alone, and FastGPT's configuration with the model in it."""
    code, told = deploy.make()
    assert code == 0, told
    assert stat.S_IMODE(Path("stack/.env").stat().st_mode) == 0o600
    assert json.loads(Path("stack/config.json").read_text())["llmModels"][0]["model"] == "x"
    written = yaml.safe_load(Path("stack/compose.yaml").read_text())
    assert written["services"] == services(deploy) | {"xinference": written["services"]["xinference"]}
    assert "docker compose -f" in told and "up -d" in told


def test_no_secret_is_anywhere_but_in_env(deploy):
    """Neither said nor in the compose file, the state or FastGPT's configuration."""
    _, told = deploy.make()
    env = read_env(Path("stack/.env").read_text())
    others = [told, deploy.preview(), deploy.state().path.read_text()]
    others += [Path("stack", name).read_text() for name in ("compose.yaml", "config.json")]
    assert {*env} == {*SECRETS} and len({*env.values()}) == len(env)
    assert not [value for value in env.values() for text in others if value in text]


def test_secrets_are_what_the_services_take():
    """One-API: a password of at most 20 characters, a token of exactly 32, one of 48 without a hyphen."""
    new = missing_secrets({}, lambda digits: "f" * digits)
    assert len(new["ONEAPI_ROOT_PASSWORD"]) <= 20 and len(new["ONEAPI_ACCESS_TOKEN"]) == 32
    assert len(new["ONEAPI_TOKEN"]) == 48 and 6 <= len(new["MONGO_KEY"]) <= 1024


def test_every_password_is_a_reference_that_may_not_be_empty(deploy):
    """No service holds a password of its own, and compose refuses to start without one."""
    text = json.dumps(services(deploy))
    assert {*REFERENCE.findall(text)} == {*SECRETS} - {"XINFERENCE_PASSWORD"}
    assert "123456" not in text and "1234" not in REFERENCE.sub("", text)
    for service in services(deploy).values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSW|PSW|SECRET|TOKEN|_KEY$", name):
                assert REFERENCE.search(value), name


def test_services_wait_for_each_other(deploy):
    """FastGPT starts once the databases answer and One-API's first password is gone; waits lead somewhere."""
    found = services(deploy)
    for name, service in found.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in found[other], (name, other)
            if how["condition"] == "service_completed_successfully":
                assert found[other]["restart"] == "on-failure", (name, other)
    waits = found["fastgpt"]["depends_on"]
    assert {"pg", "mongo", "mongo_replica_set", "oneapi_password"} <= {*waits}
    lasting = [name for name, service in found.items() if service["restart"] == "unless-stopped"]
    assert all("healthcheck" in found[name] for name in lasting)


def test_ports_are_right_and_local(deploy):
    """Inner ports are what the services listen on; databases are not opened; nothing but loopback is."""
    found, ports = services(deploy), deploy.settings
    assert found["xinference"]["ports"] == [f"127.0.0.1:{ports.xinference_port}:9997"]
    assert found["xinference"]["command"][-2:] == ["--port", "9997"]
    assert found["oneapi"]["ports"] == [f"127.0.0.1:{ports.oneapi_port}:3000"]
    assert found["fastgpt"]["ports"] == [f"127.0.0.1:{ports.fastgpt_port}:3000"]
    assert not [name for name in ("pg", "mongo", "mysql", "sandbox") if "ports" in found[name]]
    assert found["fastgpt"]["environment"]["OPENAI_BASE_URL"] == "http://oneapi:3000/v1"


def test_images_have_versions(deploy):
    """Every image says which one it is."""
    assert all(re.search(r":v?\d", service["image"]) for service in services(deploy).values())


def test_cards_are_asked_for_where_there_are_some(deploy):
    """gpus=none leaves the reservation out, on which a machine without cards fails."""
    assert "deploy" in services(deploy)["xinference"]
    none = compose(deploy.settings.model_copy(update={"gpus": "none"}), "/m")
    assert "deploy" not in none["services"]["xinference"]


def test_the_second_time_keeps_secrets_and_changes(deploy):
    """A newer run takes its place; the databases' passwords stay, and what somebody added to config.json."""
    deploy.make()
    env, config = Path("stack/.env").read_text(), json.loads(Path("stack/config.json").read_text())
    Path("stack/config.json").write_text(json.dumps(config | {"mine": 1}))
    with socket.socket() as ours:  # its own containers listen
        ours.bind(("127.0.0.1", deploy.settings.fastgpt_port))
        ours.listen()
        code, told = deploy.make(NEWER)
    assert code == 0, told
    assert Path("stack/.env").read_text() == env
    after = json.loads(Path("stack/config.json").read_text())
    assert after["mine"] == 1 and after["llmModels"][0]["ftcoreRun"] == f"x/{NEWER}"
    assert [*Path("stack").glob("config.json.*.bak")]


def test_down_removes_its_files_and_leaves_changed_ones(deploy):
    """What somebody changed since is left; a stack that still answers is not taken from under it."""
    deploy.make()
    with socket.socket() as one:
        one.bind(("127.0.0.1", deploy.settings.oneapi_port))
        one.listen()
        code, told = deploy.down()
        assert code == 1 and "still answers" in told and "down" in told
    Path("stack/config.json").write_text("{}")
    code, told = deploy.down()
    assert code == 0 and "changed since" in told and not deploy.state().made
    assert sorted(path.name for path in Path("stack").iterdir()) == [".env", "config.json"]


def test_secrets_outlive_the_rest(deploy):
    """The databases' data keeps its passwords, so that --down and a new start must find the same ones."""
    deploy.make()
    before = Path("stack/.env").read_text()
    code, told = deploy.down()
    assert code == 0 and "kept" in told and [path.name for path in Path("stack").iterdir()] == [".env"]
    assert deploy.make(NEWER)[0] == 0 and Path("stack/.env").read_text() == before


@pytest.mark.parametrize("name", [".env", "config.json"])
def test_somebody_elses_file_is_left_alone(deploy, name):
    """A file of that name that is not ftcore's is neither read for secrets nor changed."""
    Path("stack").mkdir()
    Path("stack", name).write_text("{}")
    code, told = deploy.make()
    assert code == 2 and f"holds {name}" in told and Path("stack", name).read_text() == "{}"


def test_a_port_in_use_is_refused(deploy):
    """Each port that somebody listens on is named, and nothing is written."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", deploy.settings.oneapi_port))
        one.listen()
        code, told = deploy.make()
    assert code == 2 and "deploy.oneapi_port" in told and "in use" in told and not Path("stack").exists()


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"oneapi_port": 3000, "fastgpt_port": 3000}, "deploy.oneapi_port"),
        ({"version": "4.8.23"}, "deploy.version"),
        ({"version": "4.8.6"}, "deploy.images.fastgpt"),
        ({"folder": "file"}, "deploy.folder"),
        ({"folder": "theirs"}, "deploy.folder"),
    ],
)
def test_requests_that_are_refused(deploy, changed, key):
    """Each with its key, and nothing written."""
    Path("file").write_text("")
    Path("theirs").mkdir()
    Path("theirs/compose.yaml").write_text("services: {}\n")
    code, told = deploy.make(**changed)
    assert code == 2 and key in told and not Path("stack").exists() and not deploy.state().made


def test_latest_is_refused(deploy):
    """latest is no version."""
    images = deploy.settings.images.model_copy(update={"pg": "pgvector/pgvector:latest"})
    code, told = deploy.make(images=images)
    assert code == 2 and "deploy.images.pg" in told
