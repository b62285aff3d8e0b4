# Bad input: one line that says what is wrong, status 1 (2 for usage), and nothing that was there is lost.
source "$(dirname "$0")/common.sh" "$@"
cd "$scratch" || exit 1

expect_error 2 "--no-such-option" -- learn --method pmoe --out x --no-such-option
expect_error 2 "subcommand" --
expect_error 2 "--task-steps" -- learn --method pmoe --out x --task-steps 0
expect_error 1 "'nothing' is unknown; there are pmoe" -- learn --method nothing --out x
expect_error 1 "none.bin" -- generate --model none.bin --tokenizer none.tok --prompt a
head -c 40 /dev/zero >short.gguf
mkdir -p no-weights bert && echo '{"model_type": "bert"}' >bert/config.json
echo '{"model_type": "llama", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 8}' >no-weights/config.json
expect_error 1 "not a GGUF file" -- generate --model short.gguf --prompt a
expect_error 1 "none.gguf" -- inspect none.gguf
expect_error 1 "'model_type' is bert" -- generate --model bert --prompt a
expect_error 1 "neither model.safetensors nor" -- generate --model no-weights --prompt a
expect_error 1 "neither 'builtin' nor" -- generate --model some.pt --tokenizer x --prompt a
expect_error 1 "none" -- learn --method seqft --stream none --out x
mkdir -p empty-stream empty-task/task bad-text
echo '[]' | tee empty-task/task/train.json >empty-task/task/test.json
printf 'caf\xe9 au lait\n' >bad-text/latin1.txt
expect_error 1 "empty-stream" -- learn --method seqft --stream empty-stream --out x
expect_error 1 "empty-task" -- learn --method seqft --stream empty-task --out x
expect_error 1 "UTF-8" -- learn --method seqft --stream bad-text --out x
expect_error 1 "UTF-8" -- tokenize --text $'\xff'
expect_error 1 "no such" -- inspect nowhere
expect_error 1 "--temperature" -- generate --prompt a --temperature -1 --quiet
expect_error 1 "context" -- generate --quiet --prompt "$(head -c 2000 /dev/zero | tr '\0' a)"
expect_error 1 "needs a ModuleFormer" -- learn --method moduleformer --model x.bin --tokenizer y --out x --stream builtin
expect_error 1 "'no-task'; the stream has reverse" -- learn --method seqft --order no-task --out x
head -c 40 /dev/zero >short.bin
head -c 40 /dev/zero >short.tok
expect_error 1 "short" -- generate --model short.bin --tokenizer short.tok --prompt a

# A run is not overwritten, and a checkpoint of other options or with NaN is refused.
"$cmoe" learn --method seqlora --order cipher --task-steps 2 --test-limit 4 --out run --quiet >/dev/null || fail "a small run"
before=$(sha256sum run/checkpoint/state.safetensors)
expect_error 1 "already holds a run" -- learn --method seqlora --order cipher --task-steps 2 --test-limit 4 --out run --quiet
expect_error 1 "other options" -- learn --method seqlora --order cipher --task-steps 3 --test-limit 4 --out run --quiet --resume
[[ $before == "$(sha256sum run/checkpoint/state.safetensors)" ]] || fail "a refused run changed the checkpoint"
cp -r run nan-run
python3 - nan-run/checkpoint/state.safetensors <<'P' 2>/dev/null || { size=$(stat -c %s nan-run/checkpoint/state.safetensors); printf '\xff\xff\xff\x7f' | dd of=nan-run/checkpoint/state.safetensors bs=1 seek=$((size - 4)) conv=notrunc 2>/dev/null; }
import sys
with open(sys.argv[1], 'r+b') as f: f.seek(-4, 2); f.write(b'\xff\xff\xff\x7f')
P
expect_error 1 "not finite" -- generate --run nan-run --prompt a --quiet
head -c 1000 run/checkpoint/state.safetensors >cut && cp cut nan-run/checkpoint/state.safetensors
expect_error 1 "state.safetensors" -- generate --run nan-run --prompt a --quiet

# A disk that is full (here: a limit on the size of files) leaves the old checkpoint as it was.
(
  ulimit -f 64
  trap '' XFSZ
  "$cmoe" learn --method seqlora --order cipher --task-steps 4 --test-limit 4 --out full --quiet >/dev/null 2>"$scratch/stderr"
  [[ $? -eq 1 ]]
) || fail "a full disk is not an error: $(cat "$scratch/stderr")"
[[ $(wc -l <"$scratch/stderr") -eq 1 ]] || fail "a full disk: $(cat "$scratch/stderr")"
[[ -z $(find full -name '*.tmp.*' 2>/dev/null) ]] || fail "a temporary file was left behind"
finish
