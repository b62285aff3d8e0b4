// A method of your own, from parts.
//
// A method has a place in the model, which is a type made of recipes, and a way to learn a stream, which is a struct with a handful of
// events. This example makes one that no paper has: every task gets a LoRA expert, as in PMoE, but nothing is trained to choose between
// them. The gate remembers the mean of each task's prompts and takes the expert whose mean is nearest: a classifier with no gradient, no
// memory of items and nothing to forget.
//
// Two parts are written here, a scorer and a learner; the decoder, the mixture, the pool, the runner and the scores are the library's.
//
// run:      bin/example_09_your_own_method
// ends with "nearest means keep more than sequential LoRA: yes"

#include <cstdio>

#include "words_stream.hpp"

using namespace words;

// The scorer: minus the squared distance of a prompt to each task's mean, divided by the width and by a temperature. With the constant
// |q|² left out, which softmax does not see, that is linear in the prompt: 2 q·m − |m|².
struct NearestMean {
  struct Config {
    double temperature = 0.02;
  };

  template <class B>
  struct On {
    Param<B> means;  // (E,C); a parameter, so that it is counted, saved and loaded like any other, but one that is never trained
    Index width = 0, active = 0;
    Config config;

    On() = default;
    On(Index query_width, const Config& c, const Rng& = Rng(0)) : width(query_width), config(c) {}
    Index experts() const { return means ? means.shape()[0] : 0; }

    void grow(const Rng& = Rng(0)) {
      const Tensor<B> row({1, width});
      means = Param<B>(means ? concat_rows<B>({means.detach(), row}).value() : row.value());
      means.freeze();
    }

    Tensor<B> scores(const Tensor<B>& query) const {  // (N,C) -> (N,active)
      const Tensor<B> known = slice_rows(means, 0, active);
      const auto sharpness = static_cast<typename B::Scalar>(1 / (config.temperature * static_cast<double>(width)));
      return (matmul_transposed(query, known) * 2 - sum_last(square(known))) * sharpness;
    }
    Tensor<B> weights(const Tensor<B>& query) const { return softmax(scores(query)); }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("means", self.means); }
  };
};

// The architecture: read the prompt before the first block, mix one LoRA expert a task in every map above it.
using Nearest = Adapted<Shallow<NoDelta>, Deep<Mixture<LoRA>>, Gate<PromptMean, NearestMean>>;

// The learner: what happens before, during and after a task.
class NearestLearner {
 public:
  NearestLearner(Nearest::On<B> model, const Rng& rng) : model_(std::move(model)), rng_(rng) {}

  void before_task(Index task, const EncodedTask&) {  // a new expert learns, everything else is frozen
    freeze(model_);
    model_.add_task(rng_.fork(static_cast<std::uint64_t>(task)));
    freeze(model_.gate);
    model_.gate.active = task + 1;
  }
  void add_parameters(AdamW<B>& optimizer) { optimizer.add_module(model_); }

  Loss<B> loss(const Batch<B>& batch, Index task, Index) const {  // the new expert alone: the task is known while it is learnt
    return language_loss(model_(batch.ids, oracle_flow(batch, task)), batch);
  }

  void consolidate(Index task, const EncodedTask& data) {  // once, after training: the mean of the task's prompts
    const Tape<B>::Pause no_recording;
    const Batch<B> all = make_batch<B>(data.train, 0, data.train.size());
    const Flow<B> flow = all.flow();
    const Tensor<B> queries = model_.gate.query(model_.shallow_state(all.ids, flow), flow);
    const Index width = model_.gate.width;
    std::vector<float> values = model_.gate.means.values();
    const std::vector<float> mean = (sum_rows(queries) / static_cast<float>(queries.shape()[0])).values();
    std::copy(mean.begin(), mean.end(), values.begin() + task * width);
    model_.gate.means.assign(values);
  }
  void after_task(Index, const EncodedTask&) {}

  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  Flow<B> oracle_flow(const Batch<B>& batch, Index task) const {
    Flow<B> flow = batch.flow();
    flow.gates = oracle_gates<B>(batch.ids.shape()[0], model_.gate.active, task);
    return flow;
  }
  Tensor<B> gates(const Batch<B>& batch) const {
    const Flow<B> flow = batch.flow();
    return model_.gate.active > 0 ? model_.gates(model_.shallow_state(batch.ids, flow), flow) : Tensor<B>();
  }
  const Nearest::On<B>& model() const { return model_; }
  Nearest::On<B>& model() { return model_; }

 private:
  Nearest::On<B> model_;
  Rng rng_;
};
static_assert(Learner<NearestLearner, B>);  // says which event is missing

int main() {
  const std::vector<EncodedTask> data = stream();
  const Llama::On<B> backbone = pretrained();

  Nearest::Config sizes;
  sizes.deep = {.rank = 8, .alpha = 16};
  LoraLlama::Config single;
  single.deep = {.rank = 8, .alpha = 16};

  const RunState nearest = learn("nearest means", NearestLearner(around<Nearest>(backbone, sizes), Rng(6)), data);
  const RunState lora = learn("sequential LoRA", SeqLora<B>(around<LoraLlama>(backbone, single), {}, Rng(6)), data);
  std::printf("prompts whose nearest mean is their own task's: %.0f %%\n", nearest.routing_accuracy.value());
  std::printf("nearest means keep more than sequential LoRA: %s\n",
              nearest.scores.average(4).value() > lora.scores.average(4).value() + 20 ? "yes" : "no");
}
