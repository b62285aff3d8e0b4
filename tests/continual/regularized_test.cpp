// EWC, online EWC, learning without forgetting: one LoRA for all tasks and what protects it.
#include <doctest/doctest.h>

#include "cmoe/autograd/gradcheck.hpp"
#include "cmoe/continual/baselines/ewc.hpp"
#include "cmoe/continual/baselines/lwf.hpp"
#include "cmoe/continual/sequential.hpp"
#include "continual/small_stream.hpp"
#include "ops/draw.hpp"

namespace cmoe::regularized_test {

using small::T;
using B = small::B;

namespace {

LoraLlama::On<B> model() { return {small::sizes<LoraLlama::Config>(), Rng(1)}; }
EwcLearner<B> ewc(const Ewc& settings) { return {model(), settings, Rng(2)}; }
LwfLearner<B> lwf(const Lwf& settings) { return {model(), settings, Rng(2)}; }

double term(const Loss<B>& loss, const std::string& name) {
  for (const auto& [found, value] : loss.terms())
    if (found == name) return value;
  return -1;
}

// mean over the scored positions of Σ |softmax difference|
double distance(const T& a, const T& b, const Batch<B>& batch) {
  const auto p = softmax(a).values(), q = softmax(b).values();
  double total = 0;
  for (std::size_t i = 0; i < p.size(); ++i) total += std::abs(p[i] - q[i]);
  return total / static_cast<double>(batch.labels.size());
}

}  // namespace

TEST_CASE("EWC and LwF without weight are sequential LoRA to the bit") {
  const auto data = small::stream({.tasks = 2});
  SeqLora<B> plain(model(), {}, Rng(2));
  EwcLearner<B> anchored = ewc({.lambda = 0, .samples = 2});
  LwfLearner<B> distilled = lwf({.lambda = 0});
  small::run(plain, data, 1e-2, 5);
  small::run(anchored, data, 1e-2, 5);
  small::run(distilled, data, 1e-2, 5);
  CHECK(hash(anchored.model()) == hash(plain.model()));
  CHECK(hash(distilled.model()) == hash(plain.model()));
}

TEST_CASE("after a task EWC's anchor stands where training ended, with weights of mean 1, and pulls with lambda F times the distance") {
  const auto data = small::stream();
  EwcLearner<B> learner = ewc({.lambda = 3, .samples = 8});
  learner.before_task(0, data[0]);
  small::disturb(learner.model(), ".delta.", 0.3);
  const Batch<B> batch = small::all(data[0]);
  CHECK(term(learner.loss(batch, 0, 0), "ewc") == -1);  // nothing to protect yet
  learner.consolidate(0, data[0]);
  const Anchor<B> anchor = kept_anchor(learner.state(), "anchor");
  double total = 0;
  Index entries = 0;
  for (const auto& [name, weight] : anchor.weight) {
    for (double f : weight.values()) total += f;
    entries += weight.size();
  }
  CHECK(entries == parameter_count(learner.model(), Count::trainable));
  CHECK(total / static_cast<double>(entries) == doctest::Approx(1));
  CHECK(term(learner.loss(batch, 1, 0), "ewc") == 0);
  // one parameter moves by 0.5: the loss is ½ F 0.25, and λ multiplies the total only
  const double without = learner.loss(batch, 1, 0).total().item();
  const std::string name = anchor.centre.begin()->first;
  for_each_param(learner.model(), [&](const std::string& at, Param<B>& p) {
    if (at == name) p.data()[0] += 0.5;
  });
  const Loss<B> moved = learner.loss(batch, 1, 0);
  const double expected = 0.5 * anchor.weight.begin()->second.values()[0] * 0.25;
  CHECK(term(moved, "ewc") == doctest::Approx(expected));
  CHECK(moved.total().item() - term(moved, "lm") == doctest::Approx(3 * expected));
  CHECK(without > 0);
}

TEST_CASE("the Fisher information is taken from single sequences without the penalty: a heavier penalty does not change it") {
  const auto data = small::stream();
  std::vector<std::vector<double>> second;
  for (const double lambda : {0.0, 1000.0}) {
    EwcLearner<B> learner = ewc({.lambda = lambda, .samples = 6});
    learner.before_task(0, data[0]);
    small::disturb(learner.model(), ".delta.", 0.3);
    learner.consolidate(0, data[0]);
    small::disturb(learner.model(), ".delta.", 0.3, 4);
    learner.consolidate(1, data[1]);
    second.push_back(kept_anchor(learner.state(), "anchor").weight.begin()->second.values());
  }
  CHECK(second[0] == second[1]);
}

TEST_CASE("EWC forgets less than its own ablation, online EWC too, and labels from the model protect as well") {
  const auto data = small::stream();
  EwcLearner<B> none = ewc({.lambda = 0}), all = ewc({.lambda = 1}), online = ewc({.lambda = 1, .decay = 0.9, .centre = AnchorCentre::newest}),
                drawn = ewc({.lambda = 1, .labels = FisherLabels::model});
  std::vector<double> forgetting, learnt;
  for (EwcLearner<B>* learner : {&none, &all, &online, &drawn}) {
    const Metrics m = metrics(small::run(*learner, data).scores);
    forgetting.push_back(m.forgetting.value());
    learnt.push_back(m.learning_accuracy.value());
  }
  MESSAGE("forgetting ", forgetting[0], " without, ", forgetting[1], " EWC, ", forgetting[2], " online, ", forgetting[3], " drawn labels; learning accuracy ",
          learnt[0], ", ", learnt[1], ", ", learnt[2], ", ", learnt[3]);
  CHECK(learnt[0] > 90);
  for (std::size_t i = 1; i < 4; ++i) {
    CHECK(forgetting[i] < forgetting[0] - 10);
    CHECK(learnt[i] > 40);
  }
}

TEST_CASE("the distillation of worked numbers: T squared times KL from old to new, not from new to old") {
  const T old({1, 2}, {std::log(3.0), 0}), fresh({1, 2}, {0, 0});  // 3/4, 1/4 against 1/2, 1/2
  const Ids<B> labels({1}, {0});
  CHECK(distillation_loss(old, fresh, labels, 1).item() == doctest::Approx(0.75 * std::log(1.5) + 0.25 * std::log(0.5)));
  CHECK(distillation_loss(fresh, old, labels, 1).item() == doctest::Approx(0.5 * std::log(2.0 / 3) + 0.5 * std::log(2.0)));
  const double r = std::sqrt(3.0), p = r / (1 + r);  // at T = 2
  CHECK(distillation_loss(old, fresh, labels, 2).item() == doctest::Approx(4 * (p * std::log(2 * p) + (1 - p) * std::log(2 * (1 - p)))));
}

TEST_CASE("the distillation's derivative agrees with differences, ignored rows take no part, and none is left where both agree") {
  draw::Draw d{Rng(7)};
  const T old = d.tensor({2, 3, 5});
  const Ids<B> labels({2, 3}, {ignored_label, 1, 2, ignored_label, 4, ignored_label});
  CHECK(gradcheck([&](const auto& x) { return distillation_loss(old, x[0], labels, 2); }, std::vector{d.tensor({2, 3, 5})}).worst < 1e-6);
  T far(old.value().copy());
  far.data()[0] += 100;  // an ignored row
  CHECK(distillation_loss(old, far, labels, 2).item() == doctest::Approx(0).epsilon(1e-12));
  T same(old.value().copy());
  same.want_gradient();
  Tape<B> tape;
  tape.backward(distillation_loss(old, same, labels, 2));
  CHECK(B::sum_squares(same.size(), same.grad().data()) < 1e-28);
}

TEST_CASE("the teacher says what the model said before the task, and asking it changes no bit") {
  const auto data = small::stream();
  LwfLearner<B> learner = lwf({});
  learner.before_task(0, data[0]);
  small::disturb(learner.model(), ".delta.", 0.3);
  const Batch<B> batch = small::all(data[1]);
  const T before = small::logits(learner, data[1], 1);
  learner.prepare(1, data[1]);
  small::disturb(learner.model(), ".delta.", 0.3, 9);
  const std::uint64_t moved = hash(learner.model());
  CHECK(Lwf::teacher_logits(learner, batch, learner.flow(batch, 1)).values() == before.values());
  CHECK(hash(learner.model()) == moved);
  CHECK(small::difference(small::logits(learner, data[1], 1), before) > 1e-3);
}

TEST_CASE("the gradient of a step with a teacher is that of the new model") {
  const auto data = small::stream();
  LwfLearner<B> learner = lwf({.lambda = 0.7});
  learner.before_task(0, data[0]);
  small::disturb(learner.model(), ".delta.", 0.3);
  learner.prepare(1, data[1]);
  small::disturb(learner.model(), ".delta.", 0.3, 9);
  const Batch<B> batch = small::all(data[1]);
  std::vector<std::pair<std::string, Tensor<B>*>> leaves;
  for_each_param(learner.model(), [&](const std::string& name, Param<B>& p) {
    if (!p.frozen() && leaves.size() < 6) leaves.emplace_back(name, &p);
  });
  CHECK(gradcheck_leaves<B>([&] { return learner.loss(batch, 1, 0).total(); }, leaves, 1e-6, 4).worst < 1e-6);
}

TEST_CASE("LwF keeps what the model says of new items closer to what it said, and forgets less than its ablation") {
  const auto data = small::stream();
  double moved[2], forgetting[2];
  for (const int with : {0, 1}) {
    LwfLearner<B> learner = lwf({.lambda = with ? 2.0 : 0.0});
    learner.before_task(0, data[0]);
    const Batch<B> batch = small::all(data[1]);
    AdamW<B> optimizer({.lr = 1e-2});
    learner.add_parameters(optimizer);
    for (Index task : {0, 1}) {
      learner.prepare(task, data[static_cast<std::size_t>(task)]);
      const T before = small::logits(learner, data[1], 1);
      const Batch<B> mine = small::all(data[static_cast<std::size_t>(task)]);
      for (Index step = 0; step < 40; ++step)
        training_step(optimizer, Schedule{.decay = Decay::constant}, step, 40, 1, [&](Index) { return learner.loss(mine, task, step); });
      moved[with] = distance(before, small::logits(learner, data[1], 1), batch);
    }
    LwfLearner<B> whole = lwf({.lambda = with ? 2.0 : 0.0});
    forgetting[with] = metrics(small::run(whole, data).scores).forgetting.value();
  }
  MESSAGE("moved ", moved[0], " and ", moved[1], ", forgetting ", forgetting[0], " and ", forgetting[1]);
  CHECK(moved[1] < 0.8 * moved[0]);
  CHECK(forgetting[1] < forgetting[0]);
}

}  // namespace cmoe::regularized_test
