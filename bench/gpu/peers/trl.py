"""TRL's SFTTrainer with Liger's kernels.

python -m bench.gpu.peers.trl --scratch FOLDER --form full --batch 2
"""

import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTTrainer

from bench.gpu.peers.common import answer, asked
from bench.gpu.peers.hugging_face import padded, rows, settings, train


def main() -> None:
    given = asked(__doc__)
    work, has_card = given.workload, torch.cuda.is_available()
    model = AutoModelForCausalLM.from_pretrained(
        work.model, dtype=torch.bfloat16 if has_card else torch.float32, attn_implementation="sdpa",
        device_map={"": 0} if has_card else None,
    )  # fmt: skip
    adapter = LoraConfig(
        r=work.rank, lora_alpha=work.alpha, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
        target_modules=list(work.targets),
    )  # fmt: skip
    trainer = SFTTrainer(
        model=model,
        # Liger's kernels are Triton's: a trial without a card has none.
        args=settings(given, use_liger_kernel=has_card),
        train_dataset=rows(given),
        processing_class=padded(AutoTokenizer.from_pretrained(work.model)),
        peft_config=adapter,
    )
    answer(train(trainer, work.accumulation), ["trl", "liger-kernel", "peft", "accelerate"])


if __name__ == "__main__":
    main()
