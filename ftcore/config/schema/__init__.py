"""The typed schema of an experiment, one file a subject."""

from ftcore.config.schema.data import ChatSamples, Data, Source
from ftcore.config.schema.deploy import AnyTarget, NoDeploy, OpenAi
from ftcore.config.schema.deploy_services import FastGpt, LmDeploy, OneApi, Stack, Vllm, Xinference
from ftcore.config.schema.evaluation import Evaluation
from ftcore.config.schema.experiment import Experiment
from ftcore.config.schema.kernels import Kernels
from ftcore.config.schema.machines import Finish, Hardware, LocalCluster, SlurmCluster
from ftcore.config.schema.model import Export, GgufSource, Lora, Model, Quantization, Tokenizer
from ftcore.config.schema.parallelism import DeepSpeed, Parallelism, ZeroOptimization
from ftcore.config.schema.passthrough import Passthrough
from ftcore.config.schema.tracker import AnyTracker, Mlflow, NoTracker, SwanLab, TensorBoard, Wandb
from ftcore.config.schema.training import Checkpoint, Logging, Optim, Precision

__all__ = [
    "AnyTarget", "AnyTracker", "ChatSamples", "Checkpoint", "Data", "DeepSpeed", "Evaluation", "Experiment",
    "Export", "FastGpt", "Finish", "GgufSource", "Hardware", "Kernels", "LmDeploy", "LocalCluster", "Logging",
    "Lora", "Mlflow", "Model", "NoDeploy", "NoTracker", "OneApi", "OpenAi", "Optim", "Parallelism",
    "Passthrough", "Precision", "Quantization", "SlurmCluster", "Source", "Stack", "SwanLab", "TensorBoard",
    "Tokenizer", "Vllm", "Wandb", "Xinference", "ZeroOptimization",
]  # fmt: skip
