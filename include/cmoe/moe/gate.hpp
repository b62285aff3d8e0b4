// Sequence gates: one decision for a whole sequence, read from its prompt, taken between the shallow and the deep layers.
#pragma once

#include "cmoe/moe/pool.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/loss.hpp"
#include "cmoe/ops/softmax.hpp"

namespace cmoe {

// How a gate scores: (N,C) queries -> (N,E) weights of the E active experts. grow() appends an expert, masked until `active`
// counts it.
template <class S, class B>
concept Scorer = requires(const typename S::template On<B>& scorer, typename S::template On<B>& own, const Tensor<B>& query, const Rng& rng) {
  { scorer.scores(query) } -> std::same_as<Tensor<B>>;
  { scorer.weights(query) } -> std::same_as<Tensor<B>>;
  own.grow(rng);
  typename S::Config;
};

// g = softmax(q Wᵀ / temperature), one row of W for each expert, starting at 0.     PMoE, arXiv 2407.21571 (linear, softmax)
struct LinearSoftmax {
  struct Config {
    double temperature = 1;
  };

  template <class B>
  struct On {
    Param<B> weight;   // (E,C)
    Index width = 0;   // C
    Index active = 0;  // experts that may get weight; a row beyond is masked until training of its task starts
    Config config;

    On() = default;
    explicit On(Index query_width) : On(query_width, Config{}) {}
    On(Index query_width, const Config& c, const Rng& = Rng(0)) : width(query_width), config(c) {
      check(c.temperature > 0, ErrorKind::config, "gate: the temperature ", c.temperature, " is not positive");
    }

    Index experts() const { return weight ? weight.shape()[0] : 0; }

    // Appends a row of zeros, masked: the weights of the old experts stay the same to the bit.
    void grow(const Rng& = Rng(0)) {
      std::vector<typename B::Scalar> values = weight ? weight.values() : std::vector<typename B::Scalar>();
      values.resize(values.size() + static_cast<std::size_t>(width), 0);
      weight = Param<B>(Array<B>({experts() + 1, width}, std::span<const typename B::Scalar>(values)));
    }

    Tensor<B> scores(const Tensor<B>& query) const {  // (...,active)
      check(active > 0 && active <= experts(), ErrorKind::misuse, "gate: ", active, " of ", experts(), " experts are active");
      return matmul_transposed(query, slice_rows(weight, 0, active)) * static_cast<typename B::Scalar>(1 / config.temperature);
    }
    Tensor<B> weights(const Tensor<B>& query) const { return softmax(scores(query)); }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("weight", self.weight); }
  };
};

// No gate: the model has no mixture.
struct NoGate {
  struct Config {};
  template <class B>
  struct On {
    Index active = 0;
    On() = default;
    explicit On(Index) {}
    On(Index, const Config&, const Rng& = Rng(0)) {}
    Index experts() const { return 0; }
    void grow(const Rng& = Rng(0)) {}
    using Backend = B;
    static void visit(auto&, auto&&) {}
  };
};

// A gate recipe: where it reads and how it scores.
template <class Where, class How>
struct Gate {
  using Config = typename How::Config;
  template <class B>
    requires Pool<Where, B> && Scorer<How, B>
  struct On : How::template On<B> {
    using How::template On<B>::On;
    static constexpr bool per_token = requires { Where::per_token; };
    static Tensor<B> query(const Tensor<B>& states, const Flow<B>& flow) { return Where::template pool<B>(states, flow); }
  };
};

// The weights a mixture uses: all of them (top 0), or the largest `top` of each row divided by their sum and 0 for the others;
// of equals the lower expert. One alone gets exactly 1 and hands on no gradient.                            weights (...,E)
template <class B>
Tensor<B> dispatched(const Tensor<B>& weights, Index top) {
  const Index rows = weights.shape().rows(), experts = weights.shape().cols();
  check(top >= 0, ErrorKind::config, "dispatch: top-", top);
  if (top == 0 || top >= experts) return weights;
  const Tensor<B> flat = reshape(weights, {rows, experts});
  const std::vector<Id> best = top_k(flat.detach(), top).ids.values();
  std::vector<typename B::Scalar> mask(static_cast<std::size_t>(rows * experts), 0);
  for (std::size_t i = 0; i < best.size(); ++i) mask[i / static_cast<std::size_t>(top) * static_cast<std::size_t>(experts) + static_cast<std::size_t>(best[i])] = 1;
  const Tensor<B> chosen(flat.shape(), std::span<const typename B::Scalar>(mask));
  if (top == 1) return reshape(chosen, weights.shape());
  const Tensor<B> kept = flat * chosen;
  return reshape(kept / reshape(sum_last(kept), {rows, 1}), weights.shape());
}

// All weight on one known expert: (N,experts).
template <class B>
Tensor<B> oracle_gates(Index sequences, Index experts, Index chosen) {
  check(chosen >= 0 && chosen < experts, ErrorKind::index, "oracle_gates: expert ", chosen, " of ", experts);
  std::vector<typename B::Scalar> one_hot(static_cast<std::size_t>(sequences * experts), 0);
  for (Index i = 0; i < sequences; ++i) one_hot[static_cast<std::size_t>(i * experts + chosen)] = 1;
  return Tensor<B>({sequences, experts}, std::span<const typename B::Scalar>(one_hot));
}

// What weights over tasks mean for the experts, where these are two things; else the weights themselves.
template <class G, class B>
Tensor<B> expert_weights(const G& gate, const Tensor<B>& weights) {
  if constexpr (requires { gate.expand(weights); }) return gate.expand(weights);
  else return weights;
}

// The gates that a mixture gets for these states: those given in the flow, or the gate's own, the `top` largest. Empty without a gate.
template <class G, class B>
Tensor<B> gates_for(const G& gate, const Tensor<B>& state, const Flow<B>& flow, Index top) {
  if constexpr (requires { gate.query(state, flow); })
    if (!flow.gates && gate.active > 0) return expert_weights(gate, dispatched(gate.weights(gate.query(state, flow)), top));
  return flow.gates;
}

}  // namespace cmoe
