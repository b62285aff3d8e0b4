# Makes a Hugging Face folder with a decoder that repeats its last token, a vocabulary of nine and a chat template.
import json, os, struct, sys

out = sys.argv[1]
size, width, hidden = 9, 12, 4
square = [0.0] * (width * width)
tensors = {"model.embed_tokens.weight": ([size, width], [float(i == j) for i in range(size) for j in range(width)]),
           "model.norm.weight": ([width], [1.0] * width),
           "model.layers.0.input_layernorm.weight": ([width], [1.0] * width),
           "model.layers.0.post_attention_layernorm.weight": ([width], [1.0] * width)}
for name in "qkvo": tensors[f"model.layers.0.self_attn.{name}_proj.weight"] = ([width, width], square)
for name, shape in (("gate", [hidden, width]), ("up", [hidden, width]), ("down", [width, hidden])):
    tensors[f"model.layers.0.mlp.{name}_proj.weight"] = (shape, [0.0] * (hidden * width))
header, data = {}, b""
for name, (shape, values) in sorted(tensors.items()):
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + 4 * len(values)]}
    data += struct.pack(f"<{len(values)}f", *values)
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
write = lambda name, content: open(os.path.join(out, name), "w").write(content if isinstance(content, str) else json.dumps(content))
open(os.path.join(out, "model.safetensors"), "wb").write(struct.pack("<Q", len(text)) + text + data)
write("config.json", {"model_type": "llama", "vocab_size": size, "hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 2,
                      "intermediate_size": hidden, "max_position_embeddings": 32, "tie_word_embeddings": True, "eos_token_id": 7})
write("vocab.json", {"a": 0, "b": 1, "c": 2, "d": 3})
write("merges.txt", "#version: 0.2\n")
added = {str(4 + i): {"content": token, "special": True} for i, token in enumerate(["<s>", "<user>", "<bot>", "</s>", "<end>"])}
write("tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "added_tokens_decoder": added, "bos_token": "<s>", "eos_token": "</s>",
                                "add_bos_token": False,
                                "chat_template": "{{ bos_token }}{% for m in messages %}<user>{{ m.content }}{% endfor %}<bot>"})
