"""Bytes on one rank that are there whatever the micro batch is: weights, what is trained, its gradients, the
optimiser's state, and DeepSpeed's buffers."""

from dataclasses import dataclass

from ftcore.config.schema import Experiment
from ftcore.config.schema.parallelism import ZeroOptimization
from ftcore.plan.architecture import Architecture
from ftcore.plan.parts import BUCKET, LIVE, Parts
from ftcore.plan.room import ALIGN

BLOCK, BLOCKS = 64, 256
"""bitsandbytes: 4-bit values that share a scale, and scales that share one where they are quantised too."""


@dataclass(frozen=True, slots=True)
class States:
    """Bytes on one rank's device."""

    weights: int
    """Frozen weights. Of full fine-tuning: none, they are `trained`."""

    trained: int
    """What is trained, as the forward pass reads it."""

    copies: int
    """Of the adapters, and of fp8 scales, where fused layers read them."""

    gradients: int
    optimizer: int
    """AdamW's two moments, fp32, and fp32 masters where what is trained is of 16 bit."""

    communication: int
    """DeepSpeed's buckets and ZeRO-3's gathered weights; ddp's buckets."""

    stepping: int
    """Of `gradients`, what is there in the optimiser's step: ZeRO 1 and 2 have them in fp32 then, which
    counts as the step's own, and have dropped the others."""

    standing: int
    """Of `communication`, what is there before the first gradient is: ZeRO 1 and 2 make their buckets when it
    comes, and drop them after the backward pass (deepspeed 0.18, `setup_buckets`)."""


def trained_parameters(e: Experiment, a: Architecture) -> int:
    """Elements that the optimiser steps."""
    return a.parameters if e.lora.method == "full" else a.lora_parameters(e.lora.rank, e.lora.targets)


def states(e: Experiment, a: Architecture, p: Parts) -> States:
    """The states of `e` between two iterations, with all gradients there.

    Shards are of the data parallel group: ZeRO 1 divides the optimiser's state, 2 the gradients too, 3 the
    weights too (Rajbhandari et al. 2020, arXiv:1910.02054).
    """
    n, zero = trained_parameters(e, a), zero_of(e)
    stage = zero.stage if zero else 0
    ranks = e.world_size
    shard, third = (ranks if stage >= 1 else 1), (ranks if stage == 3 else 1)
    offloads_optimizer = bool(zero and zero.offload_optimizer)
    offloads_weights = bool(zero and zero.offload_param)
    trained, gradients, optimizer = p.trained * n // third, p.trained * n, 8 * n // shard
    if zero:
        # DeepSpeed keeps an fp32 copy of its shard, of fp32 weights too (stage_1_and_2.py).
        optimizer += 4 * n // shard
        gradients //= ranks if stage >= 2 else 1
    if offloads_optimizer:
        optimizer = 0
        gradients = 0 if stage >= 2 else gradients
    communication = _communication(e, a, p, n)
    frozen = 0 if e.lora.method == "full" else frozen_bytes(e, a, p) // third
    return States(
        weights=0 if offloads_weights else frozen,
        trained=0 if offloads_weights else trained,
        copies=copies_bytes(e, a, p) if p.layers else 0,
        gradients=gradients,
        optimizer=optimizer,
        communication=communication,
        stepping=0 if stage in (1, 2) else gradients,
        standing=0 if stage in (1, 2) else communication,
    )


def zero_of(e: Experiment) -> ZeroOptimization | None:
    """DeepSpeed's block, where it is used."""
    return e.parallelism.deepspeed.zero_optimization if e.parallelism.deepspeed else None


def frozen_bytes(e: Experiment, a: Architecture, p: Parts) -> int:
    """All weights of the base model, frozen, unsharded."""
    quantization = e.lora.quantization
    linear = sum(one.weights * count for one, count in a.linears)
    if quantization:
        # What is no linear layer, and the head, are made fp32 (see `parts.residual`); experts stay as loaded.
        experts = a.expert_parameters * a.sparse_layers
        rest = 4 * (a.parameters - linear - experts) + p.weights * experts
        return rest + linear * quantization.bits // 8 + _scales(e, linear)
    return p.weights * a.parameters


def _scales(e: Experiment, linear: int) -> int:
    """What turns quantised weights back: absmax, one a block (4 bit) or a row (8 bit: left out)."""
    quantization = e.lora.quantization
    assert quantization is not None
    if quantization.bits == 8:
        return 0
    blocks = linear // BLOCK
    return blocks + 4 * blocks // BLOCKS if quantization.double_quant else 4 * blocks


def copies_bytes(e: Experiment, a: Architecture, p: Parts) -> int:
    """What fused layers hold beside the weights: A and B in the compute type, filled up to `ALIGN` columns;
    where qkv and gate/up are one matrix, B has a row for every output of all of them.

    fp8 weights are held twice, by rows and by columns: as much as 16-bit ones; their scales come on top.
    """
    targets, bytes_ = e.lora.targets, 0
    for names in (("q_proj", "k_proj", "v_proj"), ("o_proj",), ("gate_proj", "up_proj"), ("down_proj",)):
        group = [one for one, _ in a.linears if one.name in names]
        outputs, inputs = sum(one.outputs for one in group), group[0].inputs
        rank = low_rank([one.name for one in group if targets is None or one.name in targets], e.lora.rank)
        bytes_ += p.compute * rank * (outputs + inputs) + (4 * (outputs + inputs) if p.fp8 else 0)
    return bytes_ * a.layers


def low_rank(names: list[str], rank: int) -> int:
    """Columns of the adapters of layers that read one input, filled up."""
    return -(-rank * len(names) // ALIGN) * ALIGN


def _communication(e: Experiment, a: Architecture, p: Parts, n: int) -> int:
    zero = zero_of(e)
    if zero is None:
        # torch's reducer copies gradients into buckets of its own (gradient_as_bucket_view=False).
        return p.trained * n if e.parallelism.strategy == "ddp" and e.world_size > 1 else 0
    bucket = int(zero.tuning.get("reduce_bucket_size", BUCKET))
    if zero.stage == 0:
        return 0
    # Whole, however few gradients there are; two where one is sent while the other fills (stages 1 and 2).
    buckets = (1 + zero.overlap_comm) if zero.stage < 3 else 1
    live = 0
    if zero.stage == 3:
        # A rank that has all of it gathers nothing (`_no_gather_coalesced`).
        live = p.compute * _gathered(a, zero) if e.world_size > 1 else 0
    return p.compute * bucket * buckets + live


def _gathered(a: Architecture, zero: ZeroOptimization) -> int:
    """Elements: what was fetched is kept up to LIVE, and the next layer comes on top while it travels."""
    most = int(zero.tuning.get("stage3_max_live_parameters", LIVE))
    return min(a.parameters, most + a.layer_parameters)


def gathered_head(e: Experiment, a: Architecture, p: Parts) -> int:
    """Under ZeRO-3 the head's weights are gathered for the loss, on top of what stands.

    A lone rank copies them only where the loss reads them itself instead of calling the head, and only the
    first time (`ZeROOrderedDict.__getitem__`), before AdamW has made its moments.
    """
    head, zero = a.vocabulary * a.hidden, zero_of(e)
    if zero is None or zero.stage != 3:
        return 0
    if e.world_size > 1:
        return p.compute * min(head, a.parameters - _gathered(a, zero))
    return max(0, p.compute * head - 8 * trained_parameters(e, a)) if p.attention or p.loss else 0
