// IncLoRA, O-LoRA and InfLoRA: one more LoRA block a task.
#include <doctest/doctest.h>

#include "cmoe/continual/baselines/inflora.hpp"
#include "continual/small_stream.hpp"

namespace cmoe::incremental_test {

using small::T;
using B = small::B;

namespace {

template <class Recipe>
typename Recipe::template On<B> model(const small::Sizes& s = {}, Index width = 24) {
  return {small::sizes<typename Recipe::Config>(s, width), Rng(1)};
}
OLoraLearner<B> olora(const OLora& settings) { return {model<TaskLora>(), settings, Rng(2)}; }

template <class M>
std::vector<double> values_of(const M& model, const std::string& part) {
  std::vector<double> all;
  for_each_param(model, [&](const std::string& name, const Param<B>& p) {
    if (name.find(part) == std::string::npos) return;
    const auto values = p.values();
    all.insert(all.end(), values.begin(), values.end());
  });
  return all;
}

// Two tasks that share no symbol: task 1's items use features that task 0's leave free.
std::vector<EncodedTask> apart() {
  std::vector<EncodedTask> data(2);
  for (Id t = 0; t < 2; ++t) {
    const auto first = static_cast<Id>(4 * t);
    for (Id a = 0; a < 3; ++a)
      for (Id b = 0; b < 3; ++b)
        data[static_cast<std::size_t>(t)].train.push_back({{static_cast<Id>(first + 3), static_cast<Id>(first + a), static_cast<Id>(first + b),
                                                            static_cast<Id>(first + (a + 1) % 3)}, 3});
    data[static_cast<std::size_t>(t)].test = data[static_cast<std::size_t>(t)].train;
  }
  return data;
}

InfLoraLearner<B> inflora(const InfLora& settings) { return {model<ObservedTaskLora>({.tasks = 2, .symbols = 6}, 32), settings, Rng(2)}; }

template <class L>
void train(L& learner, const EncodedTask& data, Index task, Index steps) {
  learner.before_task(task, data);
  learner.prepare(task, data);
  AdamW<B> optimizer({.lr = 1e-2});
  learner.add_parameters(optimizer);
  const Batch<B> batch = small::all(data);
  for (Index step = 0; step < steps; ++step)
    training_step(optimizer, Schedule{.decay = Decay::constant}, step, steps, 1, [&](Index) { return learner.loss(batch, task, step); });
  learner.consolidate(task, data);
  learner.after_task(task, data);
}

}  // namespace

TEST_CASE("IncLoRA adds all blocks with weight 1, and only the newest is trained") {
  const auto data = small::stream();
  IncLoraLearner<B> learner(model<TaskLora>(), {}, Rng(2));
  train(learner, data[0], 0, 3);
  const auto first = values_of(learner.model(), "experts.0.");
  train(learner, data[1], 1, 3);
  CHECK(values_of(learner.model(), "experts.0.") == first);
  AdamW<B> optimizer({});
  learner.add_parameters(optimizer);
  optimizer.for_each_moment([](const std::string& name, Array<B>&) { CHECK(name.find("experts.1.") != std::string::npos); });
  const Batch<B> batch = small::all(data[0]);
  CHECK(learner.flow(batch, 0).gates.values() == std::vector<double>(2 * data[0].train.size(), 1.0));
}

TEST_CASE("O-LoRA's penalty is the sum of entries of all products of old and new down-projections, in both norms") {
  const auto data = small::stream();
  OLoraLearner<B> learner = olora({});
  for (Index task = 0; task < 3; ++task) {
    learner.before_task(task, data[0]);
    CHECK(static_cast<bool>(OLora::penalty<B>(learner.model(), OverlapNorm::entrywise)) == (task > 0));
  }
  double absolute = 0, squared = 0;
  for_each_newest<B>(learner.model(), "a", [&](const std::string&, const std::vector<Param<B>*>& old, Param<B>& newest) {
    const Index in = newest.shape()[0], rank = newest.shape()[1];
    for (const Param<B>* p : old)
      for (Index r = 0; r < rank; ++r)
        for (Index s = 0; s < rank; ++s) {
          double product = 0;
          for (Index i = 0; i < in; ++i) product += p->data()[i * rank + r] * newest.data()[i * rank + s];
          absolute += std::abs(product);
          squared += product * product;
        }
  });
  CHECK(OLora::penalty<B>(learner.model(), OverlapNorm::entrywise).item() == doctest::Approx(absolute));
  CHECK(OLora::penalty<B>(learner.model(), OverlapNorm::frobenius).item() == doctest::Approx(squared));
}

TEST_CASE("O-LoRA without weight is IncLoRA to the bit, with weight its new directions overlap less with the old") {
  const auto data = small::stream({.tasks = 2});
  IncLoraLearner<B> plain(model<TaskLora>(), {}, Rng(2));
  OLoraLearner<B> none = olora({.lambda = 0}), entrywise = olora({}), frobenius = olora({.norm = OverlapNorm::frobenius});
  small::run(plain, data);
  small::run(none, data);
  const double learnt = metrics(small::run(entrywise, data).scores).learning_accuracy.value();
  small::run(frobenius, data);
  CHECK(hash(none.model()) == hash(plain.model()));
  const auto measured = [](auto& learner, OverlapNorm norm) { return OLora::penalty<B>(learner.model(), norm).item(); };
  MESSAGE("entrywise ", measured(none, OverlapNorm::entrywise), " and ", measured(entrywise, OverlapNorm::entrywise), ", squared ",
          measured(none, OverlapNorm::frobenius), " and ", measured(frobenius, OverlapNorm::frobenius), ", learnt ", learnt);
  CHECK(measured(entrywise, OverlapNorm::entrywise) < 0.3 * measured(none, OverlapNorm::entrywise));
  CHECK(measured(frobenius, OverlapNorm::frobenius) < 0.1 * measured(none, OverlapNorm::frobenius));
  CHECK(learnt > 80);
}

TEST_CASE("a space grows by the strongest directions until it holds its share of the energy") {
  MatrixD second = MatrixD::Zero(3, 3);
  second.diagonal() << 1, 6, 3;
  const MatrixD none(3, 0), one = grown_space(none, second, 0.5), two = grown_space(none, second, 0.7);
  CHECK(one.cols() == 1);
  CHECK(std::abs(one(1, 0)) == doctest::Approx(1));
  CHECK(two.cols() == 2);
  CHECK(std::abs(two(2, 1)) == doctest::Approx(1));
  CHECK(grown_space(none, second, 1).cols() == 3);
  CHECK(grown_space(none, second, 0).cols() == 0);
  CHECK(grown_space(two, second, 0.5).cols() == 2);  // held already
  const MatrixD again = grown_space(two, second, 1);
  CHECK((again.transpose() * again - MatrixD::Identity(3, 3)).norm() < 1e-12);
}

TEST_CASE("free directions are the strongest outside of the space, orthonormal, and zero where nothing is left") {
  MatrixD second = MatrixD::Zero(3, 3);
  second.diagonal() << 1, 6, 3;
  const MatrixD space = grown_space(MatrixD(3, 0), second, 0.5);
  const MatrixD free = free_directions(space, second, 3);
  CHECK(std::abs(free(2, 0)) == doctest::Approx(1));
  CHECK(std::abs(free(0, 1)) == doctest::Approx(1));
  CHECK(free.col(2).norm() == 0);
  CHECK((space.transpose() * free).norm() < 1e-12);
}

TEST_CASE("InfLoRA trains the up-projections only, and leaves outputs for old inputs as they were; IncLoRA does not") {
  const auto data = apart();
  InfLoraLearner<B> learner = inflora({.threshold = 1});
  IncLoraLearner<B> free(model<TaskLora>({.tasks = 2, .symbols = 6}, 32), {}, Rng(2));
  train(learner, data[0], 0, 30);
  train(free, data[0], 0, 30);
  const T before = small::logits(learner, data[0], 0), before_free = small::logits(free, data[0], 0), new_before = small::logits(learner, data[1], 1);
  learner.before_task(1, data[1]);
  learner.prepare(1, data[1]);
  for_each_newest<B>(learner.model(), "a", [](const std::string&, const auto&, Param<B>& a) { CHECK(a.frozen()); });
  for_each_newest<B>(learner.model(), "b", [](const std::string&, const auto&, Param<B>& b) { CHECK_FALSE(b.frozen()); });
  const auto directions = values_of(learner.model(), "experts.1.a");
  AdamW<B> optimizer({.lr = 1e-2});
  learner.add_parameters(optimizer);
  const Batch<B> batch = small::all(data[1]);
  const double loss_before = learner.loss(batch, 1, 0).total().item();
  for (Index step = 0; step < 30; ++step)
    training_step(optimizer, Schedule{.decay = Decay::constant}, step, 30, 1, [&](Index) { return learner.loss(batch, 1, step); });
  const double loss_after = learner.loss(batch, 1, 0).total().item();
  train(free, data[1], 1, 30);
  CHECK(values_of(learner.model(), "experts.1.a") == directions);
  MESSAGE("loss ", loss_before, " to ", loss_after, ", old outputs moved by ", small::difference(small::logits(learner, data[0], 0), before), " and ",
          small::difference(small::logits(free, data[0], 0), before_free));
  CHECK(loss_after < 0.5 * loss_before);
  CHECK(small::difference(small::logits(learner, data[1], 1), new_before) > 0.1);
  CHECK(small::difference(small::logits(learner, data[0], 0), before) < 1e-5);
  CHECK(small::difference(small::logits(free, data[0], 0), before_free) > 0.1);
}

TEST_CASE("the protected spaces stand in the state as orthonormal bases, one for each map") {
  const auto data = apart();
  InfLoraLearner<B> learner = inflora({.threshold = 0.9});
  for (Index task = 0; task < 2; ++task) train(learner, data[static_cast<std::size_t>(task)], task, 2);
  CHECK(learner.state().arrays.size() == 14);  // 7 maps in 2 layers
  for (const auto& [name, array] : learner.state().arrays) {
    const MatrixD basis = InfLora::space(learner, name.substr(6), array.shape()[0]);
    CHECK((basis.transpose() * basis - MatrixD::Identity(basis.cols(), basis.cols())).norm() < 1e-9);
  }
}

}  // namespace cmoe::incremental_test
