// A pool of prompts, of which each sequence gets the few that suit it best.
#pragma once

#include "cmoe/ops/index.hpp"
#include "cmoe/pet/prefix.hpp"

namespace cmoe {

// The `chosen` prompts with the largest gates, largest first, in front of the sequence.                  L2P, arXiv 2112.08654
// The gates (N,prompts) are similarities: they choose and do not weigh, and get no gradient from here. Made by the first grow().
struct PromptPool {
  struct Config : Prompt::Config {
    Index prompts = 10;
    Index chosen = 3;
    Config() { length = 5; }
  };
  static Index room(const Config& config) { return config.length * config.chosen; }

  template <class B>
  struct On {
    Param<B> rows;  // (prompts, M·C)
    Index chosen = 0, length = 0;

    // gates (N,prompts) -> (N,chosen·M,C)
    Tensor<B> prompts(const Flow<B>& flow, Index sequences) const {
      if (!rows || !flow.gates) return {};
      check(flow.gates.shape() == Shape({sequences, rows.shape()[0]}), ErrorKind::misuse, "prompt pool: gates ", flow.gates.shape(), " for ",
            sequences, " sequences and ", rows.shape()[0], " prompts");
      const Tensor<B> picked = gather_rows<B>(rows, top_k(flow.gates.detach(), chosen).ids);  // (N,chosen,M·C)
      return reshape(picked, {sequences, chosen * length, rows.shape()[1] / length});
    }
    void grow(Index width, const Config& config, const Rng& rng) {
      if (rows) return;
      check(config.length > 0 && config.chosen > 0 && config.chosen <= config.prompts, ErrorKind::config, "prompt pool: ", config.chosen,
            " of ", config.prompts, " prompts of length ", config.length);
      rows = init::normal<B>({config.prompts, config.length * width}, config.deviation, rng.fork("rows"));
      chosen = config.chosen;
      length = config.length;
    }
    using Backend = B;
    static void visit(auto& self, auto&& v) { v("rows", self.rows); }
  };
};

}  // namespace cmoe
