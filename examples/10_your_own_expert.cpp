// An expert of your own.
//
// What a task adds to a frozen linear map is a recipe: a struct with an inner On<B> that holds the parameters, `grow` to add what a task
// needs, `add` to give y + Δ(x), and `visit` to name its fields. LoRA is one. Here is another, a bottleneck with a bend in it, an adapter
// beside the map (arXiv 1902.00751; beside and not behind: arXiv 2110.04366):
//
//     y = W x + s Σ_e g_e relu(x A_e) B_e      A_e (in,R), B_e (R,out) = 0 at first, so that a new expert changes nothing
//
// It goes into PMoE's place for experts with one line, learns the same stream with PMoE's own learner, and before that
// `expect_module` proves that no parameter was forgotten and that every gradient is right.
//
// run:      bin/example_10_your_own_expert
// ends with "bottleneck experts keep what they learnt: yes"

#include <cstdio>

#include "cmoe/continual/pmoe_learner.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "words_stream.hpp"

using namespace words;

struct Bottlenecks {
  struct Config {
    Index rank = 8;
    double scale = 2;
  };

  template <class B>
  struct On {
    struct Block {
      Param<B> a, b;
      Block(Index in, Index out, Index rank, const Rng& rng)
          : a(init::uniform<B>({in, rank}, 1 / std::sqrt(static_cast<double>(in)), rng)), b(Shape{rank, out}) {}
      using Backend = B;
      static void visit(auto& self, auto&& v) { v("a", self.a), v("b", self.b); }
    };
    std::vector<Block> blocks;
    double scale = 1;

    void grow(Index in, Index out, const Config& config, const Rng& rng) {
      blocks.emplace_back(in, out, config.rank, rng.fork(static_cast<std::uint64_t>(blocks.size())));
      scale = config.scale;
    }

    // All experts in two products: the columns of every A side by side, scaled by their expert's gate, times every B below another.
    // The gates are (N,E), one row for each sequence; experts that have no gate yet do not count.
    Tensor<B> add(const Tensor<B>& y, const Tensor<B>& x, const Flow<B>& flow) const {
      if (blocks.empty() || !flow.gates) return y;
      std::vector<Tensor<B>> a, b;
      for (Index e = 0; e < flow.gates.shape().cols(); ++e) {
        a.push_back(blocks[static_cast<std::size_t>(e)].a);
        b.push_back(blocks[static_cast<std::size_t>(e)].b);
      }
      return y + matmul(scale_blocks(relu(matmul(x, concat_columns(a))), flow.gates), concat_rows(b)) * static_cast<typename B::Scalar>(scale);
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("blocks", self.blocks); }
  };
};

// PMoE with another expert. What does not fit would be refused here, with a message that begins at this line.
using BottleneckPMoE = Adapted<Shallow<NoDelta>, Deep<Bottlenecks>, Gate<PromptMean, LinearSoftmax>>;

// In double, with B away from zero, where the gradient of A is not zero too: a module that fails throws and says at which parameter.
void check_expert() {
  using D = Cpu<double>;
  const auto random = [](const Shape& shape, std::uint64_t seed) { return Tensor<D>(init::uniform<D>(shape, 1, Rng(seed))); };
  const Tensor<D> x = random({2, 3, 5}, 1), y = random({2, 3, 4}, 2);
  Flow<D> flow;
  flow.gates = softmax(random({2, 2}, 3));
  expect_module<Bottlenecks::On<D>>(
      [] {
        Bottlenecks::On<D> made;
        for (std::uint64_t e : {0, 1}) {
          made.grow(5, 4, {.rank = 3}, Rng(4));
          made.blocks.back().b = Param<D>(init::uniform<D>({3, 4}, 1, Rng(5).fork(e)));
        }
        return made;
      },
      [&](const auto& expert) { return expert.add(y, x, flow); });
  std::printf("the expert is a proper module: every parameter is named, every gradient agrees with differences\n");
}

int main() {
  check_expert();
  const std::vector<EncodedTask> data = stream();
  const Llama::On<B> backbone = pretrained();

  BottleneckPMoE::Config sizes;
  sizes.deep.rank = 8;
  PMoE::Config lora;  // the same sizes with the expert of the paper
  lora.deep = {.rank = 8, .alpha = 16};
  const PMoEConfig how = {.shallow = ShallowPolicy::frozen, .memory_share = 0.05};

  const RunState bent = learn("PMoE with bottleneck experts", PMoELearner<B, BottleneckPMoE>(around<BottleneckPMoE>(backbone, sizes), how, Rng(6)), data);
  const RunState plain = learn("PMoE with LoRA experts", PMoELearner<B>(around<PMoE>(backbone, lora), how, Rng(6)), data);
  std::printf("parameters of a task: %lld and %lld\n", static_cast<long long>(bent.trainable), static_cast<long long>(plain.trainable));
  std::printf("bottleneck experts keep what they learnt: %s\n", bent.scores.average(4).value() > 60 ? "yes" : "no");
}
