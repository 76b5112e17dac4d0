"""Plain data <-> YAML as OmegaConf spells it (`1e-4` is a number), with `${...}` as the text that it is."""

from pathlib import Path
from typing import Any

import yaml
from omegaconf._utils import get_omega_conf_dumper, get_yaml_loader

from ftcore.config.errors import Unreadable, shortened


def dump(plain: Any) -> str:
    """The YAML of `plain`; `load` gives equal data back."""
    return yaml.dump(
        plain, Dumper=get_omega_conf_dumper(), default_flow_style=False, allow_unicode=True, sort_keys=False
    )


def load(path: Path) -> Any:
    """The data in the YAML file `path`. Raises Unreadable where there is none."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=get_yaml_loader())
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise Unreadable(path, shortened(why)) from None
