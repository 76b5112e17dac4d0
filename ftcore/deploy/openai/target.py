"""`deploy=openai`: a server of this process, on this machine."""

import importlib.util
import os
import signal
import socket
import time
from typing import Any

import psutil
from rich.console import Console

from ftcore.config.compose import load
from ftcore.config.errors import Problem, WorkError
from ftcore.config.schema import OpenAi
from ftcore.deploy.served import Served
from ftcore.deploy.target import Effect, State, Up
from ftcore.deploy.tool_prompt import trained_wording
from ftcore.runs.directory import RunDirectory
from ftcore.runs.record import now

KEY_VARIABLE = "FTCORE_API_KEY"
ENDS_SECONDS = 10
"""For answers under way when the server is told to end."""


def problems(served: Served, settings: OpenAi) -> list[Problem]:
    """What is not installed, a port that is taken, an upstream that does not answer."""
    found = []
    wanted = ["starlette", "uvicorn", "httpx"] + ([] if settings.upstream else ["torch", "transformers"])
    if missing := [name for name in wanted if importlib.util.find_spec(name) is None]:
        message = f"{', '.join(missing)} not installed"
        found.append(Problem("deploy", message, f"pip install {' '.join(missing)}, or make setup"))
    if "chat" not in served.abilities:
        found.append(Problem("deploy", f"{served.folder} has no chat template", "an instruction-tuned model"))
    try:
        _listening(settings).close()
    except OSError as error:
        found.append(_taken(settings, error))
    if settings.tools == "native" and not settings.upstream:
        found.append(
            Problem("deploy.tools", "native is an upstream's own", "auto, function_calls, agent_flan")
        )
    if settings.upstream and not missing:
        found += _of_upstream(settings)
    return found


def preview(served: Served, settings: OpenAi) -> str:
    """Where it would listen, what it would load, and how tools would be worded."""
    lines = {
        "listens at": f"{_url(settings)}, API key {'asked for' if os.environ.get(KEY_VARIABLE) else 'none'}",
        "model": settings.model_name,
        "answered by": _upstream(settings) or f"{served.folder} ({served.billions:g} billion parameters)",
        "context": f"{served.context_length} tokens ({served.context_source})",
        "trained on": f"{served.max_length} tokens at most",
        "ends at": ", ".join(map(repr, served.stop)) or "(nothing known)",
        "tools": _wording(served, settings),
    }
    return "".join(f"{label:<12} {value}\n" for label, value in lines.items()) + f"\n{_curl(settings)}\n"


def up(served: Served, settings: OpenAi, state: State, console: Console) -> Up:
    """Load the model, listen, and answer until Ctrl-C."""
    # The port is held before the model is loaded: who comes too late hears of it at once.
    try:
        listener = _listening(settings)
    except OSError as error:
        raise WorkError(str(_taken(settings, error))) from None
    key = os.environ.get(KEY_VARIABLE) or None
    if key is None and settings.host not in ("127.0.0.1", "localhost", "::1"):
        console.print(f"anybody who reaches {settings.host} may ask: set {KEY_VARIABLE} for a key")
    application = _application(served, settings, key, console)
    state.add(
        "server process", str(os.getpid()), pid=os.getpid(), host=os.uname().nodename,
        began=psutil.Process().create_time(), url=_url(settings),
    )  # fmt: skip
    listener.listen(128)
    facts = {
        "url": _url(settings),
        "model": settings.model_name,
        "tools": _wording(served, settings),
        "key": key is not None,
    }
    if settings.upstream:
        facts["upstream"] = _upstream(settings)
    console.print(f"ready: {facts['url']} (model {settings.model_name})", markup=False)
    console.print(f"  {_curl(settings)}", markup=False)
    console.print("  Ctrl-C ends it", markup=False)
    return Up(facts, lambda: _serve(application, listener, state, console))


def down(settings: OpenAi, state: State, console: Console) -> dict[str, Any]:
    """End the run's server, wherever on this machine it was started."""
    ended = []
    for effect in reversed(state.made):
        if effect["host"] != os.uname().nodename:
            raise WorkError(
                f"the server runs on {effect['host']}, not here",
                kept=str(state),
                goes_on=f"on {effect['host']}, the same command",
            )
        if (process := _process(effect)) is not None:
            process.terminate()
            if not _over(process):
                process.kill()
            ended.append(effect["pid"])
        state.remove(effect)
    text = f"ended process {', '.join(map(str, ended))}" if ended else "no server of this run is there"
    console.print(text, markup=False)
    return {"ended": ended}


def _application(served: Served, settings: OpenAi, key: str | None, console: Console) -> Any:
    from ftcore.deploy.openai import app, backend, upstream

    if settings.upstream:
        answers: backend.Backend = upstream.connected(settings.upstream, _upstream_model(settings))
    else:
        answers = backend.InMemory(_loaded(served, settings, console), settings.max_tokens)
    service = app.Service(
        settings.model_name, answers, _wording(served, settings), settings.thoughts, key,
        say=lambda line: console.print(f"{now()} {line}", markup=False),
    )  # fmt: skip
    return app.app(service)


def _loaded(served: Served, settings: OpenAi, console: Console) -> Any:
    console.print(f"loading {served.folder} ({served.billions:g} billion parameters)", markup=False)
    from transformers.utils import logging

    from ftcore.deploy import engine

    if not console.is_terminal or console.quiet:
        logging.disable_progress_bar()
    model = load(RunDirectory(served.folder.parent).config).model
    stops, context = served.stop_token_ids, served.context_length
    try:
        return engine.load(served.folder, model, stops, context, settings.device, settings.dtype)
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise WorkError(f"{served.folder} cannot be loaded: {error}") from error


def _serve(application: Any, listener: socket.socket, state: State, console: Console) -> None:
    import uvicorn

    config = uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=ENDS_SECONDS)
    # uvicorn ends by either signal, and sends itself the same one again when it is through.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        for effect in state.made:
            if effect["pid"] == os.getpid():
                state.remove(effect)
    console.print("ended", markup=False)


def _listening(settings: OpenAi) -> socket.socket:
    """The port, held. OSError where it cannot be."""
    family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # Two that hold a port without listening do not see each other.
        listener.listen(0)
    except OSError:
        listener.close()
        raise
    return listener


def _taken(settings: OpenAi, error: OSError) -> Problem:
    if isinstance(error, socket.gaierror):
        return Problem(
            "deploy.host", f"{settings.host} is no address here ({error.strerror})", "127.0.0.1, 0.0.0.0"
        )
    message = f"port {settings.port} of {settings.host} is not to be had ({error.strerror})"
    return Problem("deploy.port", message, "a free one, or deploy RUN --down for this run's own server")


def _of_upstream(settings: OpenAi) -> list[Problem]:
    from ftcore.deploy.openai.upstream import UpstreamError, answers, names

    try:
        there = names(settings.upstream)
    except UpstreamError as error:
        return [
            Problem("deploy.upstream", f"{settings.upstream} {error}", "a server's address that ends in /v1")
        ]
    wanted = _upstream_model(settings)
    if wanted in there or answers(settings.upstream, wanted):
        return []
    message = f"{settings.upstream} has no model {wanted!r}"
    return [Problem("deploy.upstream_model", message, ", ".join(there) or "(none is loaded there)")]


def _upstream_model(settings: OpenAi) -> str:
    return settings.upstream_model or settings.model_name


def _upstream(settings: OpenAi) -> str:
    return f"{settings.upstream} (model {_upstream_model(settings)})" if settings.upstream else ""


def _wording(served: Served, settings: OpenAi) -> str:
    return trained_wording(served.formats) if settings.tools == "auto" else settings.tools


def _process(effect: Effect) -> psutil.Process | None:
    """The server's process, if it is still that one."""
    try:
        process = psutil.Process(effect["pid"])
        return process if process.create_time() == effect["began"] else None
    except psutil.NoSuchProcess:
        return None


def _over(process: psutil.Process) -> bool:
    """Whether a process that was told to end has; one that its parent has not looked after yet has too."""
    deadline = time.monotonic() + ENDS_SECONDS + 2
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def _url(settings: OpenAi) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    return f"http://{host}:{settings.port}/v1"


def _curl(settings: OpenAi) -> str:
    key = f' -H "Authorization: Bearer ${KEY_VARIABLE}"' if os.environ.get(KEY_VARIABLE) else ""
    body = f'{{"model": "{settings.model_name}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    return f"curl {_url(settings)}/chat/completions{key} -H 'Content-Type: application/json' -d '{body}'"
