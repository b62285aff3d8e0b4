// What a vocabulary that was read must be able to do.
#pragma once

#include <numeric>

#include "cmoe/io/tokenizer.hpp"
#include "fuzz.hpp"

namespace fuzz {

inline void use(const cmoe::TokenizerArrays& arrays) {
  using namespace cmoe;
  const Tokenizer tokenizer = make_tokenizer(arrays);
  for (const Id id : tokenizer.encode("hello  ab<|end|>A\tb 123 \xC3\xA9\xE7\x8C\xAB e\xCC\x81 </s>\xFF\n'S")) {
    expect(id >= 0 && id < tokenizer.size());
    (void)tokenizer.piece(id);
  }
  std::vector<Id> all(static_cast<std::size_t>(tokenizer.size()));
  std::iota(all.begin(), all.end(), 0);
  (void)tokenizer.decode(all);
}

}  // namespace fuzz
