// The sizes of an encoder-decoder, and which of them make sense.
#pragma once

#include "cmoe/models/decoder_config.hpp"

namespace cmoe {

// T5 1.0 as it is; 1.1 has gated = true, activation gelu_tanh, scaled_output = false and as a rule tied = false.
struct T5Config {
  Index vocabulary = 260;
  Index width = 128;         // C
  Index encoder_layers = 3, decoder_layers = 3;
  Index heads = 4;           // H
  Index head_size = 32;      // D, apart from width / heads
  Index hidden = 256;        // F
  Index context = 512;       // tokens that generation makes room for: positions are distances, no table ends there
  Index buckets = 32;        // of distances
  Index max_distance = 128;  // the last bucket holds this and all beyond
  double norm_epsilon = 1e-6;
  Activation activation = Activation::relu;
  bool gated = false;
  bool tied = true;           // the output layer is the embedding's table
  bool scaled_output = true;  // what the output layer reads is divided by √C
  Id start = 0;               // what the decoder reads first

  // throws Error naming the first size that makes no sense
  void validate() const {
    const auto positive = [](Index n, const char* name) { check(n > 0, ErrorKind::config, "t5: ", name, " is ", n, ", it must be positive"); };
    positive(vocabulary, "vocabulary");
    positive(width, "width");
    positive(encoder_layers, "encoder_layers");
    positive(decoder_layers, "decoder_layers");
    positive(heads, "heads");
    positive(head_size, "head_size");
    positive(hidden, "hidden");
    positive(context, "context");
    check(norm_epsilon > 0, ErrorKind::config, "t5: norm_epsilon is ", norm_epsilon, ", it must be positive");
    check(start >= 0 && start < vocabulary, ErrorKind::config, "t5: the start token ", start, " is not one of ", vocabulary);
  }
};

}  // namespace cmoe
