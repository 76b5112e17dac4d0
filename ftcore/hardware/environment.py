"""Environment variables that accelerators and their communication read, and names that are nearly theirs.

A misspelt one is passed over in silence: public scripts for DCU clusters set `HSA_FORCE_FINE_GRAIN_PRICE`,
and RCCL hangs as if nothing had been set.
"""

VISIBLE = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
"""What narrows the devices that a process sees."""

KNOWN = (
    *VISIBLE,
    "CUDA_DEVICE_MAX_CONNECTIONS", "CUDA_DEVICE_ORDER", "CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG",
    "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_HIP_ALLOC_CONF", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
    "NCCL_ALGO", "NCCL_BUFFSIZE", "NCCL_CROSS_NIC", "NCCL_DEBUG", "NCCL_DEBUG_FILE", "NCCL_DEBUG_SUBSYS",
    "NCCL_IB_DISABLE", "NCCL_IB_GID_INDEX", "NCCL_IB_HCA", "NCCL_IB_QPS_PER_CONNECTION", "NCCL_IB_RETRY_CNT",
    "NCCL_IB_SL", "NCCL_IB_TC", "NCCL_IB_TIMEOUT", "NCCL_MAX_NCHANNELS", "NCCL_MIN_NCHANNELS",
    "NCCL_NET_GDR_LEVEL", "NCCL_NET_GDR_READ", "NCCL_NET_PLUGIN", "NCCL_NTHREADS", "NCCL_P2P_DISABLE",
    "NCCL_P2P_LEVEL", "NCCL_PROTO", "NCCL_SHM_DISABLE", "NCCL_SOCKET_FAMILY", "NCCL_SOCKET_IFNAME",
    "NCCL_SOCKET_NTHREADS", "NCCL_TOPO_FILE", "NCCL_MAX_NRINGS", "NCCL_MIN_NRINGS", "NCCL_MAX_CTAS",
    "NCCL_MIN_CTAS", "NCCL_PXN_DISABLE", "RCCL_MSCCL_ENABLE", "RCCL_MSCCLPP_ENABLE",
    "GLOO_SOCKET_IFNAME", "GLOO_DEVICE_TRANSPORT",
    "HSA_ENABLE_SDMA", "HSA_FORCE_FINE_GRAIN_PCIE", "HSA_OVERRIDE_GFX_VERSION", "HSA_USERPTR_FOR_PAGED_MEM",
    "HSA_XNACK", "HIP_LAUNCH_BLOCKING", "HIP_PLATFORM", "AMD_SERIALIZE_KERNEL", "GPU_MAX_HW_QUEUES",
    "MIOPEN_FIND_MODE", "MIOPEN_FIND_ENFORCE", "MIOPEN_USER_DB_PATH", "MIOPEN_CUSTOM_CACHE_DIR",
    "ROCBLAS_TENSILE_LIBPATH", "TORCH_EXTENSIONS_DIR", "TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR",
    "TORCH_NCCL_ASYNC_ERROR_HANDLING", "TORCH_NCCL_BLOCKING_WAIT", "TORCH_DISTRIBUTED_DEBUG",
    "HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE",
)  # fmt: skip
"""What people set: not all there is. `misspelt` takes for a mistake only what is very near to one of these,
and a test holds it against every name that NCCL's library reads."""

LONG = 16
"""Letters from which on two mistakes still leave no doubt about the name that was meant."""


def misspelt(name: str) -> str:
    """The known name that `name` is a slip of; empty where it is one itself, or near to none.

    Near is one letter more, less, other or swapped (two in a long name), after the same first word: HCCL's
    and RCCL's own variables are one letter from NCCL's, and meant.
    """
    if name in KNOWN:
        return ""
    for known in KNOWN:
        if known.split("_")[0] != name.upper().split("_")[0]:
            continue
        limit = 2 if len(known) >= LONG else 1
        if abs(len(known) - len(name)) <= limit and distance(name.upper(), known) <= limit:
            return known
    return ""


def distance(one: str, other: str) -> int:
    """Letters to insert, delete, change, or swap with their neighbour, to make one of the other."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]
