"""What of the environment is kept, and that no secret is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftcore.config.secrets import MASK, masked
from ftcore.runs.environment import lasting

SECRETS = [
    "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID", "MYSQL_PASSWORD", "PGPASSWORD", "DB_PASSWD", "SSH_PRIVATE_KEY", "GIT_CREDENTIALS",
    "MLFLOW_TRACKING_TOKEN", "SESSION_COOKIE", "BASIC_AUTH", "my_api_key", "KEY", "SIGNING_KEYS",
]  # fmt: skip
HARMLESS = [
    "TOKENIZERS_PARALLELISM", "PATH", "PYTHONPATH", "NCCL_DEBUG", "KEYBOARD", "MONKEY", "AUTHOR",
    "OMP_NUM_THREADS", "CUBLAS_WORKSPACE_CONFIG", "HSA_FORCE_FINE_GRAIN_PCIE", "PWD",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_are_masked(name):
    """By their names."""
    assert masked({name: "s3cret"}) == {name: MASK}


@pytest.mark.parametrize("name", HARMLESS)
def test_the_rest_is_kept(name):
    """Names that only look alike."""
    assert masked({name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    "value",
    [
        "http://user:s3cret@proxy:3128", "https://s3cret@host/path", "hf_s3cretS3CRET", "x sk-s3cret12345 y",
        "ghp_s3cret0123456789",
    ],
)  # fmt: skip
def test_secrets_in_values(value):
    """A password in a proxy's address, a token in any variable."""
    (kept,) = masked({"http_proxy": value}).values()
    assert "s3cret" not in kept and MASK in kept


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_every_name_is_kept(env):
    """Whatever is in it: sorted, every name once, and an empty secret shown as empty."""
    kept = masked(env)
    assert list(kept) == sorted(env)
    assert all(value in (env[name], MASK) or MASK in value for name, value in kept.items())


def test_what_changes_from_job_to_job_does_not_count():
    """Two jobs of one experiment have no differences for it."""
    env = {"SLURM_JOB_ID": "7", "PWD": "/a", "NCCL_DEBUG": "INFO", "SSH_TTY": "x"}
    assert lasting(env) == {"NCCL_DEBUG": "INFO"}
