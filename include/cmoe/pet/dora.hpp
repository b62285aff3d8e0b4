// DoRA: a low-rank block turns the columns of a frozen map, and each column's length is trained apart.     arXiv 2402.09353
#pragma once

#include "cmoe/ops/reduce.hpp"
#include "cmoe/pet/lora.hpp"

namespace cmoe {

// y = (x V) ∘ m / ‖V‖ + b,   V = W + s A B,   ‖V‖ (out) the length of each column of V (a row where matrices are written (out,in))
// A, B and s are LoRA's; m (out) starts as ‖W‖ and B at zero, so that a fresh delta changes nothing but by rounding. The bias b of the
// map stays as it is.
// gradient: by default ‖V‖ is a constant on the way back, section 4.3 of the paper and what PEFT does; `constant_norm` = false: in full
// cost: ‖V‖ takes in·out·R multiply-adds at each call, whatever the number of tokens; merged() folds it into the weight
// grow() throws Error (numeric) for a column of zeros, which has no direction
struct DoRA {
  struct Config : LoRA::Config {
    bool constant_norm = true;
  };

  template <class B>
  struct On {
    std::optional<LoRA::Block<B>> block;
    Param<B> magnitude;  // (out)
    double scale = 1;
    bool constant_norm = true;

    Tensor<B> apply(const Linear<B>& base, const Tensor<B>& x, const Flow<B>&) const {
      if (!block) return base(x);
      const Tensor<B> turned = matmul(x, base.weight) + matmul(matmul(x, block->a), block->b) * static_cast<typename B::Scalar>(scale);
      const Tensor<B> y = turned * (magnitude / lengths(base.weight));
      return base.bias ? y + base.bias : y;
    }

    void grow(const Linear<B>& base, const std::string&, const Config& config, const Rng& rng) {
      if (block) return;
      block.emplace(base.in(), base.out(), config, rng);
      scale = config.scale();
      constant_norm = config.constant_norm;
      const typename Tape<B>::Pause no_recording;
      const Array<B> start = lengths(base.weight).value();
      const auto values = start.values();
      for (std::size_t i = 0; i < values.size(); ++i)
        check(values[i] > 0 && std::isfinite(values[i]), ErrorKind::numeric, "dora: column ", i, " of the weight has length ", values[i],
              " and so no direction");
      magnitude = Param<B>(start);
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("block", self.block);
      v("magnitude", self.magnitude);
    }

   private:
    // ‖W + s A B‖ of each column: (out)
    Tensor<B> lengths(const Tensor<B>& weight) const {
      std::optional<typename Tape<B>::Pause> constant;
      if (constant_norm) constant.emplace();
      const Tensor<B> v = weight + matmul(block->a, block->b) * static_cast<typename B::Scalar>(scale);
      return exp(log(sum_rows(square(v))) * typename B::Scalar(0.5));
    }
  };
};

}  // namespace cmoe
