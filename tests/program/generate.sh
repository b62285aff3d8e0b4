# generate: several prompts, stop strings, why a text ended, and conversations.
source "$(dirname "$0")/common.sh" "$@"
cd "$scratch" || exit 1
command -v python3 >/dev/null || exit 77

field() { grep -o "\"$1\":[^]},]*" | head -1 | cut -d: -f2-; }
made() { "$cmoe" generate --quiet --json "$@" 2>"$scratch/stderr" || fail "generate $*: $(cat "$scratch/stderr")"; }

# A model that repeats the last token of its prompt: why a text ended, and stop strings, which are never shown.
mkdir folder && python3 "$CMOE_SOURCE_DIR/tests/program/folder.py" folder || fail "making a folder"
answer() { made --model folder "$@" | tr -d ' '; }
[[ $(answer --prompt a --max-tokens 3) == *'"stopped":"limit","text":"aaa"'* ]] || fail "the limit: $(answer --prompt a --max-tokens 3)"
[[ $(answer --prompt a) == *'"stopped":"context"'* ]] || fail "the context: $(answer --prompt a)"
[[ $(answer --prompt 'a<bot>' --stop nowhere --stop '>' --stop 'ot><b') == *'"ids":[6],'*'"stopped":"stop","text":"<bot"'* ]] || fail "--stop '>'"
[[ $(answer --prompt 'a<bot>' --stop 't><b') == *'"ids":[6,6],'*'"stopped":"stop","text":"<bo"'* ]] || fail "--stop across tokens"
[[ $("$cmoe" generate --quiet --model folder --prompt 'a<bot>' --stop 't><b') == "<bo" ]] || fail "the text that is shown goes on behind --stop"
[[ $("$cmoe" generate --quiet --model folder --prompt 'a<bot>' --max-tokens 2 --stop '<bot><bot><') == "<bot><bot>" ]] || fail "what was withheld is lost"
expect_error 1 "a stop string is empty" -- generate --prompt a --stop '' --quiet
expect_error 1 "--repetition-penalty 0" -- generate --prompt a --repetition-penalty 0 --quiet
[[ $(made --prompt 'COPY: aaaa' --max-tokens 8 --repetition-penalty 5 | field ids) != "$(made --prompt 'COPY: aaaa' --max-tokens 8 | field ids)" ]] ||
  fail "--repetition-penalty changes nothing"

# Several prompts give what each gives alone.
printf 'COPY: abc\nREVERSE: q\r\n\nx\n' >prompts
made --prompts prompts --max-tokens 7 --temperature 1 --seed 4 >together
made --prompt 'COPY: abc' --prompt 'REVERSE: q' --prompt '' --prompt x --max-tokens 7 --temperature 1 --seed 4 >listed
for prompt in 'COPY: abc' 'REVERSE: q' '' x; do made --prompt "$prompt" --max-tokens 7 --temperature 1 --seed 4; done >alone
python3 - <<'P' || fail "several prompts: $(cat together listed alone)"
import json
together, listed, alone = json.load(open("together")), json.load(open("listed")), [json.loads(line) for line in open("alone")]
for all in (together, listed): assert [(r["ids"], r["text"], r["prompt_ids"], r["stopped"]) for r in all] == [(r["ids"], r["text"], r["prompt_ids"], r["stopped"]) for r in alone]
assert len(together) == 4
P
"$cmoe" generate --quiet --prompt a --prompt b --max-tokens 2 | grep -q '^==> b <==$' || fail "several prompts as text"
expect_error 1 "nothing to continue" -- generate --quiet
expect_error 1 "exclude each other" -- generate --prompt a --prompts prompts --quiet

# Conversations: a template of our own on the built-in model.
printf '%s' "{% for m in messages %}{{ '<' ~ m.role[0] ~ '>' ~ m.content }}{% if m.content == 'bad' %}{{ raise_exception('not that') }}{% endif %}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}" >form
expect_error 1 "brings no chat template; name one with --chat-template FILE" -- generate --chat --prompt a --quiet
expect_error 1 "the template refuses the messages: not that" -- generate --chat --chat-template form --prompt bad --quiet
expect_error 1 "need --chat" -- generate --prompt a --system b --quiet
expect_error 1 "takes one prompt" -- generate --chat --chat-template form --prompt a --prompt b --quiet
printf '{%% macro x() %%}' >macro
expect_error 1 "macro: line 1: the tag {% macro %} is not read" -- generate --chat --chat-template macro --prompt a --quiet
made --chat --chat-template form --system S --prompt hi --max-tokens 3 >one
printf 'hi\n\nyou\n/reset\nhi\n/quit\nnever\n' | made --chat --chat-template form --system S --max-tokens 3 >turns
python3 - <<'P' || fail "a conversation: $(cat one turns)"
import json
one, turns = json.load(open("one")), [json.loads(line) for line in open("turns")]
spelt = lambda ids: bytes(i for i in ids if i < 256).decode()
assert spelt(one["prompt_ids"]) == "<s>S<u>hi<a>", one
assert len(turns) == 3 and turns[0]["prompt_ids"] == turns[2]["prompt_ids"] == one["prompt_ids"] and turns[0]["ids"] == turns[2]["ids"] == one["ids"]
assert bytes(turns[1]["prompt_ids"]) == b"<s>S<u>hi<a>" + turns[0]["text"].encode() + b"<u>you<a>", turns
P
long=$(head -c 300 /dev/zero | tr '\0' x)
printf '%s\n%s\nend\n' "$long" "$long" | "$cmoe" generate --chat --chat-template form --system S --max-tokens 2 --json --quiet >turns 2>dropped || fail "a long conversation"
[[ $(grep -c 'of the oldest turns were dropped' dropped) -ge 1 ]] || fail "dropped turns are not said: $(cat dropped)"
python3 - <<'P' || fail "a long conversation: $(cat turns)"
import json
turns = [json.loads(line) for line in open("turns")]
assert all(bytes(t["prompt_ids"]).startswith(b"<s>S<u>") for t in turns) and len(turns) == 3
assert bytes(turns[1]["prompt_ids"]) == b"<s>S<u>" + b"x" * 300 + b"<a>", turns[1]
P

# A folder's own template, its marks, and further ids that end: <bot> is 6.
[[ $(answer --chat --prompt ab --max-tokens 3) == '{"ids":[6,6,6],"prompt_ids":[4,5,0,1,6],"stopped":"limit","text":"<bot><bot><bot>",'* ]] ||
  fail "a folder's template: $(answer --chat --prompt ab --max-tokens 3)"
[[ $(answer --prompt ab) == *'"prompt_ids":[0,1],'* ]] || fail "add_bos_token false: $(answer --prompt ab)"
[[ $(made --chat --tokenizer folder/vocab.json --model folder --prompt ab --max-tokens 1) == *'"prompt_ids":[4,5,0,1,6]'* ]] || fail "a tokenizer named by its file"
mkdir plain && cp folder/*.* plain && echo '{"tokenizer_class": "GPT2Tokenizer"}' >plain/tokenizer_config.json
expect_error 1 "plain brings no chat template" -- generate --model plain --tokenizer plain --chat --prompt a --quiet
[[ $(made --chat --tokenizer folder/vocab.json --model plain --prompt ab --max-tokens 1) == *'"prompt_ids":[4,5,0,1,6]'* ]] || fail "the template beside a tokenizer"
sed -i 's/"add_bos_token": false/"add_bos_token": true/' folder/tokenizer_config.json
[[ $(answer --prompt ab) == *'"prompt_ids":[4,0,1],'* ]] || fail "add_bos_token true: $(answer --prompt ab)"
echo '{"eos_token_id": [7, 6]}' >folder/generation_config.json
[[ $(answer --chat --prompt ab) == '{"ids":[],"prompt_ids":[4,5,0,1,6],"stopped":"end","text":"",'* ]] || fail "generation_config.json: $(answer --chat --prompt ab)"
finish
