# What was learnt leaves as adapters, merged folders and GGUF files, and comes back as it was; what cannot leave is refused by name.
source "$(dirname "$0")/common.sh" "$@"
cd "$scratch" || exit 1
printf 'CIPHER: the boy eats the wet fox\nREVERSE: abc\n' >text.txt

run() { "$cmoe" "$@" --quiet >out.txt 2>err.txt || fail "$*: $(cat err.txt)"; }
nll() { "$cmoe" evaluate "$@" --text text.txt --json --quiet 2>/dev/null | grep -o '"nll":[0-9.]*' | cut -d: -f2; }
# near A B: the same to 1e-5, and neither is missing.
near() { awk -v a="${1:-0}" -v b="${2:-1}" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 < 1e-10) }'; }

run export --model builtin --format safetensors --out base
plain=$(nll --model base)
near "$plain" "$(nll --model builtin)" || fail "the built-in model as a folder: nll $plain instead of $(nll --model builtin)"

# One task alone: a gate over one expert is 1, so the run itself, its adapter and its merged folder are one model.
for method in pmoe dapt seta seqlora; do
  run learn --method $method --order cipher --task-steps 4 --batch 4 --test-limit 2 --out one-$method
  wanted=$(nll --run one-$method)
  near "$wanted" "$plain" && fail "$method learnt nothing"
  task=(--task cipher)
  [[ $method == seqlora ]] && task=()
  run export --run one-$method --format safetensors --out merged-$method "${task[@]}"
  near "$wanted" "$(nll --model merged-$method)" || fail "$method merged: nll $(nll --model merged-$method) instead of $wanted"
  [[ $method == seta ]] && continue
  run export --run one-$method --format peft --out adapter-$method "${task[@]}"
  near "$wanted" "$(nll --model base --adapter adapter-$method)" || fail "$method's adapter: nll $(nll --model base --adapter adapter-$method) instead of $wanted"
done
"$cmoe" inspect adapter-pmoe | grep -q '^peft_type *LORA$' || fail "inspect of an adapter"
run export --model base --adapter adapter-pmoe --format gguf --out merged.gguf
near "$(nll --run one-pmoe)" "$(nll --model merged.gguf)" || fail "an adapter merged into a GGUF file: nll $(nll --model merged.gguf)"
[[ $("$cmoe" tokenize --model merged.gguf --text 'AB é' --json) == '{"ids":[65,66,32,195,169],'* ]] || fail "the tokenizer of the GGUF file"
for type in f16 q8_0; do
  run export --model base --format gguf --type $type --out base-$type.gguf
  awk -v a="$(nll --model base-$type.gguf)" -v b="$plain" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 < 0.01) }' || fail "$type: nll $(nll --model base-$type.gguf) for $plain"
done

# Two tasks: a folder for each, or one choice; gates say the same to the adapter and to the merged weights.
for method in pmoe pertask; do
  run learn --method $method --order cipher,reverse --task-steps 3 --batch 4 --test-limit 2 --out two-$method
  run export --run two-$method --format peft --out each-$method
  [[ -s each-$method/cipher/adapter_config.json && -s each-$method/reverse/adapter_model.safetensors ]] || fail "$method: an adapter for each task"
  for choice in "--task reverse" "--gates 0.3,0.7"; do
    rm -rf a m
    run export --run two-$method --format peft --out a $choice
    run export --run two-$method --format safetensors --out m $choice
    near "$(nll --model base --adapter a)" "$(nll --model m)" || fail "$method $choice: the adapter and the merged folder differ"
  done
  near "$(nll --model base --adapter each-$method/cipher)" "$(nll --model base --adapter each-$method/reverse)" && fail "$method: both tasks have the same adapter"
done
run learn --method progprompt --order cipher --task-steps 3 --batch 4 --test-limit 2 --out one-progprompt
run export --run one-progprompt --format peft --out prompt --task cipher
near "$(nll --run one-progprompt)" "$(nll --model base --adapter prompt)" || fail "a prompt as an adapter"
"$cmoe" generate --model base --adapter prompt --prompt 'REVERSE: abc' --max-tokens 3 --json --quiet | grep -q '"ids":\[[0-9]' || fail "generate --adapter with a prompt"
"$cmoe" make-stream --out stream --tasks cipher >/dev/null
"$cmoe" evaluate --model base --adapter prompt --stream stream --test-limit 2 --json --quiet | grep -q '"cipher"' || fail "evaluate --adapter --stream"
cp -r base with-files && printf '{"a":0}' >with-files/vocab.json && printf '#version: 0.2\n' >with-files/merges.txt
run export --model with-files --format safetensors --type bf16 --out copied
cmp -s with-files/vocab.json copied/vocab.json && [[ -s copied/merges.txt ]] || fail "files of the tokenizer beside the model"
grep -q '"bfloat16"' copied/config.json || fail "--type bf16"
run export --run "$CMOE_CACHE/modular-run" --format safetensors --out modular
near "$(nll --run "$CMOE_CACHE/modular-run")" "$(nll --model modular)" || fail "a ModuleFormer as its own folder"

# What has no such form says so, and nothing that was there is lost.
run learn --method moelora --order cipher --task-steps 1 --test-limit 2 --out one-moelora
run learn --method l2p --order cipher --task-steps 1 --test-limit 2 --out one-l2p
for format in peft safetensors gguf; do expect_error 1 "routes every token anew" -- export --run one-moelora --format $format --out x --quiet; done
expect_error 1 "single entries of the weights" -- export --run one-seta --format peft --out x --quiet
expect_error 1 "chooses anew for every text" -- export --run one-l2p --format peft --out x --quiet
expect_error 1 "prompts stand before the tokens" -- export --run one-progprompt --format gguf --task cipher --out x --quiet
expect_error 1 "name --task (cipher, reverse) or --gates" -- export --run two-pmoe --format gguf --out x --quiet
expect_error 1 "the run has learnt cipher, reverse" -- export --run two-pmoe --format peft --task other --out x --quiet
expect_error 1 "3 weights for 2 tasks" -- export --run two-pmoe --format peft --gates 1,2,3 --out x --quiet
expect_error 1 "'a' is no number" -- export --run two-pmoe --format peft --gates 1,a --out x --quiet
expect_error 1 "no experts that gates weigh" -- export --run one-seqlora --format peft --gates 1 --out x --quiet
expect_error 1 "a model alone has no adapter" -- export --model builtin --format peft --out x --quiet
expect_error 1 "q8_0" -- export --model builtin --format safetensors --type q8_0 --out x --quiet
expect_error 2 "--format" -- export --model builtin --format onnx --out x --quiet
mkdir full && echo mine >full/mine
for format in peft safetensors gguf; do expect_error 1 "is there already" -- export --run one-seqlora --format $format --out full --quiet; done
[[ $(cat full/mine) == mine && $(ls full) == mine ]] || fail "a refused export changed the folder"
[[ ! -e x && -z $(ls -d ./*.tmp.* 2>/dev/null) ]] || fail "a refused export left something: $(ls)"

# Adapters that do not fit the model.
expect_error 1 "adapter_config.json" -- generate --model base --adapter full --prompt a --quiet
cp -r adapter-pmoe broken && sed -i 's/"LORA"/"VERA"/' broken/adapter_config.json
expect_error 1 "'peft_type' is VERA" -- generate --model base --adapter broken --prompt a --quiet
head -c 5000 adapter-pmoe/adapter_model.safetensors >cut && cp adapter-pmoe/adapter_config.json broken/ && cp cut broken/adapter_model.safetensors
expect_error 1 "adapter_model.safetensors" -- evaluate --model base --adapter broken --text text.txt --quiet
expect_error 1 "belong to decoders of the Llama family" -- generate --model modular --adapter adapter-pmoe --prompt a --quiet
finish
