"""`deploy=stack`'s compose file, read by programs that read compose files; its scripts, by a shell."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ftcore.deploy.oneapi.server import default_login_works
from ftcore.deploy.stack.compose import SECRETS, read_env
from tests.fixtures.deployed import Deploying
from tests.fixtures.one_api import OneApi, serving
from tests.fixtures.own_environment import environment
from tests.fixtures.served_runs import folders
from tests.fixtures.xinference import free_port, plain

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
REQUIREMENTS = Path(__file__).with_name("compose-requirements.txt")
SHELLS = ("bash", "sh")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder as the command writes it."""
    path = tmp_path_factory.mktemp("stack")
    deploying = Deploying(folders(path), "stack")
    ports = {name: free_port() for name in ("fastgpt_port", "oneapi_port", "xinference_port")}
    before = Path.cwd()
    os.chdir(path)
    try:
        code, told = deploying.make(folder=str(path / "stack"), **ports)
    finally:
        os.chdir(before)
    assert code == 0, told
    return path / "stack"


@pytest.fixture(scope="module")
def programs() -> Path:
    """Where the readers are installed."""
    return environment(REQUIREMENTS).parent


@pytest.fixture(scope="module")
def config(folder, programs, tmp_path_factory):
    """The file as podman-compose understands it, with a function that reads it under another .env."""
    # It asks podman for its version before it does anything; reading needs no container program.
    podman = tmp_path_factory.mktemp("bin") / "podman"
    podman.write_text("#!/bin/sh\necho podman version 5.0.0\n")
    podman.chmod(0o755)
    path = f"{podman.parent}:{os.environ['PATH']}"

    def read(env: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(programs / "podman-compose"), "-f", str(folder / "compose.yaml")]
        command += ["--env-file", env] if env else []
        return subprocess.run(
            [*command, "config"],
            cwd=folder,
            env=plain() | {"PATH": path},
            text=True,
            capture_output=True,
            check=False,
        )

    return read


def test_the_specification_takes_it(folder, programs):
    """The compose specification's own schema has nothing to say."""
    schema = [str(programs / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*schema, str(folder / "compose.yaml")], text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_implementation_fills_in_the_secrets(folder, config):
    """What a container gets is what .env holds, in the places where it belongs."""
    done = config()
    assert done.returncode == 0, done.stderr
    found, env = yaml.safe_load(done.stdout), read_env((folder / ".env").read_text())
    services = {
        name: service["environment"]
        for name, service in found["services"].items()
        if "environment" in service
    }
    assert services["fastgpt"]["CHAT_API_KEY"] == f"sk-{env['ONEAPI_TOKEN']}"
    assert env["MYSQL_PASSWORD"] == services["mysql"]["MYSQL_PASSWORD"]
    assert f":{env['MYSQL_PASSWORD']}@tcp(mysql:3306)" in services["oneapi"]["SQL_DSN"]
    assert f":{env['MONGO_PASSWORD']}@mongo:27017" in services["fastgpt"]["MONGODB_URI"]
    assert not [text for text in done.stdout.splitlines() if "?is in .env" in text]


def test_no_secret_no_start(config, tmp_path):
    """Without one of them the file is refused, instead of starting with an empty password."""
    env = tmp_path / "env"
    env.write_text("".join(f"{name}=x\n" for name in SECRETS if name != "MONGO_PASSWORD"))
    done = config(str(env))
    assert done.returncode != 0 and "MONGO_PASSWORD" in done.stderr + done.stdout


def test_the_first_password_is_changed(folder, config):
    """The container's script, run here against One-API's interface: the first login no longer works."""
    service = yaml.safe_load(config().stdout)["services"]["oneapi_password"]
    env = {name: str(value) for name, value in service["environment"].items()}
    with serving(OneApi(token=env["ONEAPI_ACCESS_TOKEN"], password="123456")) as one_api:
        assert default_login_works(one_api.url)
        shell, flag, script = service["entrypoint"]
        command = script.replace("$$", "$").replace("http://oneapi:3000", one_api.url)
        done = subprocess.run([shell, flag, command], env=plain() | env, capture_output=True, check=False)
        assert done.returncode == 0 and not default_login_works(one_api.url), done
        assert one_api.password == read_env((folder / ".env").read_text())["ONEAPI_ROOT_PASSWORD"]


def test_its_scripts_are_right_for_a_shell(config):
    """Every script in the file parses, after compose has made one $ of two."""
    found = yaml.safe_load(config().stdout)["services"]
    scripts = [
        service["entrypoint"] for service in found.values() if service.get("entrypoint", [""])[0] in SHELLS
    ]
    scripts += [
        ["sh", "-c", service["healthcheck"]["test"][1]]
        for service in found.values()
        if service.get("healthcheck", {}).get("test", [""])[0] == "CMD-SHELL"
    ]
    assert len(scripts) == 6
    for shell, _, script in scripts:
        done = subprocess.run(
            [shell, "-n", "-c", script.replace("$$", "$")], capture_output=True, check=False
        )
        assert done.returncode == 0, (script, done.stderr)
