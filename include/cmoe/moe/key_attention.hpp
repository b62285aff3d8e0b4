// Attention over tasks: every task has a key, a projected query of the prompt attends to them.                 DAPT, arXiv 2401.08295
#pragma once

#include "cmoe/moe/gate.hpp"
#include "cmoe/nn/norm.hpp"
#include "cmoe/ops/elementwise.hpp"

namespace cmoe {

// q = LayerNorm(silu(x W_down W_up)),  a = softmax(q·key_i / temperature) over the tasks learnt so far.
// The projection is shared by all tasks and carried on; a key belongs to its task.          spec/dapt.md section 3, released code
struct KeyAttention {
  struct Config {
    Index hidden = 100;               // width of the projection's middle
    double temperature = 0;           // 0: √C
    bool activation_between = false;  // a silu between W_down and W_up as well, as a third-party write-up has it
  };

  template <class B>
  struct On {
    Linear<B> down, up;           // (C,hidden), (hidden,C)
    LayerNorm<B> norm;
    std::vector<Param<B>> keys;   // (1,C), one a task
    Param<B> center, spread;      // (C), frozen: the query is first taken to (x − center) / spread
    Index active = 0;
    Config config;

    On() = default;
    explicit On(Index width) : On(width, Config{}) {}
    On(Index width, const Config& c, const Rng& rng = Rng(0))
        : norm(width), center({width}), spread({width}, 1), config(c) {
      check(c.hidden > 0 && c.temperature >= 0, ErrorKind::config, "key attention: hidden ", c.hidden, ", temperature ", c.temperature);
      down.weight = init::uniform<B>({width, c.hidden}, 1 / std::sqrt(static_cast<double>(width)), rng.fork("down"));
      up.weight = init::uniform<B>({c.hidden, width}, 1 / std::sqrt(static_cast<double>(c.hidden)), rng.fork("up"));
      center.freeze();
      spread.freeze();
    }

    Index experts() const { return static_cast<Index>(keys.size()); }
    void grow(const Rng& rng) { keys.push_back(init::uniform<B>({1, center.size()}, 1, rng.fork("key"))); }

    Tensor<B> projected(const Tensor<B>& query) const {  // (N,C)
      const Tensor<B> inner = down((query - center) / spread);
      return norm(silu(up(config.activation_between ? silu(inner) : inner)));
    }
    Tensor<B> scores(const Tensor<B>& query) const {  // (N,active)
      check(active > 0 && active <= experts(), ErrorKind::misuse, "gate: ", active, " of ", experts(), " keys are active");
      const std::vector<Tensor<B>> rows(keys.begin(), keys.begin() + active);
      const double temperature = config.temperature > 0 ? config.temperature : std::sqrt(static_cast<double>(center.size()));
      return matmul_transposed(projected(query), active == 1 ? rows[0] : concat_rows(rows)) *
             static_cast<typename B::Scalar>(1 / temperature);
    }
    Tensor<B> weights(const Tensor<B>& query) const { return softmax(scores(query)); }

    // Sets what queries are centred and scaled by: mean and deviation of each feature over these.                        (n,C), ours
    void normalise_by(const Tensor<B>& queries) {
      const Index n = queries.shape()[0], c = center.size();
      check(queries.shape() == Shape{n, c} && n > 0, "key attention: queries ", queries.shape(), " to normalise by");
      const auto x = queries.values();
      std::vector<typename B::Scalar> mean(static_cast<std::size_t>(c), 0), deviation(static_cast<std::size_t>(c), 0);
      for (std::size_t i = 0; i < x.size(); ++i) mean[i % mean.size()] += x[i] / static_cast<typename B::Scalar>(n);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto off = x[i] - mean[i % mean.size()];
        deviation[i % mean.size()] += off * off / static_cast<typename B::Scalar>(n);
      }
      for (auto& d : deviation) d = std::sqrt(d) + typename B::Scalar(1e-6);
      center.assign(mean);
      spread.assign(deviation);
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("down", self.down);
      v("up", self.up);
      v("norm", self.norm);
      v("keys", self.keys);
      v("center", self.center);
      v("spread", self.spread);
    }
  };
};

// Gates that do not compete: g_i = |2 σ(4 cos(key_i, f_i(x))) − 1|, f_i(x) = silu(silu(x W_down,i) W_up,i). Each task has its own f and key,
// all frozen after it: old gates never move, and nothing forces them to sum to 1.        the mixer of GainLoRA, spec/dapt.md section 10
struct IndependentGates {
  struct Config {
    Index hidden = 32;
  };

  template <class B>
  struct On {
    struct One {
      Linear<B> down, up;
      Param<B> key;  // (1,C)
      using Backend = B;
      static void visit(auto& self, auto&& v) {
        v("down", self.down);
        v("up", self.up);
        v("key", self.key);
      }
    };
    std::vector<One> tasks;
    Index active = 0, width = 0;
    Config config;

    On() = default;
    explicit On(Index query_width) : On(query_width, Config{}) {}
    On(Index query_width, const Config& c, const Rng& = Rng(0)) : width(query_width), config(c) {}

    Index experts() const { return static_cast<Index>(tasks.size()); }
    void grow(const Rng& rng) {
      tasks.push_back({Linear<B>(width, config.hidden, rng.fork("down")), Linear<B>(config.hidden, width, rng.fork("up")),
                       init::uniform<B>({1, width}, 1, rng.fork("key"))});
    }
    Tensor<B> scores(const Tensor<B>& query) const {  // (N,active) 4 cos
      check(active > 0 && active <= experts(), ErrorKind::misuse, "gate: ", active, " of ", experts(), " gates are active");
      std::vector<Tensor<B>> columns;
      for (Index e = 0; e < active; ++e) {
        const One& one = tasks[static_cast<std::size_t>(e)];
        const Tensor<B> f = rms_norm(silu(one.up(silu(one.down(query)))), 1e-12), key = rms_norm(one.key, 1e-12);
        columns.push_back(matmul_transposed(f, key) * static_cast<typename B::Scalar>(4.0 / static_cast<double>(width)));
      }
      return active == 1 ? columns[0] : concat_columns(columns);
    }
    Tensor<B> weights(const Tensor<B>& query) const {
      const Tensor<B> signed_gate = tanh(scores(query) * typename B::Scalar(0.5));  // 2 σ(z) − 1
      return relu(signed_gate) + relu(-signed_gate);
    }
    using Backend = B;
    static void visit(auto& self, auto&& v) { v("tasks", self.tasks); }
  };
};

}  // namespace cmoe
