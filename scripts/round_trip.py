"""What scripts/round_trip runs: cmoe's files read by PEFT, transformers and gguf, and PEFT's adapters read by cmoe.

Each line says what was compared, the largest difference of the logits over the largest logit, and "ok" up to 1e-5.
"""
import json
import logging
import os
import subprocess
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("CMOE_BUILTIN_STEPS", "40")

import gguf
import numpy
import torch
import transformers
from peft import IA3Config, LoraConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

logging.disable(logging.WARNING)
transformers.utils.logging.disable_progress_bar()

program, scratch = sys.argv[1:]
os.chdir(scratch)
os.environ["CMOE_CACHE"] = os.path.join(scratch, "cache")
failures = 0


def cmoe(*arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"round_trip: cmoe {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def say(what, difference, most=1e-5):
    global failures
    good = difference <= most
    failures += not good
    print(f"{what:<72} {difference:8.1e}  {'ok' if good else 'WRONG'}", flush=True)


def deviation(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(numpy.abs(a - b).max() / numpy.abs(b).max())


def by_cmoe(*model):
    cmoe("evaluate", *model, "--text", "text.txt", "--logits", "logits.safetensors", "--quiet")
    found = load_file("logits.safetensors")
    return found["ids"], found["logits"]


def by_torch(model, ids):
    with torch.no_grad():
        logits = model(torch.tensor(ids[None].astype("int64"))).logits[0].numpy()
    return logits[-len(ids):]  # without the positions of a prompt


def base(folder="base"):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def learnt(method, *options):
    cmoe("learn", "--method", method, "--order", "cipher,reverse", "--task-steps", "8", "--batch", "8", "--test-limit", "2",
         "--out", "run-" + method, "--quiet", *options)
    return "run-" + method


def adapters_out():
    for method, task, more in [("seqlora", "", []), ("pmoe", "reverse", []), ("dapt", "cipher", []), ("olora", "", []),
                               ("pmoe", "", ["--gates", "0.25,0.75"]), ("progprompt", "reverse", [])]:
        run = "run-" + method if os.path.exists("run-" + method) else learnt(method)
        name = f"{method}{'-' + task if task else ''}{'-gates' if more else ''}"
        chosen = (["--task", task] if task else []) + more
        cmoe("export", "--run", run, "--format", "peft", "--out", "adapter-" + name, "--quiet", *chosen)
        ids, ours = by_cmoe("--model", "base", "--adapter", "adapter-" + name)
        plain = by_torch(base(), ids)
        theirs = by_torch(PeftModel.from_pretrained(base(), "adapter-" + name), ids)
        assert deviation(plain, theirs) > 1e-3, "the adapter does nothing"
        say(f"{name}: cmoe's adapter, read by PEFT", deviation(ours, theirs))
        if method == "progprompt":
            continue
        cmoe("export", "--run", run, "--format", "safetensors", "--out", "merged-" + name, "--quiet", *chosen)
        say(f"{name}: cmoe's merged folder, read by transformers, against PEFT", deviation(by_torch(base("merged-" + name), ids), theirs))


def gguf_out():
    tensors = {name: value.numpy() for name, value in base().state_dict().items() if name != "lm_head.weight"}
    heads = base().config.num_attention_heads, base().config.num_key_value_heads
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, base().config.num_hidden_layers)
    kinds = {"f32": gguf.GGMLQuantizationType.F32, "f16": gguf.GGMLQuantizationType.F16, "q8_0": gguf.GGMLQuantizationType.Q8_0}
    for word, kind in kinds.items():
        path = f"base-{word}.gguf"
        cmoe("export", "--model", "base", "--format", "gguf", "--type", word, "--out", path, "--quiet")
        stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
        wrong = len(stored) != len(tensors)
        for name, value in tensors.items():
            place = names.get_name(name, try_suffixes=(".weight",))
            for part, count in (("q_proj", heads[0]), ("k_proj", heads[1])):
                if part in name:  # rotary pairs lie side by side there
                    value = value.reshape(count, 2, value.shape[0] // count // 2, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
            wanted = gguf.quants.quantize(value, kind if value.ndim == 2 else gguf.GGMLQuantizationType.F32)
            found = stored[place]
            same = numpy.array_equal(numpy.asarray(found.data).view(numpy.uint8).ravel(), wanted.view(numpy.uint8).ravel())
            wrong += not (same and list(found.shape) == list(reversed(value.shape)))
        say(f"{path}: {len(stored)} tensors, read by gguf, that differ by any bit", wrong, 0)
    ids, ours = by_cmoe("--model", "base-f32.gguf")
    say("base-f32.gguf: read by cmoe, against transformers", deviation(ours, by_torch(base(), ids)))


def adapters_in():
    every = dict(task_type="CAUSAL_LM")
    configs = {
        "LoRA by a pattern, with rank_pattern": LoraConfig(r=4, lora_alpha=8, target_modules=r".*\.self_attn\.(q|v)_proj",
                                                          rank_pattern={r"layers\.1\.self_attn\.q_proj": 6}, alpha_pattern={"v_proj": 3}, **every),
        "rank-stabilised LoRA on all linear maps": LoraConfig(r=4, lora_alpha=4, use_rslora=True, target_modules="all-linear", **every),
        "DoRA in two layers": LoraConfig(r=4, use_dora=True, target_modules=["q_proj", "down_proj"], layers_to_transform=[0, 2], **every),
        "IA3": IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"], **every),
        "prompt tuning": PromptTuningConfig(num_virtual_tokens=5, **every),
    }
    generator = torch.Generator().manual_seed(1)
    for number, (name, config) in enumerate(configs.items()):
        model = get_peft_model(base(), config).eval()
        for parameter in (p for p in model.parameters() if p.requires_grad):
            parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=generator))
        model.save_pretrained(f"peft-{number}")
        ids, ours = by_cmoe("--model", "base", "--adapter", f"peft-{number}")
        say(f"{name}: PEFT's adapter, read by cmoe", deviation(ours, by_torch(model, ids)))


with open("text.txt", "w") as file:
    file.write("CIPHER: the boy eats the wet fox\nREVERSE: abc def\n")
print(f"peft {__import__('peft').__version__}, transformers {transformers.__version__}, torch {torch.__version__}")
cmoe("export", "--model", "builtin", "--format", "safetensors", "--out", "base", "--quiet")
tokens, logits = by_cmoe("--model", "base")
say("the built-in model as a folder, read by transformers", deviation(logits, by_torch(base(), tokens)))
adapters_out()
gguf_out()
adapters_in()
assert json.loads(cmoe("inspect", "peft-0", "--json"))["peft_type"] == "LORA"
print("round trip: " + ("all as expected" if failures == 0 else f"{failures} differ"))
sys.exit(failures > 0)
