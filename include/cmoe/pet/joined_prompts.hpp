// Joined prompts: one prompt a task, the newest in front of all earlier ones.
#pragma once

#include "cmoe/pet/prefix.hpp"

namespace cmoe {

// [P_t; P_{t−1}; …; P_1; x]                                                        progressive prompts, arXiv 2301.12314
// The gates say how many: with gates (N,t) the first t prompts are joined, whatever the gates' values. Freezing the old prompts is
// the learner's task. ours: no residual network over the prompts
struct JoinedPrompts {
  struct Config : Prompt::Config {
    Index tasks = 64;  // the most prompts that may be joined: positions are kept for them
  };
  static Index room(const Config& config) { return config.length * config.tasks; }

  template <class B>
  struct On {
    std::vector<Prompt::Block<B>> blocks;

    // gates (N,t) -> (N,t·M,C)
    Tensor<B> prompts(const Flow<B>& flow, Index sequences) const {
      if (blocks.empty() || !flow.gates) return {};
      const Index joined = flow.gates.shape()[1];
      check(joined <= static_cast<Index>(blocks.size()) && flow.gates.shape()[0] == sequences, ErrorKind::misuse, "joined prompts: gates ",
            flow.gates.shape(), " for ", sequences, " sequences and ", blocks.size(), " prompts");
      std::vector<Tensor<B>> rows;
      for (Index e = joined; e-- > 0;) rows.push_back(blocks[static_cast<std::size_t>(e)].rows);
      const Tensor<B> all = concat_rows(rows);  // (t·M,C)
      const Shape one = all.shape();
      const Tensor<B> every({sequences, 1}, typename B::Scalar(1));
      return reshape(matmul(every, reshape(all, {1, one.size()})), {sequences, one[0], one[1]});
    }
    void grow(Index width, const Config& config, const Rng& rng) {
      check(static_cast<Index>(blocks.size()) < config.tasks, ErrorKind::config, "joined prompts: positions are kept for ", config.tasks,
            " tasks only");
      blocks.emplace_back(width, config, rng.fork(static_cast<std::uint64_t>(blocks.size())));
    }
    using Backend = B;
    static void visit(auto& self, auto&& v) { v("prompts", self.blocks); }
  };
};

}  // namespace cmoe
