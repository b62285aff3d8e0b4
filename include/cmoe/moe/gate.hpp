// Sequence gates: one decision for a whole sequence, read from its prompt, taken between the shallow and the deep layers.
#pragma once

#include <concepts>

#include "cmoe/nn/linear.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/loss.hpp"
#include "cmoe/ops/norm.hpp"
#include "cmoe/ops/softmax.hpp"

namespace cmoe {

// Where a gate reads: (N,T,C) states and the prompt range -> (N,C) queries. It never sees answer tokens.
template <class P, class B>
concept Pool = requires(const Tensor<B>& states, const Flow<B>& flow) {
  { P::pool(states, flow) } -> std::same_as<Tensor<B>>;
};

// How a gate scores: (N,C) queries -> (N,E) weights of the E active experts.
template <class S, class B>
concept Scorer = requires(const typename S::template On<B>& scorer, typename S::template On<B>& own, const Tensor<B>& query) {
  { scorer.scores(query) } -> std::same_as<Tensor<B>>;
  { scorer.weights(query) } -> std::same_as<Tensor<B>>;
  own.grow();
};

// The mean over the prompt's tokens, normalised to root mean square 1.             PMoE, spec: ours (the paper says "deep feature")
struct PromptMean {
  template <class B>
  static Tensor<B> pool(const Tensor<B>& states, const Flow<B>& flow) {
    check(flow.prompt_first && flow.prompt_last, ErrorKind::misuse, "gate: the prompt's range is not set, a gate may read nothing else");
    return rms_norm(mean_of_range(states, flow.prompt_first, flow.prompt_last));
  }
};

// The state of the prompt's last token, normalised to root mean square 1.
struct LastPromptToken {
  template <class B>
  static Tensor<B> pool(const Tensor<B>& states, const Flow<B>& flow) {
    check(flow.prompt_first && flow.prompt_last, ErrorKind::misuse, "gate: the prompt's range is not set, a gate may read nothing else");
    std::vector<Id> last = flow.prompt_last.values(), before = last;
    for (Id& t : before) t = t > 0 ? t - 1 : 0;
    return rms_norm(mean_of_range(states, Ids<B>(flow.prompt_last.shape(), before), flow.prompt_last));
  }
};

// g = softmax(q Wᵀ / temperature), one row of W for each expert, starting at 0.     PMoE, arXiv 2407.21571 (linear, softmax)
struct LinearSoftmax {
  template <class B>
  struct On {
    Param<B> weight;      // (E,C)
    Index width = 0;      // C
    Index active = 0;     // experts that may get weight; a row beyond is masked until training of its task starts
    double temperature = 1;

    On() = default;
    explicit On(Index query_width) : width(query_width) {}

    Index experts() const { return weight ? weight.shape()[0] : 0; }

    // Appends a row of zeros, masked: the weights of the old experts stay the same to the bit.
    void grow() {
      std::vector<typename B::Scalar> values = weight ? weight.values() : std::vector<typename B::Scalar>();
      values.resize(values.size() + static_cast<std::size_t>(width), 0);
      weight = Param<B>(Array<B>({experts() + 1, width}, std::span<const typename B::Scalar>(values)));
    }

    Tensor<B> scores(const Tensor<B>& query) const {  // (N,active)
      check(active > 0 && active <= experts(), ErrorKind::misuse, "gate: ", active, " of ", experts(), " experts are active");
      return matmul_transposed(query, slice_rows(weight, 0, active)) * static_cast<typename B::Scalar>(1 / temperature);
    }
    Tensor<B> weights(const Tensor<B>& query) const { return softmax(scores(query)); }

    static void visit(auto& self, auto&& v) { v("weight", self.weight); }
  };
};

// No gate: the model has no mixture.
struct NoGate {
  template <class B>
  struct On {
    Index active = 0;
    On() = default;
    explicit On(Index) {}
    Index experts() const { return 0; }
    void grow() {}
    static void visit(auto&, auto&&) {}
  };
};

// A gate recipe: where it reads and how it scores.
template <class Where, class How>
struct Gate {
  template <class B>
    requires Pool<Where, B> && Scorer<How, B>
  struct On : How::template On<B> {
    using How::template On<B>::On;
    static Tensor<B> query(const Tensor<B>& states, const Flow<B>& flow) { return Where::template pool<B>(states, flow); }
  };
};

enum class Dispatch { dense, top1 };

// The weights a mixture uses: as they are, or 1 for the expert with the largest and 0 for the others (no gradient).
template <class B>
Tensor<B> dispatched(const Tensor<B>& weights, Dispatch dispatch) {
  if (dispatch == Dispatch::dense) return weights;
  const Index n = weights.shape()[0], experts = weights.shape()[1];
  const std::vector<Id> best = argmax(weights).values();
  std::vector<typename B::Scalar> one_hot(static_cast<std::size_t>(n * experts), 0);
  for (Index i = 0; i < n; ++i) one_hot[static_cast<std::size_t>(i * experts + best[static_cast<std::size_t>(i)])] = 1;
  return Tensor<B>(weights.shape(), std::span<const typename B::Scalar>(one_hot));
}

// All weight on one known expert: (N,experts).
template <class B>
Tensor<B> oracle_gates(Index sequences, Index experts, Index chosen) {
  check(chosen >= 0 && chosen < experts, ErrorKind::index, "oracle_gates: expert ", chosen, " of ", experts);
  std::vector<typename B::Scalar> one_hot(static_cast<std::size_t>(sequences * experts), 0);
  for (Index i = 0; i < sequences; ++i) one_hot[static_cast<std::size_t>(i * experts + chosen)] = 1;
  return Tensor<B>({sequences, experts}, std::span<const typename B::Scalar>(one_hot));
}

}  // namespace cmoe
