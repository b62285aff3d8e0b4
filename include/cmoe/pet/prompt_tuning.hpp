// Prompt tuning: one prompt for all tasks, in front of every sequence.                                    arXiv 2104.08691
#pragma once

#include <optional>

#include "cmoe/pet/prefix.hpp"

namespace cmoe {

// [P; x] whatever the gates. Made by the first grow().
struct PromptTuning {
  using Config = Prompt::Config;
  static Index room(const Config& config) { return config.length; }

  template <class B>
  struct On {
    std::optional<Prompt::Block<B>> block;

    Tensor<B> prompts(const Flow<B>&, Index sequences) const {
      if (!block) return {};
      const Shape one = block->rows.shape();
      const Tensor<B> every({sequences, 1}, typename B::Scalar(1));
      return reshape(matmul(every, reshape(block->rows, {1, one.size()})), {sequences, one[0], one[1]});
    }
    void grow(Index width, const Config& config, const Rng& rng) {
      if (!block) block.emplace(width, config, rng);
    }
    using Backend = B;
    static void visit(auto& self, auto&& v) { v("prompt", self.block); }
  };
};

}  // namespace cmoe
