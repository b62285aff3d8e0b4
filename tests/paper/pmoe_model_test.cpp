// The invariants of PMoE's equations, spec/pmoe.md 1.11, numbered as there. Left out are those of options that do not exist yet:
// the token-wise gate (PerToken) in 4 and 8, top-k dispatch in 4 and 11, the analytic router (15) and the anchor (16).
#include <doctest/doctest.h>

#include "small_pmoe.hpp"

namespace cmoe::pmoe_model_test {

using namespace small_pmoe;

TEST_CASE("1. a fresh model's logits are the frozen backbone's, to the bit") {
  const Batch<small_pmoe::B> b = batch();
  Model model(config(), Rng(1));
  const T backbone = logits(model, b);
  model.add_task(Rng(2));
  CHECK(logits(model, b).values() == backbone.values());  // the gate is masked
  model.gate.active = 1;
  CHECK(difference(logits(model, b), backbone) == 0);  // B = 0
}

TEST_CASE("2. adding a masked expert leaves the logits unchanged") {
  Model model = trained(2);
  const Batch<small_pmoe::B> b = batch();
  const T before = logits(model, b);
  model.add_task(Rng(9));
  CHECK(logits(model, b).values() == before.values());
}

TEST_CASE("2. with the mask lifted and equal scores every old gate is multiplied by N over N + 1") {
  Model model = trained(3);
  std::fill_n(model.gate.weight.data(), model.gate.weight.size(), 0.0);
  for (double g : gates(model, batch()).values()) CHECK(g == doctest::Approx(1.0 / 3).epsilon(1e-15));
  model.add_task(Rng(9));
  model.gate.active = 4;
  for (double g : gates(model, batch()).values()) CHECK(g == doctest::Approx(1.0 / 3 * 3 / 4).epsilon(1e-15));
}

TEST_CASE("3. on the first task the gate is exactly 1 and the router gets no gradient") {
  Model model = trained(1);
  const Batch<small_pmoe::B> b = batch();
  Tape<small_pmoe::B> tape;
  const T g = gates(model, b);
  CHECK(g.values() == std::vector<double>(3, 1.0));
  tape.backward(cross_entropy(logits(model, b), b.labels));
  for (double d : model.gate.weight.grad().values()) CHECK(d == 0);
}

TEST_CASE("4. gates are not negative and sum to 1; top-1 has exactly one 1") {
  const Model model = trained(4);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const T g = gates(model, batch(seed)), hard = dispatched(g, 1);
    for (Index n = 0; n < 3; ++n) {
      double sum = 0, ones = 0;
      for (Index e = 0; e < 4; ++e) {
        CHECK(g.data()[n * 4 + e] >= 0);
        sum += g.data()[n * 4 + e];
        ones += hard.data()[n * 4 + e];
        CHECK((hard.data()[n * 4 + e] == 0 || hard.data()[n * 4 + e] == 1));
      }
      CHECK(sum == doctest::Approx(1).epsilon(1e-12));
      CHECK(ones == 1);
    }
  }
}

TEST_CASE("7. a masked expert gets no gradient; lifted, B gets one at the first step and A from the second") {
  const Batch<small_pmoe::B> b = batch();
  Model model(config(), Rng(1));
  model.add_task(Rng(2));
  const auto norms = [&] {  // of the gradients of all deep A and all deep B
    clear_gradients(model);
    Tape<small_pmoe::B> tape;
    tape.backward(cross_entropy(logits(model, b), b.labels));
    std::array<double, 2> sums = {0, 0};
    for_each_param(model, [&](const std::string& name, const Param<small_pmoe::B>& p) {
      if (name.find(".experts.") == std::string::npos || !p.grad()) return;
      sums[name.back() == 'b'] += small_pmoe::B::sum_squares(p.size(), p.grad().data());
    });
    return sums;
  };
  CHECK(norms() == std::array<double, 2>{0, 0});
  model.gate.active = 1;
  CHECK(norms()[0] == 0);
  CHECK(norms()[1] > 0);
  for_each_param(model, [](const std::string& name, Param<small_pmoe::B>& p) {
    if (name.find(".experts.") != std::string::npos && p.grad()) small_pmoe::B::axpy(p.size(), -0.1, p.grad().data(), p.data());
  });
  CHECK(norms()[0] > 0);
  CHECK(norms()[1] > 0);
}

TEST_CASE("8. the gate depends on the prompt alone: no answer token moves it") {
  const Model model = trained(3);
  auto items = sequences();
  const auto gate_of = [&] { return gates(model, make_batch<small_pmoe::B>(items, 0, items.size())).values(); };
  const auto before = gate_of();
  for (Sequence& s : items)
    for (auto i = static_cast<std::size_t>(s.prompt); i < s.ids.size(); ++i) s.ids[i] = (s.ids[i] + 5) % 20;
  CHECK(gate_of() == before);
  items[0].ids[0] = (items[0].ids[0] + 5) % 20;
  CHECK(gate_of() != before);
}

TEST_CASE("8. a gate that does not know where the prompt ends reads nothing") {
  const Model model = trained(2);
  CHECK_THROWS_WITH_AS(model(batch().ids, Flow<small_pmoe::B>{}), "gate: the prompt's range is not set, a gate may read nothing else",
                       Error);
}

TEST_CASE("9. padding a prompt on the left or on the right gives the same gate") {
  // Rotary positions are relative, so shallow states do not depend on where the prompt stands.
  const Model model = trained(3);
  const std::vector<Id> prompt = {3, 1, 4, 1, 5};
  const auto gate_of = [&](Index left, Index right) {
    std::vector<Id> ids(static_cast<std::size_t>(left), 17);
    ids.insert(ids.end(), prompt.begin(), prompt.end());
    ids.insert(ids.end(), static_cast<std::size_t>(right), 17);
    const Index t = static_cast<Index>(ids.size());
    Flow<small_pmoe::B> flow;
    flow.first = flow.prompt_first = Ids<small_pmoe::B>({1}, {static_cast<Id>(left)});
    flow.last = flow.prompt_last = Ids<small_pmoe::B>({1}, {static_cast<Id>(t - right)});
    return model.gates(model.shallow_state(Ids<small_pmoe::B>({1, t}, ids), flow), flow);
  };
  CHECK(difference(gate_of(0, 4), gate_of(0, 0)) < 1e-12);
  CHECK(difference(gate_of(4, 0), gate_of(0, 0)) < 1e-12);
  CHECK(difference(gate_of(3, 2), gate_of(0, 0)) < 1e-12);
}

TEST_CASE("10. experts permuted together with the gate's rows leave the logits unchanged") {
  Model model = trained(3);
  const Batch<small_pmoe::B> b = batch();
  const T before = logits(model, b);
  for (auto& block : model.deep)
    for (auto* map : {&block.mix.query, &block.mix.key, &block.mix.value, &block.mix.output, &block.feed.gate, &block.feed.up,
                      &block.feed.down})
      std::swap(map->delta.blocks[0], map->delta.blocks[2]);
  const Index c = model.gate.weight.shape()[1];
  std::swap_ranges(model.gate.weight.data(), model.gate.weight.data() + c, model.gate.weight.data() + 2 * c);
  CHECK(difference(logits(model, b), before) < 1e-12);
}

TEST_CASE("11. the two stacked products equal the sum over experts, and a one-hot gate equals that expert alone") {
  Rng rng(5);
  const auto random = [&](const Shape& shape) {
    T x(shape);
    for (Index i = 0; i < x.size(); ++i) x.data()[i] = rng.normal();
    return x;
  };
  Mixture<LoRA>::On<small_pmoe::B> mixture;
  for (Index e = 0; e < 3; ++e) {
    mixture.grow(6, 5, {.rank = 2, .alpha = 3}, Rng(static_cast<std::uint64_t>(e)));
    for (Index i = 0; i < 10; ++i) mixture.blocks.back().b.data()[i] = rng.normal();
  }
  const T x = random({2, 4, 6}), y = random({2, 4, 5});
  Flow<small_pmoe::B> flow;
  flow.gates = softmax(random({2, 3}));
  const auto expert = [&](Index e) {
    const auto& block = mixture.blocks[static_cast<std::size_t>(e)];
    return matmul(matmul(x, block.a), block.b) * 1.5;
  };
  T sum = y;
  for (Index e = 0; e < 3; ++e) {
    T g({2, 1, 1});
    for (Index n = 0; n < 2; ++n) g.data()[n] = flow.gates.data()[n * 3 + e];
    sum = sum + expert(e) * g;
  }
  CHECK(difference(mixture.add(y, x, flow), sum) < 1e-14);
  flow.gates = oracle_gates<small_pmoe::B>(2, 3, 1);
  CHECK(difference(mixture.add(y, x, flow), y + expert(1)) < 1e-14);
}

TEST_CASE("12. a dense mixture of identical experts is a single LoRA") {
  Model model = trained(3);
  const Batch<small_pmoe::B> b = batch();
  for (auto& block : model.deep)
    for (auto* map : {&block.mix.query, &block.mix.key, &block.mix.value, &block.mix.output, &block.feed.gate, &block.feed.up,
                      &block.feed.down})
      for (std::size_t e = 1; e < 3; ++e) {
        map->delta.blocks[e].a.assign(map->delta.blocks[0].a.values());
        map->delta.blocks[e].b.assign(map->delta.blocks[0].b.values());
      }
  CHECK(difference(logits(model, b), logits(model, b, oracle_gates<small_pmoe::B>(3, 3, 0))) < 1e-12);
}

TEST_CASE("13. the number of parameters is tau p(r) + t (L - tau) p(r) + d t beside the backbone") {
  for (const auto& [layers, boundary, rank, tasks] :
       {std::array<Index, 4>{4, 2, 2, 3}, {4, 3, 1, 1}, {5, 0, 4, 2}, {3, 3, 2, 4}, {4, 1, 3, 0}}) {
    const PMoE::Config c = config(layers, boundary, rank);
    Model model(c, Rng(1));
    const Index backbone = parameter_count(model);
    for (Index t = 0; t < tasks; ++t) model.add_task(Rng(2));
    const Index d = c.width, f = c.hidden, p = rank * (4 * (d + d) + 3 * (d + f));  // q, k, v, o and the three maps of the MLP
    const Index shallow = tasks > 0 ? boundary * p : 0;
    CHECK(parameter_count(model) - backbone == shallow + tasks * (layers - boundary) * p + d * tasks);
  }
}

TEST_CASE("13. with queries and values alone LLaMA-2-7B's formula gives 5.80 million parameters for 8 tasks") {
  const Index d = 4096, layers = 32, boundary = 24, rank = 4, tasks = 8, p = rank * 2 * (d + d);
  const Index total = boundary * p + tasks * (layers - boundary) * p + d * tasks;
  CHECK(total == 5799936);
  PMoE::Config c = config(4, 3, 4);  // the same layout in small
  c.targets = {"query", "value"};
  Model model(c, Rng(1));
  const Index backbone = parameter_count(model), small_p = 4 * 2 * (c.width + c.width);
  for (Index t = 0; t < tasks; ++t) model.add_task(Rng(2));
  CHECK(parameter_count(model) - backbone == 3 * small_p + tasks * small_p + c.width * tasks);
}

TEST_CASE("14. with every layer shallow the logits do not depend on the gate") {
  const Model model = trained(2, config(3, 3));
  const Batch<small_pmoe::B> b = batch();
  CHECK(model.deep.empty());
  CHECK(logits(model, b, oracle_gates<small_pmoe::B>(3, 2, 0)).values() == logits(model, b, oracle_gates<small_pmoe::B>(3, 2, 1)).values());
}

TEST_CASE("14. with every layer deep the gate reads the embeddings") {
  const Model model = trained(3, config(3, 0));
  const Batch<small_pmoe::B> b = batch();
  const T expected = model.gate.weights(model.gate.query(model.embed(b.ids), b.flow()));
  CHECK(gates(model, b).values() == expected.values());
  CHECK(difference(logits(model, b), logits(model, b, expected)) == 0);
}

}  // namespace cmoe::pmoe_model_test
