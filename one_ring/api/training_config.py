"""What to train and how: the flat configuration that YAML, REST, Python and the command line share.

Names and meanings are Hugging Face's (``TrainingArguments``, ``LoraConfig``, ``AdaLoraConfig``, ``BitsAndBytesConfig``)
where they have one. Every field has one JSON type; "automatic" is said by leaving a field out, or by an empty list.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from one_ring.api.model import Model, Rule

Path = Annotated[str, Field(max_length=1024)]
PeftMethod = Literal["lora", "qlora", "adalora"]
SchedulerType = Literal["linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup"]


class TrainingConfig(Model):
    """One fine-tuning run. Only a training file (or a dataset path) has to be given."""

    # Strict, as the API server is: "3" is not a number and 1 is not a truth value.
    model_config = ConfigDict(strict=True)

    # The model
    model_name_or_path: Annotated[str, Field(min_length=1, max_length=512)] = Field(
        "meta-llama/Llama-2-7b-chat-hf",
        description="Name under the models volume, else on the Hugging Face hub; or a path on the models volume.",
    )

    # The data
    dataset_path: Path = Field(
        "", description="Folder of the data on the datasets volume; train.jsonl in it is used if train_file is empty."
    )
    train_file: Path = Field("", description='JSONL file of {"text": …} rows, under dataset_path.')
    validation_file: Path = Field("", description="JSONL file to evaluate on, under dataset_path.")
    max_seq_length: int = Field(1024, ge=8, le=1_048_576, description="Longest row in tokens; longer rows are cut.")

    # The course of the training
    num_train_epochs: int = Field(3, ge=1, le=1000, description="Passes over the training data.")
    max_steps: int = Field(-1, ge=-1, le=100_000_000, description="Optimizer steps; overrides the epochs when above 0.")
    per_device_train_batch_size: int = Field(4, ge=1, le=65_536, description="Rows per device and forward pass.")
    per_device_eval_batch_size: int | None = Field(
        None, ge=1, le=65_536, description="Rows per device in evaluation; left out: the training batch size."
    )
    gradient_accumulation_steps: int = Field(1, ge=1, le=65_536, description="Forward passes per optimizer step.")
    learning_rate: float = Field(2e-5, gt=0, lt=1, description="Peak learning rate.")
    lr_scheduler_type: SchedulerType = Field("cosine", description="Course of the learning rate after warm-up.")
    warmup_steps: int = Field(0, ge=0, le=100_000_000, description="Optimizer steps of warm-up.")
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="Warm-up as a share of all steps; not with warmup_steps.")
    weight_decay: float = Field(0.0, ge=0, le=1, description="AdamW weight decay.")
    max_grad_norm: float = Field(1.0, ge=0, le=1_000_000, description="Gradient clipping norm; 0 turns it off.")
    seed: int = Field(42, ge=0, le=4_294_967_295, description="Seed of initialisation, dropout and data order.")

    # Precision and memory
    bf16: bool | None = Field(None, description="Train in bfloat16; left out: where the hardware is fast at it.")
    fp16: bool = Field(False, description="Train in float16 with loss scaling (GPU only; adapters stay float32).")
    gradient_checkpointing: bool = Field(False, description="Recompute activations: less memory, about 20 % slower.")
    load_in_8bit: bool = Field(False, description="Load the base model in 8 bits (bitsandbytes); not with qlora.")

    # The method
    use_peft: bool = Field(True, description="Train an adapter; false trains every weight.")
    peft_method: PeftMethod = Field("lora", description="Adapter method.")
    lora_r: int = Field(16, ge=1, le=1024, description="Rank of LoRA and QLoRA.")
    lora_alpha: int = Field(32, ge=1, le=65_536, description="Scaling of the adapter (alpha / rank).")
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="Dropout on the adapter's input.")
    lora_target_modules: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default_factory=list,
        max_length=64,
        description="Module names to adapt; empty: every linear layer but the head.",
    )
    bnb_4bit_quant_type: Literal["nf4", "fp4"] = Field("nf4", description="4-bit data type of qlora.")
    bnb_4bit_use_double_quant: bool = Field(True, description="Quantise the quantisation constants too (qlora).")
    bnb_4bit_compute_dtype: Literal["bfloat16", "float16", "float32"] | None = Field(
        None, description="Data type of qlora's matrix products; left out: follows the training precision."
    )
    adalora_init_r: int = Field(12, ge=2, le=1024, description="Rank that AdaLoRA starts from.")
    adalora_target_r: int = Field(8, ge=1, le=1024, description="Average rank that AdaLoRA ends with.")
    adalora_tinit: int | None = Field(
        None, ge=0, le=100_000_000, description="Steps before AdaLoRA prunes; left out: 10 % of all steps."
    )
    adalora_tfinal: int | None = Field(
        None, ge=0, le=100_000_000, description="Last steps at the final ranks; left out: 30 % of all steps."
    )
    adalora_delta_t: int = Field(10, ge=1, le=1_000_000, description="Steps between two rank allocations (deltaT).")
    adalora_beta1: float = Field(0.85, gt=0, lt=1, description="Smoothing of AdaLoRA's importance.")
    adalora_beta2: float = Field(0.85, gt=0, lt=1, description="Smoothing of the importance's uncertainty.")
    adalora_orth_reg_weight: float = Field(0.1, ge=0, le=1000, description="Weight of the orthogonality penalty.")

    # Cadence
    logging_steps: int = Field(10, ge=1, le=1_000_000, description="Steps between two lines of the training log.")
    eval_strategy: Literal["no", "steps", "epoch"] | None = Field(
        None, description="When to evaluate; left out: each epoch if there is a validation file."
    )
    eval_steps: int | None = Field(
        None,
        ge=1,
        le=100_000_000,
        description="Steps between evaluations (eval_strategy steps); left out: logging_steps.",
    )
    save_steps: int | None = Field(
        None, ge=1, le=100_000_000, description="Steps between checkpoints; left out: about ten in a run."
    )
    save_total_limit: int = Field(3, ge=1, le=1000, description="Checkpoints kept; older ones are removed.")

    # Results
    output_dir: Path = Field("", description="Folder on the outputs volume; empty: the job's own.")
    report_to: list[Literal["tensorboard"]] = Field(
        default_factory=list, max_length=1, description="Trackers that also get the metrics."
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            fields=("train_file", "dataset_path"),
            holds=lambda c: bool(c.train_file or c.dataset_path),
            cel="size(self.train_file) > 0 || size(self.dataset_path) > 0",
            message="is empty: name the JSONL file to train on, or set dataset_path to a folder with a train.jsonl",
        ),
        Rule(
            fields=("validation_file", "train_file"),
            holds=lambda c: not c.validation_file or c.validation_file != c.train_file,
            cel="size(self.validation_file) == 0 || self.validation_file != self.train_file",
            message="is the training file itself: name another file, or leave it empty",
        ),
        Rule(
            fields=("max_steps",),
            holds=lambda c: c.max_steps != 0,
            cel="self.max_steps != 0",
            message="0 would train nothing: give a number above 0, or -1 to follow num_train_epochs",
        ),
        Rule(
            fields=("warmup_ratio", "warmup_steps"),
            holds=lambda c: not (c.warmup_ratio and c.warmup_steps),
            cel="self.warmup_ratio == 0.0 || self.warmup_steps == 0",
            message="and warmup_steps say the same thing: set one of them",
        ),
        Rule(
            fields=("fp16", "bf16"),
            holds=lambda c: not (c.fp16 and c.bf16),
            cel="!self.fp16 || !has(self.bf16) || !self.bf16",
            message="and bf16 exclude each other: set one of them to false",
        ),
        Rule(
            fields=("peft_method", "use_peft"),
            holds=lambda c: c.use_peft or c.peft_method == "lora",
            cel="self.use_peft || self.peft_method == 'lora'",
            message="qlora and adalora train an adapter: set use_peft to true",
        ),
        Rule(
            fields=("load_in_8bit", "use_peft", "peft_method"),
            holds=lambda c: not c.load_in_8bit or (c.use_peft and c.peft_method != "qlora"),
            cel="!self.load_in_8bit || (self.use_peft && self.peft_method != 'qlora')",
            message="needs use_peft with lora or adalora: qlora loads the model in 4 bits already",
        ),
        Rule(
            fields=("adalora_init_r", "adalora_target_r"),
            holds=lambda c: c.adalora_init_r > c.adalora_target_r,
            cel="self.adalora_init_r > self.adalora_target_r",
            message="must be above adalora_target_r: AdaLoRA prunes ranks away",
        ),
        Rule(
            fields=("eval_strategy", "validation_file"),
            holds=lambda c: c.eval_strategy in (None, "no") or bool(c.validation_file or c.dataset_path),
            cel="!has(self.eval_strategy) || self.eval_strategy == 'no' "
            "|| size(self.validation_file) > 0 || size(self.dataset_path) > 0",
            message="asks for evaluation but there is nothing to evaluate on: set validation_file",
        ),
    )
