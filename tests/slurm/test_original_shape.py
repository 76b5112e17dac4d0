"""The hand-run recipe's shape on the test cluster: 6 nodes x 4 ranks, its settings, a tiny Llama."""

import pytest

from ftcore.runs.directory import RunDirectory
from tests.fixtures.agent_flan import write_agent_flan
from tests.slurm.runs import Site, losses

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.timeout(1800)]

STEPS = 2


def test_six_by_four(slurm, tiny, tmp_path):
    """24 ranks with ZeRO-3 offload train the recipe's configuration to the end, in one job."""
    site = Site(slurm, tiny, tmp_path / "runs")
    data = write_agent_flan(tmp_path / "agent-flan", 400)
    words = [
        "experiment=agentflan_llama3_8b", f"model.path={tiny.model}", f"data.path={data}", "hardware=cpu",
        "nodes=6", "hardware.devices_per_node=4", "precision=fp32", "max_length=256", f"max_steps={STEPS}",
        "model.context_length=512", "model.bos=false", "model.template=qwen_chat", "evaluation=none",
        "optim.gradient_accumulation=2", "model.trust_remote_code=false", "chat_samples.every=0",
        f"runs_dir={site.runs}", f"cache_dir={site.runs / '.cache'}", "data.prepare_workers=1",
        "cluster=slurm", "cluster.gres=dcu:4", "cluster.cpus_per_task=1", "cluster.time=40:00",
        "+cluster.env.GLOO_SOCKET_IFNAME=lo", "+cluster.env.OMP_NUM_THREADS=1",
    ]  # fmt: skip
    answer = site.ftcore(*words, "--json")
    assert answer.code == 0, answer.err
    entry = answer.json
    run = RunDirectory(site.runs / entry["name"] / entry["id"])
    ended = site.ended(run, timeout=1500)
    assert ended["state"] == "completed", ended["error"]
    assert [step for step, _ in losses(run)] == list(range(1, STEPS + 1))
    assert len(list(run.attempt(1).glob("rank*.out"))) == 24
    slurm.wait_state(ended["launch"]["job_id"], "COMPLETED")
    (told,) = slurm.sacct(ended["launch"]["job_id"], ["AllocTRES"])
    assert "gres/dcu=24" in told["AllocTRES"]
