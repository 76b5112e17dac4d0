"""What T-Eval is started with for a run's models."""

import shlex
from pathlib import Path
from typing import Any

from ftcore.config.schema import Experiment
from ftcore.data.templates import Template, prompt_template
from ftcore.evaluation.handover import absolute
from ftcore.runs.directory import RunDirectory

NAME = "ftcore"

DATASETS = (
    ("instruct", "instruct", "json", "instruct"),
    ("review_str", "review_str", "str", "review"),
    ("plan_json", "plan_json", "json", "plan"),
    ("plan_str", "plan_str", "str", "plan"),
    ("reason_str", "reason_str", "str", "reason"),
    ("retrieve_str", "retrieve_str", "str", "retrieve"),
    ("understand_str", "understand_str", "str", "understand"),
    ("reason_retrieve_understand_json", "reason_retrieve_understand_json", "json", "rru"),
)
"""As T-Eval's test_all_en.sh has them: output, data file, prompt type, evaluator."""

WRAPPER = '''\
"""T-Eval's test.py with the chat template of ftcore run {run} as the meta template {name!r}.

Run in a checkout of T-Eval: python {here}/{file} ARGUMENTS_OF_TEST_PY
"""

import os
import runpy
import sys

sys.path.insert(0, os.getcwd())

from teval.utils.meta_template import meta_template_dict

meta_template_dict[{name!r}] = [
{roles}]

runpy.run_path("test.py", run_name="__main__")
'''

SCRIPT = """\
#!/bin/sh
# Base and tuned model of ftcore run {run} through T-Eval: in English, its subset, or in Chinese:
#   cd T-Eval && sh {here}/{file} [subset|zh]
# Its data lies under data/ there; scores come to work_dirs/NAME/NAME_-1.json, and are summed up by
#   python teval/utils/convert_results.py --result_path work_dirs/NAME/NAME_-1.json
set -e
suffix=${{1:+_$1}}
run() {{
    python {wrapper} --model_type hf --meta_template {name} --model_display_name "$1" --model_path "$2" \\
        --resume --out_dir "work_dirs/$1/" --out_name "$3_$1$suffix.json" \\
        --dataset_path "data/$4_v2$suffix.json" --prompt_type "$5" --eval "$6"
}}
for model in {models}; do
    display=${{model%%=*}} path=${{model#*=}}
{lines}
done
"""


def teval(e: Experiment, run: RunDirectory, folder: Path) -> dict[str, str]:
    """{file name: text}, to lie in `folder`: a wrapper round test.py that knows the model's chat template,
    and a script that runs all eight data sets on base and merged weights."""
    stem = run.id.replace("-", "_")
    wrapper, script = f"teval_{stem}.py", f"teval_{stem}.sh"
    here = shlex.quote(str(folder.resolve()))
    roles = "".join(f"    {role!r},\n" for role in meta_template(prompt_template(e.model.template)))
    paths = {"base": absolute(e.model.path), "tuned": absolute(str(run.merged))}
    models = " ".join(shlex.quote(f"{run.name}-{run.id}-{who}={path}") for who, path in paths.items())
    lines = "\n".join(f'    run "$display" "$path" {" ".join(words)}' for words in DATASETS)
    texts = {
        wrapper: WRAPPER.format(run=run.id, name=NAME, file=wrapper, here=here, roles=roles),
        script: SCRIPT.format(
            run=run.id, file=script, here=here, name=NAME, models=models, lines=lines,
            wrapper=shlex.quote(str(folder.resolve() / wrapper)),
        ),
    }  # fmt: skip
    return texts


def meta_template(template: Template) -> list[dict[str, Any]]:
    """XTuner's template as T-Eval's list of roles with what stands before and after each turn.

    XTuner writes the end of the user's turn and the beginning of the reply as one text. Where it begins as
    the system's turn ends, it is divided there; else all of it is the reply's beginning, which comes to the
    same where turns alternate. Without a system turn, its text is shown as the user's.
    """
    user, _, tail = template["INSTRUCTION"].replace("{round}", "1").partition("{input}")
    system, _, system_end = template.get("SYSTEM", "").partition("{system}")
    split = len(system_end) if system_end and tail.startswith(system_end) else 0
    user_end, reply = tail[:split], tail[split:]
    end = template.get("SUFFIX", "") + template.get("SEP", "")
    if not template.get("SYSTEM"):
        system, system_end = user, user_end
    return [
        {"role": "system", "begin": system, "end": system_end},
        {"role": "user", "begin": user, "end": user_end},
        {"role": "function", "begin": user, "end": user_end},
        {"role": "assistant", "begin": reply, "end": end, "generate": True},
    ]
