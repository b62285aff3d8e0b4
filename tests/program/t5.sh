# A T5 in a folder: the methods that take one learn on it, it is evaluated and continues prompts; other methods say so.
source "$(dirname "$0")/common.sh" "$@"
cd "$scratch" || exit 1

# write_t5 FOLDER: a small T5 1.1 with weights from a fixed draw, and a tokenizer whose pieces are the printable ASCII characters.
write_t5() {
  mkdir -p "$1"
  local pieces='["<pad>",0],["</s>",0],["<unk>",-20],["▁",-3]' code character
  for code in $(seq 33 126); do
    character=$(printf "\\$(printf %03o "$code")")
    [[ $character == '"' || $character == "\\" ]] && character="\\$character"
    pieces+=",[\"$character\",-3]"
  done
  printf '{"added_tokens":[{"id":0,"content":"<pad>","special":true},{"id":1,"content":"</s>","special":true}],"normalizer":null,' >"$1/tokenizer.json"
  printf '"pre_tokenizer":{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true},"decoder":{"type":"Metaspace",' >>"$1/tokenizer.json"
  printf '"replacement":"▁","prepend_scheme":"always"},"model":{"type":"Unigram","unk_id":2,"vocab":[%s]}}\n' "$pieces" >>"$1/tokenizer.json"
  printf '{"eos_token":"</s>","pad_token":"<pad>"}\n' >"$1/tokenizer_config.json"
  printf '{"model_type":"t5","vocab_size":100,"d_model":16,"d_kv":8,"d_ff":24,"num_layers":1,"num_heads":2,"feed_forward_proj":"gated-gelu",' >"$1/config.json"
  printf '"relative_attention_num_buckets":8,"relative_attention_max_distance":32,"tie_word_embeddings":false,"n_positions":128}\n' >>"$1/config.json"
  local names="shared.weight:100,16 lm_head.weight:100,16" stack mix map layer
  for stack in encoder decoder; do
    names+=" $stack.final_layer_norm.weight:16 $stack.block.0.layer.0.SelfAttention.relative_attention_bias.weight:8,2"
    layer=0
    for mix in SelfAttention EncDecAttention; do
      [[ $stack == encoder && $mix == EncDecAttention ]] && continue
      for map in q k v o; do names+=" $stack.block.0.layer.$layer.$mix.$map.weight:16,16"; done
      names+=" $stack.block.0.layer.$layer.layer_norm.weight:16"
      layer=$((layer + 1))
    done
    names+=" $stack.block.0.layer.$layer.layer_norm.weight:16 $stack.block.0.layer.$layer.DenseReluDense.wo.weight:16,24"
    for map in wi_0 wi_1; do names+=" $stack.block.0.layer.$layer.DenseReluDense.$map.weight:24,16"; done
  done
  local header= at=0 one shape count
  for one in $names; do
    shape=${one##*:}
    count=$((2 * ${shape/,/*}))
    header+="${header:+,}\"${one%:*}\":{\"dtype\":\"BF16\",\"shape\":[$shape],\"data_offsets\":[$at,$((at + count))]}"
    at=$((at + count))
  done
  header="{$header}"
  local length=${#header} byte
  {
    for byte in 0 1 2 3 4 5 6 7; do printf "\\$(printf %03o $((length >> (8 * byte) & 255)))"; done
    printf %s "$header"
    # numbers between 1/8 and 1/2 in size, of both signs
    LC_ALL=C awk -v n=$((at / 2)) 'BEGIN { srand(7); for (i = 0; i < n; ++i) printf "%c%c", 1 + int(126 * rand()), (rand() < 0.5 ? 62 : 190) }'
  } >"$1/model.safetensors"
}

write_t5 t5
"$cmoe" inspect t5 | grep -q 'EncDecAttention' || fail "inspect of a T5 folder"
"$cmoe" generate --model t5 --prompt 'COPY: abc' --max-tokens 4 --json --quiet >made.json || fail "generate --model of a T5"
grep -q '"prompt_ids":\[[0-9,]*,1\]' made.json || fail "a T5's prompt does not end with </s>: $(cat made.json)"
grep -q '"ids":\[[0-9]' made.json || fail "a T5 says nothing: $(cat made.json)"
printf 'the boy eats the wet fox, and the wet fox eats the boy, and so on.\n' >text.txt
"$cmoe" evaluate --model t5 --text text.txt --window 24 --prompt-tokens 8 --json --quiet | grep -q '"perplexity"' || fail "evaluate --model of a T5"
for method in seqft seqlora replay pertask multitask dapt; do
  "$cmoe" learn --model t5 --method $method --order cipher,reverse --task-steps 3 --train-limit 8 --test-limit 2 --out run-$method --json --quiet >$method.json ||
    fail "learn --method $method on a T5"
  grep -q '"AP"' $method.json || fail "$method on a T5 has no metrics"
done
"$cmoe" learn --model t5 --method dapt --dapt-preset paper --dapt-generator-steps 2 --order cipher,reverse --task-steps 2 --train-limit 8 --test-limit 2 --out paper --quiet >/dev/null ||
  fail "DAPT in the paper's form on a T5"
"$cmoe" inspect run-dapt | grep -q '^experts *2$' || fail "inspect shows no experts of DAPT on a T5"
"$cmoe" generate --run run-dapt --prompt 'REVERSE: abc' --max-tokens 3 --json --quiet | grep -q '"ids":\[' || fail "generate --run of a T5"
"$cmoe" evaluate --run run-dapt --text text.txt --window 24 --prompt-tokens 8 --json --quiet | grep -q '"perplexity"' || fail "evaluate --run of a T5"
for method in pmoe seta moduleformer l2p olora; do
  expect_error 1 "is a T5; the methods seqft, seqlora, replay, pertask, multitask and dapt take one, $method does not" -- \
    learn --model t5 --method $method --order cipher --task-steps 1 --out refused --quiet
done
expect_error 1 "a T5 takes lora" -- learn --model t5 --method dapt --dapt-blocks prompt --order cipher --task-steps 1 --out refused --quiet
expect_error 1 "is a T5; what is learnt on decoders of the Llama family can be exported" -- export --run run-dapt --format safetensors --out refused --quiet
sed -i 's/gated-gelu/gated-silu/' t5/config.json
expect_error 1 "'feed_forward_proj' is gated-silu" -- generate --model t5 --prompt a --quiet
[[ ! -e refused ]] || fail "a refused command left a folder"
finish
