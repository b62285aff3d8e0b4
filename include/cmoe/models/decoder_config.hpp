// The sizes of a decoder, and which of them make sense.
#pragma once

#include "cmoe/attention/causal.hpp"
#include "cmoe/nn/mlp.hpp"
#include "cmoe/nn/norm.hpp"

namespace cmoe {

// Where a decoder's tokens learn where they stand: queries and keys are rotated, or a trained table is added to the embeddings.
enum class Positions { rotary, learned };

// A decoder of the Llama family, with what Qwen2 and Qwen3 add; or GPT-2.
struct DecoderConfig {
  Index vocabulary = 260;
  Index width = 128;      // C
  Index layers = 5;       // L
  Index heads = 4;        // H
  Index kv_heads = 4;     // groups of keys and values, divides heads
  Index head_size = 0;    // D; 0 means width / heads
  Index hidden = 256;     // F
  Index context = 128;    // positions in the rotary table, or in the trained one
  double norm_epsilon = 1e-5;
  double rotary_base = 10000;
  RotaryLayout rotary_layout = RotaryLayout::halves;
  bool tied = true;       // the output layer is the embedding's table
  bool qkv_bias = false;  // queries, keys and values are shifted: Qwen2
  bool bias = false;      // all maps of the blocks are shifted: GPT-2
  bool head_norm = false;  // queries and keys are normalised head by head, before the rotation: Qwen3
  RotaryScaling rotary_scaling = {};
  Positions positions = Positions::rotary;
  NormKind norm = NormKind::rms;  // of the residual stream
  Activation activation = Activation::silu;
  bool gated = true;  // the feed-forward layer has a gate

  // The parts that GPT-2 has in place of Llama's, in the usual small sizes.
  static DecoderConfig gpt2() {
    DecoderConfig c;
    c.bias = true;
    c.positions = Positions::learned;
    c.norm = NormKind::layer;
    c.activation = Activation::gelu_tanh;
    c.gated = false;
    return c;
  }

  Index head() const { return head_size > 0 ? head_size : width / heads; }

  // throws Error naming the first size that makes no sense
  void validate() const {
    const auto positive = [](Index n, const char* name) { check(n > 0, ErrorKind::config, "decoder: ", name, " is ", n, ", it must be positive"); };
    positive(vocabulary, "vocabulary");
    positive(width, "width");
    positive(layers, "layers");
    positive(heads, "heads");
    positive(kv_heads, "kv_heads");
    positive(hidden, "hidden");
    positive(context, "context");
    check(heads % kv_heads == 0, ErrorKind::config, "decoder: ", heads, " heads are not a multiple of ", kv_heads, " key heads");
    check(head_size >= 0, ErrorKind::config, "decoder: head_size is ", head_size);
    check(head_size > 0 || width % heads == 0, ErrorKind::config, "decoder: width ", width, " is not a multiple of ", heads, " heads");
    check(norm_epsilon > 0, ErrorKind::config, "decoder: norm_epsilon is ", norm_epsilon, ", it must be positive");
    check(rotary_base > 0, ErrorKind::config, "decoder: rotary_base is ", rotary_base, ", it must be positive");
    rotary_scaling.validate(head());
  }
};

// Whether the pretrained weights of a new model are drawn, or left without values for whoever assigns every one: readers of files,
// copy_parameters, share_parameters.
enum class Pretrained { drawn, unfilled };

// What a model gives for ids (N,T): scores of the next token, and the sum of its auxiliary losses (empty: it has none).
template <class B>
struct Scores {
  Tensor<B> logits;     // (N,T,V), or (R,V) where Flow::scored asks for R positions
  Tensor<B> auxiliary;  // scalar
};

}  // namespace cmoe
