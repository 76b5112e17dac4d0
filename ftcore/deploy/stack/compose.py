"""The compose file and its secrets. Pure.

After `docker-compose-pgvector.yml` of labring/FastGPT 4.8.5, with what that leaves open: no password in the
file, none that is known, databases that nobody outside reaches, services that wait for each other, the
replica set made once the final mongod answers, and One-API's first password changed before FastGPT starts.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from ftcore.config.schema import Stack

SECRETS = {
    "PG_PASSWORD": 32, "MONGO_PASSWORD": 32, "MONGO_KEY": 256, "MYSQL_ROOT_PASSWORD": 32,
    "MYSQL_PASSWORD": 32, "ONEAPI_SESSION_SECRET": 32, "ONEAPI_ROOT_PASSWORD": 20,
    "ONEAPI_ACCESS_TOKEN": 32, "ONEAPI_TOKEN": 48, "FASTGPT_ROOT_PASSWORD": 20, "FASTGPT_TOKEN_KEY": 32,
    "FASTGPT_ROOT_KEY": 32, "FASTGPT_FILE_TOKEN_KEY": 32, "XINFERENCE_PASSWORD": 20,
}  # fmt: skip
"""Name -> length in hexadecimal digits. One-API takes a password of 8 to 20 characters, an access token of
exactly 32, and a token of 48 without a hyphen."""

MONGO = 'mongo --quiet -u root -p "$$MONGO_PASSWORD" --authenticationDatabase admin'
REPLICA_SET = (
    "var s; try { s = rs.status() } catch (e) { s = { ok: 0 } }"
    ' if (!s.ok) { rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] }) }'
)
NODE = "require('http').get('http://' + require('os').hostname() + ':3000', () => process.exit(0))"
HEALTH = {"interval": "10s", "timeout": "5s", "retries": 12, "start_period": "30s"}


def missing_secrets(env: dict[str, str], new: Callable[[int], str]) -> dict[str, str]:
    """Secrets that `env` lacks, made by `new(hexadecimal digits)`; those there stay: databases keep them."""
    return {name: new(length) for name, length in SECRETS.items() if not env.get(name)}


def env_text(env: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in env.items())


def read_env(text: str) -> dict[str, str]:
    """Names and values of lines `NAME=VALUE`; comments and blank lines are passed over."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def compose(settings: Stack, model_folder: str) -> dict[str, Any]:
    """The compose file; `model_folder`, the merged model on this machine, is `/models/NAME` to Xinference."""
    services = {
        "pg": _pg(), "mongo": _mongo(), "mongo_replica_set": _mongo_replica_set(), "mysql": _mysql(),
        "oneapi": _oneapi(settings), "oneapi_password": _oneapi_password(), "sandbox": _sandbox(),
        "fastgpt": _fastgpt(settings), "xinference": _xinference(settings, model_folder),
    }  # fmt: skip
    images = settings.images.model_dump() | {"mongo_replica_set": settings.images.mongo}
    for name, service in services.items():
        service["image"] = images[name]
        once = name in ("mongo_replica_set", "oneapi_password")
        service["restart"] = "on-failure" if once else "unless-stopped"
    return {
        "services": {name: {"image": service.pop("image"), **service} for name, service in services.items()},
        "volumes": {name: {} for name in ("pg", "mongo", "mysql", "oneapi", "xinference")},
    }


def served_path(model_name: str) -> str:
    """Where Xinference's container sees the merged model."""
    return "/models/" + re.sub(r"[^A-Za-z0-9._-]", "-", model_name)


def _secret(name: str) -> str:
    """A reference that compose refuses to leave empty."""
    return f"${{{name}:?is in .env}}"


def _pg() -> dict[str, Any]:
    return {
        "environment": {
            "POSTGRES_USER": "fastgpt",
            "POSTGRES_DB": "fastgpt",
            "POSTGRES_PASSWORD": _secret("PG_PASSWORD"),
        },
        "volumes": ["pg:/var/lib/postgresql/data"],
        "healthcheck": {"test": ["CMD", "pg_isready", "-U", "fastgpt", "-d", "fastgpt"], **HEALTH},
    }


def _mongo() -> dict[str, Any]:
    key = (
        'printf %s "$$MONGO_KEY" > /data/keyfile && chmod 400 /data/keyfile && '
        "chown 999:999 /data/keyfile && "
        "exec docker-entrypoint.sh mongod --keyFile /data/keyfile --replSet rs0 --bind_ip_all"
    )
    primary = f"{MONGO} --eval 'quit(db.hello().isWritablePrimary ? 0 : 1)'"
    return {
        "entrypoint": ["bash", "-c", key],
        "environment": {
            "MONGO_INITDB_ROOT_USERNAME": "root",
            "MONGO_INITDB_ROOT_PASSWORD": _secret("MONGO_PASSWORD"),
            "MONGO_PASSWORD": _secret("MONGO_PASSWORD"),
            "MONGO_KEY": _secret("MONGO_KEY"),
        },
        "volumes": ["mongo:/data/db"],
        "healthcheck": {"test": ["CMD-SHELL", primary], **HEALTH},
    }


def _mongo_replica_set() -> dict[str, Any]:
    # The mongod of the first start listens inside its container alone: what answers here is the final one.
    host = MONGO.replace("--quiet", "--quiet --host mongo")
    script = f"until {host} --eval 'quit(0)'; do sleep 2; done; {host} --eval '{REPLICA_SET}'"
    return {
        "entrypoint": ["bash", "-c", script],
        "environment": {"MONGO_PASSWORD": _secret("MONGO_PASSWORD")},
        "depends_on": {"mongo": {"condition": "service_started"}},
    }


def _mysql() -> dict[str, Any]:
    ping = 'mysqladmin ping -h 127.0.0.1 -u oneapi -p"$$MYSQL_PASSWORD"'
    return {
        "command": ["--default-authentication-plugin=mysql_native_password"],
        "environment": {
            "MYSQL_ROOT_PASSWORD": _secret("MYSQL_ROOT_PASSWORD"),
            "MYSQL_DATABASE": "oneapi",
            "MYSQL_USER": "oneapi",
            "MYSQL_PASSWORD": _secret("MYSQL_PASSWORD"),
        },
        "volumes": ["mysql:/var/lib/mysql"],
        "healthcheck": {"test": ["CMD-SHELL", ping], **HEALTH},
    }


def _oneapi(settings: Stack) -> dict[str, Any]:
    status = "wget -q -O - http://$$(hostname):3000/api/status | grep -q '\"success\":true'"
    return {
        "ports": [f"{settings.listen}:{settings.oneapi_port}:3000"],
        "environment": {
            "SQL_DSN": f"oneapi:{_secret('MYSQL_PASSWORD')}@tcp(mysql:3306)/oneapi",
            "SESSION_SECRET": _secret("ONEAPI_SESSION_SECRET"),
            "INITIAL_ROOT_ACCESS_TOKEN": _secret("ONEAPI_ACCESS_TOKEN"),
            "INITIAL_ROOT_TOKEN": _secret("ONEAPI_TOKEN"),
        },
        "volumes": ["oneapi:/data"],
        "depends_on": {"mysql": {"condition": "service_healthy"}},
        "healthcheck": {"test": ["CMD-SHELL", status], **HEALTH},
    }


def _oneapi_password() -> dict[str, Any]:
    words = {"username": "root", "display_name": "root", "password": "$$ONEAPI_ROOT_PASSWORD"}
    body = json.dumps(words).replace('"', '\\"')
    change = (
        'curl -fsS -X PUT http://oneapi:3000/api/user/self -H "Authorization: $$ONEAPI_ACCESS_TOKEN" '
        f"-H 'Content-Type: application/json' -d \"{body}\" | grep '\"success\":true'"
    )
    return {
        "entrypoint": ["sh", "-c", change],
        "environment": {name: _secret(name) for name in ("ONEAPI_ACCESS_TOKEN", "ONEAPI_ROOT_PASSWORD")},
        "depends_on": {"oneapi": {"condition": "service_healthy"}},
    }


def _sandbox() -> dict[str, Any]:
    return {"healthcheck": {"test": ["CMD", "node", "-e", NODE], **HEALTH}}


def _fastgpt(settings: Stack) -> dict[str, Any]:
    healthy = {"condition": "service_healthy"}
    return {
        "ports": [f"{settings.listen}:{settings.fastgpt_port}:3000"],
        "environment": {
            "DEFAULT_ROOT_PSW": _secret("FASTGPT_ROOT_PASSWORD"),
            "OPENAI_BASE_URL": "http://oneapi:3000/v1",
            "CHAT_API_KEY": f"sk-{_secret('ONEAPI_TOKEN')}",
            "DB_MAX_LINK": "30",
            "TOKEN_KEY": _secret("FASTGPT_TOKEN_KEY"),
            "ROOT_KEY": _secret("FASTGPT_ROOT_KEY"),
            "FILE_TOKEN_KEY": _secret("FASTGPT_FILE_TOKEN_KEY"),
            "MONGODB_URI": f"mongodb://root:{_secret('MONGO_PASSWORD')}@mongo:27017/fastgpt?authSource=admin",
            "PG_URL": f"postgresql://fastgpt:{_secret('PG_PASSWORD')}@pg:5432/fastgpt",
            "SANDBOX_URL": "http://sandbox:3000",
            "LOG_LEVEL": "info",
        },
        "volumes": ["./config.json:/app/data/config.json:ro"],
        "depends_on": {
            "pg": healthy,
            "mongo": healthy,
            "mongo_replica_set": {"condition": "service_completed_successfully"},
            "oneapi_password": {"condition": "service_completed_successfully"},
            "sandbox": {"condition": "service_started"},
        },
        "healthcheck": {"test": ["CMD", "node", "-e", NODE], **HEALTH},
    }


def _xinference(settings: Stack, model_folder: str) -> dict[str, Any]:
    probe = "import urllib.request; urllib.request.urlopen('http://localhost:9997/status')"
    mount = {
        "type": "bind",
        "source": model_folder,
        "target": served_path(settings.model_name),
        "read_only": True,
    }
    service: dict[str, Any] = {
        "command": ["xinference-local", "-H", "0.0.0.0", "--port", "9997"],
        "ports": [f"{settings.listen}:{settings.xinference_port}:9997"],
        "shm_size": "8gb",
        "volumes": ["xinference:/root/.xinference", mount],
        "healthcheck": {"test": ["CMD", "python3", "-c", probe], **HEALTH},
    }
    if settings.gpus == "all":
        card = {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [card]}}}
    return service
