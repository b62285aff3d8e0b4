// Prompts: trained vectors put in front of a sequence.                                   prompt tuning: arXiv 2104.08691
#pragma once

#include <concepts>

#include "cmoe/nn/flow.hpp"
#include "cmoe/nn/init.hpp"
#include "cmoe/nn/module.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/matmul.hpp"

namespace cmoe {

// The recipe of prompts: `prompts` gives (N,M,C) vectors for N sequences, or an empty tensor; `grow` is called when a task is
// added. `room` says the largest M, for which the model keeps positions.
template <class R, class B>
concept Prefix = requires(const typename R::template On<B>& prefix, typename R::template On<B>& own, const Flow<B>& flow, Index size,
                          const typename R::Config& config, const Rng& rng) {
  { prefix.prompts(flow, size) } -> std::same_as<Tensor<B>>;
  own.grow(size, config, rng);
  { R::room(config) } -> std::same_as<Index>;
};

// No prompts, and nothing more to pay.
struct NoPrefix {
  struct Config {};
  static Index room(const Config&) { return 0; }
  template <class B>
  struct On {
    Tensor<B> prompts(const Flow<B>&, Index) const { return {}; }
    void grow(Index, const Config&, const Rng&) {}
    using Backend = B;
    static void visit(auto&, auto&&) {}
  };
};

// M vectors of the model's width, drawn normal with a small deviation.
struct Prompt {
  struct Config {
    Index length = 8;         // M
    double deviation = 0.02;
  };
  template <class B>
  struct Block {
    Param<B> rows;  // (M,C)
    Block(Index width, const Config& config, const Rng& rng)
        : rows((check(config.length > 0, ErrorKind::config, "prompt: the length ", config.length, " is not positive"),
                init::normal<B>({config.length, width}, config.deviation, rng.fork("rows")))) {}
    using Backend = B;
    static void visit(auto& self, auto&& v) { v("rows", self.rows); }
  };
};

// One prompt a task, mixed by the gates of the sequence: P = Σ_e g_e P_e.              DAPT over prompts, MoCL's composition
struct MixedPrompts {
  using Config = Prompt::Config;
  static Index room(const Config& config) { return config.length; }

  template <class B>
  struct On {
    std::vector<Prompt::Block<B>> blocks;

    Tensor<B> prompts(const Flow<B>& flow, Index sequences) const {
      if (blocks.empty() || !flow.gates) return {};
      const Index active = flow.gates.shape()[1];
      check(active <= static_cast<Index>(blocks.size()) && flow.gates.shape()[0] == sequences, ErrorKind::misuse, "prompts: gates ",
            flow.gates.shape(), " for ", sequences, " sequences and ", blocks.size(), " prompts");
      const Shape one = blocks[0].rows.shape();
      std::vector<Tensor<B>> rows;
      for (Index e = 0; e < active; ++e) rows.push_back(reshape(blocks[static_cast<std::size_t>(e)].rows, {1, one.size()}));
      return reshape(matmul(flow.gates, concat_rows(rows)), {sequences, one[0], one[1]});
    }
    void grow(Index width, const Config& config, const Rng& rng) {
      blocks.emplace_back(width, config, rng.fork(static_cast<std::uint64_t>(blocks.size())));
    }
    using Backend = B;
    static void visit(auto& self, auto&& v) { v("prompts", self.blocks); }
  };
};

namespace detail {

// Sequences put one behind the other: (N,M,C), (N,T,C) -> (N,M+T,C)
template <class B>
Tensor<B> join_sequences(const Tensor<B>& front, const Tensor<B>& back) {
  const Shape &f = front.shape(), &b = back.shape();
  check(f.rank() == 3 && b.rank() == 3 && f[0] == b[0] && f[2] == b[2], "join_sequences: ", f, " before ", b);
  return reshape(concat_columns<B>({reshape(front, {f[0], f[1] * f[2]}), reshape(back, {b[0], b[1] * b[2]})}), {f[0], f[1] + b[1], f[2]});
}

// The last positions of each sequence: (N,T,C) -> (N,T-count,C)
template <class B>
Tensor<B> drop_front(const Tensor<B>& x, Index count) {
  const Shape& s = x.shape();
  return reshape(slice_columns(reshape(x, {s[0], s[1] * s[2]}), count * s[2], s[1] * s[2]), {s[0], s[1] - count, s[2]});
}

}  // namespace detail

}  // namespace cmoe
