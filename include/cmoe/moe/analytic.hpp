// The analytic router: ridge regression of the task on the prompt's features. It forgets nothing and stores no prompts.
#pragma once

#include <algorithm>

#include "cmoe/cpu/solve.hpp"
#include "cmoe/moe/gate.hpp"
#include "cmoe/ops/elementwise.hpp"

namespace cmoe {

// W = (Σ φφᵀ + ridge·1)⁻¹ Σ φ yᵀ over all prompts seen so far, y the one-hot task; g = softmax(φ(q) W / temperature).
// φ(q) = q, with a 1 behind it if there is a bias, or relu(q R) with R random and fixed.
// Kept as the two sums and solved anew, which gives the solution that recursive least squares reaches step by step.
//                       recursive form: arXiv 2503.13575 (Any-SSR); without random features by default: ours
// cost: absorb n F² + F³/3 multiply-adds, F features
struct LeastSquares {
  struct Config {
    Index features = 0;         // random features; 0: the query itself
    bool bias = true;           // without random features: a feature that is always 1
    double ridge = 10;
    double temperature = 0.1;   // of the softmax over the regression's values, which lie about 0 and 1
  };

  template <class B>
  struct On {
    Param<B> expansion;  // (C,F) random, or none
    Param<B> gram;       // (F,F) Σ φφᵀ
    Param<B> moment;     // (F,E) Σ φ yᵀ
    Param<B> weight;     // (F,E)
    Index width = 0, active = 0;
    Config config;

    On() = default;
    explicit On(Index query_width) : On(query_width, Config{}) {}
    On(Index query_width, const Config& c, const Rng& rng = Rng(0)) : width(query_width), config(c) {
      check(c.features >= 0 && c.ridge > 0 && c.temperature > 0, ErrorKind::config, "least squares: ", c.features, " features, ridge ",
            c.ridge, ", temperature ", c.temperature);
      if (c.features > 0) expansion = init::normal<B>({width, c.features}, 1, rng.fork("expansion"));
      gram = Param<B>({features(), features()});
      for (Param<B>* p : {&expansion, &gram}) p->freeze();
    }

    Index features() const { return config.features > 0 ? config.features : width + (config.bias ? 1 : 0); }
    Index experts() const { return weight ? weight.shape()[1] : 0; }

    // A column of zeros: what is predicted for old tasks does not change.
    void grow(const Rng& = Rng(0)) {
      for (Param<B>* p : {&moment, &weight}) {
        const Tensor<B> zeros({features(), 1}, 0);
        *p = Param<B>(*p ? concat_columns<B>({p->detach(), zeros}).value() : zeros.value());
        p->freeze();
      }
    }

    Tensor<B> expanded_features(const Tensor<B>& query) const {  // (n,C) -> (n,F)
      if (expansion) return relu(matmul(query, expansion));
      if (!config.bias) return query;
      return concat_columns<B>({query, Tensor<B>(query.shape().with(-1, 1), 1)});
    }

    // Takes prompts of a task into the sums and solves again. queries (n,C)
    void absorb(const Tensor<B>& queries, Index task) {
      check(task >= 0 && task < experts(), ErrorKind::index, "least squares: task ", task, " of ", experts());
      const typename Tape<B>::Pause no_recording;
      const Tensor<B> phi = expanded_features(queries.detach());
      const Index n = phi.shape()[0], f = features(), e = experts();
      B::gemm(Form::tn, f, f, n, typename B::Scalar(1), phi.data(), f, phi.data(), f, true, gram.data(), f);
      const Tensor<B> y = oracle_gates<B>(n, e, task);
      B::gemm(Form::tn, f, e, n, typename B::Scalar(1), phi.data(), f, y.data(), e, true, moment.data(), e);
      const auto on_host = [](const Param<B>& p) {
        const auto values = p.values();
        return std::vector<double>(values.begin(), values.end());
      };
      std::vector<double> regular = on_host(gram), solved(static_cast<std::size_t>(f * e));
      for (Index i = 0; i < f; ++i) regular[static_cast<std::size_t>(i * f + i)] += config.ridge;
      cpu::solve_symmetric(f, e, regular.data(), on_host(moment).data(), solved.data());
      std::vector<typename B::Scalar> values(solved.size());
      std::transform(solved.begin(), solved.end(), values.begin(), [](double v) { return static_cast<typename B::Scalar>(v); });
      weight.assign(values);
    }

    Tensor<B> scores(const Tensor<B>& query) const {  // (n,active), the regression's values over the temperature
      check(active > 0 && active <= experts(), ErrorKind::misuse, "gate: ", active, " of ", experts(), " experts are active");
      return matmul(expanded_features(query), slice_columns(weight, 0, active)) * static_cast<typename B::Scalar>(1 / config.temperature);
    }
    Tensor<B> weights(const Tensor<B>& query) const { return softmax(scores(query)); }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("expansion", self.expansion);
      v("gram", self.gram);
      v("moment", self.moment);
      v("weight", self.weight);
    }
  };
};

}  // namespace cmoe
