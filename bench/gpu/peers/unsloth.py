"""Unsloth's FastLanguageModel under TRL's SFTTrainer, as its notebooks have it, in 16 bit.

python -m bench.gpu.peers.unsloth --scratch FOLDER --form full --batch 2
"""

# Unsloth patches transformers, TRL and PEFT, and must be imported before them.
from unsloth import FastLanguageModel  # isort: skip

import torch
from trl import SFTTrainer

from bench.gpu.peers.common import answer, asked
from bench.gpu.peers.hugging_face import padded, rows, settings, train


def main() -> None:
    given = asked(__doc__)
    work = given.workload
    model, tokenizer = FastLanguageModel.from_pretrained(
        str(work.model), max_seq_length=work.sequence, dtype=torch.bfloat16, load_in_4bit=False
    )
    model = FastLanguageModel.get_peft_model(
        model, r=work.rank, lora_alpha=work.alpha, lora_dropout=0, bias="none",
        target_modules=list(work.targets), use_gradient_checkpointing=False, random_state=0,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=model,
        args=settings(given),
        train_dataset=rows(given),
        processing_class=padded(tokenizer),
    )
    answer(train(trainer, work.accumulation), ["unsloth", "unsloth_zoo", "trl", "peft"])


if __name__ == "__main__":
    main()
