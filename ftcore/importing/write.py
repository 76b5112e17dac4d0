"""A preset written to disk, composed again from there, and compared with the file it came from."""

from pathlib import Path

from ftcore.config.compose import compose
from ftcore.config.errors import Problem, RequestError
from ftcore.config.groups import conf_dir
from ftcore.config.overrides import parse_one
from ftcore.config.xtuner.compare import Difference
from ftcore.importing.convert import Imported, compared
from ftcore.importing.preset import MACHINE
from ftcore.runs.files import write_text

DEFAULT_FOLDER = "conf"


def place(folder: Path, name: str) -> Path:
    """Where the preset `name` lies under a folder of configs."""
    return folder / "experiment" / f"{name}.yaml"


def write(imported: Imported, folder: Path, replace: bool) -> Path:
    """Write the preset into `folder`. RequestError where another preset has the name already, or where
    `experiment=NAME` would not find this one."""
    _choosable(imported.preset.name, folder)
    path, text = place(folder, imported.preset.name), imported.preset.yaml(_comment(imported))
    if path.exists() and not replace and path.read_text(encoding="utf-8") != text:
        message = f"{path} is there and holds something else"
        raise RequestError([Problem("--name", message, "another name, or --force")])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return path


def check(imported: Imported, folder: Path) -> list[Difference]:
    """What the configuration rebuilt from the written preset has otherwise than the file."""
    words = [f"experiment={imported.preset.name}", *MACHINE]
    return compared(imported.settings, compose(words, config_dir=own_folder(folder)).experiment)


def own_folder(folder: Path) -> str | None:
    """`folder` as `--config-dir` needs it; None for the conf/ that is searched anyhow."""
    return None if folder.resolve() == conf_dir().resolve() else str(folder)


def _choosable(name: str, folder: Path) -> None:
    word = f"experiment={name}"
    if name.startswith("_") or name.endswith((".yaml", ".yml")) or parse_one(word).value() != name:
        message = f"{word} would not be read as this name (a number, a hidden part, a file)"
        raise RequestError([Problem("--name", message, "another name")])
    if own_folder(folder) is not None and (own := place(conf_dir(), name)).exists():
        message = f"{word} is {own}, which is searched before {folder}"
        raise RequestError([Problem("--name", message, "another name")])


def _comment(imported: Imported) -> str:
    lines = [f"Imported from {imported.file.name}: the same XTuner configuration, setting by setting."]
    if imported.passthrough:
        lines.append("passthrough: what no typed key says; ftcore's own training follows only some of it.")
    return "\n".join(lines)
