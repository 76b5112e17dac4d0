"""A finished run measured anew: what is asked, where it is kept, what the record says of it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ftcore.config import overrides as grammar
from ftcore.config import plain_yaml
from ftcore.config.checks import check
from ftcore.config.compose import composition, hydra_configs
from ftcore.config.errors import Problem, RequestError
from ftcore.config.identity import semantic
from ftcore.config.schema import Experiment
from ftcore.config.upgrade import upgraded
from ftcore.config.validate import validate
from ftcore.data import bfcl
from ftcore.data.bfcl import Case
from ftcore.evaluation.measure import held_out
from ftcore.runs import record
from ftcore.runs.directory import RunDirectory
from ftcore.runs.files import write_json

ALLOWED = "evaluation=CHOICE, evaluation.KEY=VALUE"


@dataclass(frozen=True, slots=True)
class Questions:
    """Cases to answer, and how many were drawn and left out because the run was trained on their question."""

    cases: list[Case]
    trained_on: int


def experiment(run: RunDirectory, words: Sequence[str]) -> Experiment:
    """The run's experiment with the evaluation that `words` (overrides of `evaluation`) make of its own.

    RequestError with all that is wrong: other keys, unknown choices, and categories that it was trained on.
    """
    with hydra_configs(None) as groups:
        chosen, problems = grammar.parse(words, groups)
    others = [one.key_or_group for one in (*chosen.groups, *chosen.values)]
    problems += [
        Problem(key, "a finished run is as it is; how it is measured can be chosen", ALLOWED)
        for key in others
        if key.split(".")[0] != "evaluation"
    ]
    if problems:
        raise RequestError(problems)
    config = upgraded(plain_yaml.load(run.config))
    if chosen.groups:
        choice = chosen.groups[-1].input_line or ""
        # With data named no preset comes in, so that the choice is what its own file says.
        config["evaluation"] = OmegaConf.to_container(
            composition(["data=function_calls", "hardware=cpu", choice]).evaluation
        )
    changed = OmegaConf.create(config)
    problems += grammar.apply(changed, chosen.values)
    found, wrong = validate(OmegaConf.to_container(changed, resolve=True), changed)
    problems += wrong
    if found is not None:
        problems += _of_evaluation(found)
        if found.evaluation.kind == "none":
            message = "nothing is measured"
            allowed = ", ".join(f"evaluation={one}" for one in groups["evaluation"] if one != "none")
            problems.append(Problem("evaluation", message, allowed))
    if problems or found is None:
        raise RequestError(dict.fromkeys(problems))
    return found


def _of_evaluation(e: Experiment) -> list[Problem]:
    """What the rules say of the evaluation; the rest of the experiment was checked when it ran."""
    found = [problem for problem in check(e) if problem.key.startswith("evaluation")]
    given = e.evaluation
    trained = {name for source in _trained(e) for name in source}
    for key in ("categories", "refusal_categories") if given.asks else ():
        for name in sorted(trained.intersection(getattr(given, key))):
            message = f"the run was trained on {name}: a score would measure its memory"
            found.append(Problem(f"evaluation.{key}", message, "other categories"))
    return found


def questions(e: Experiment, original: Experiment) -> Questions:
    """What `e.evaluation` asks, less what the run was trained on in other words of the same question.

    What its own evaluation asks was left out of training; another one may ask what was not.
    """
    cases = held_out(e.evaluation, e.seed)
    learnt = {_question(case) for source in _trained(e) for name in source for case in bfcl.load_cases(name)}
    if original.evaluation.asks and learnt:
        asked = (*original.evaluation.categories, *original.evaluation.refusal_categories)
        learnt -= {_question(case) for name in asked for case in bfcl.load_cases(name)}
    kept = [case for case in cases if _question(case) not in learnt]
    return Questions(kept, len(cases) - len(kept))


def _trained(e: Experiment) -> list[Mapping[str, int | None]]:
    return [one.categories for one in e.data.sources().values() if one.format == "function_calls"]


def _question(case: Case) -> str:
    return bfcl.normalised(case.question)


def folder(run: RunDirectory, e: Experiment, sources: Mapping[str, Any]) -> Path:
    """Where this evaluation lies: the same for the same settings and the same models asked."""
    asked = [semantic(e.evaluation), e.evaluation.endpoint.prompt, e.seed, dict(sources)]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    return run.evaluations / f"{e.evaluation.kind}-{digest}"


def write(run: RunDirectory, folder: Path, result: Mapping[str, Any]) -> None:
    """Put the result into its folder, and its measures into the record."""
    write_json(folder / "evaluation.json", result)
    parts = {part: result[part] for part in ("dataset", "base", "tuned", "difference")}

    def change(entry: record.Record) -> None:
        entry["results"].setdefault("evaluations", {})[folder.name] = parts

    record.update(run, change)
