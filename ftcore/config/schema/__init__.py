"""The typed schema of an experiment, one file a subject."""

from ftcore.config.schema.data import ChatSamples, Data, Evaluation, Source
from ftcore.config.schema.experiment import Experiment
from ftcore.config.schema.machines import Finish, Hardware, LocalCluster, SlurmCluster
from ftcore.config.schema.model import Export, GgufSource, Lora, Model, Quantization, Tokenizer
from ftcore.config.schema.parallelism import DeepSpeed, Parallelism, ZeroOptimization
from ftcore.config.schema.passthrough import Passthrough
from ftcore.config.schema.training import Checkpoint, Logging, Optim, Precision

__all__ = [
    "ChatSamples", "Checkpoint", "Data", "DeepSpeed", "Evaluation", "Experiment", "Export", "Finish",
    "GgufSource", "Hardware", "LocalCluster", "Logging", "Lora", "Model", "Optim", "Parallelism",
    "Passthrough", "Precision", "Quantization", "SlurmCluster", "Source", "Tokenizer", "ZeroOptimization",
]  # fmt: skip
