// Modules inserted and pruned, spec/moduleformer.md sections 7, 8 and 15 (15 and 16), and the gate of insertions, which is ours.
#include <doctest/doctest.h>

#include "cmoe/models/generate.hpp"
#include "cmoe/models/moduleformer.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "cmoe/regularizer/router_anchor.hpp"
#include "ops/draw.hpp"

namespace cmoe::moduleformer_growth_test {

using draw::B, draw::Draw, draw::T;
using Feed = MixtureOfExperts<TopK>::On<B>;
using Attend = MixtureOfAttention<StickBreaking, TopK>::On<B>;

namespace {

constexpr Index width = 6;

Feed feed(Index experts, Index chosen, RouterForm form = RouterForm::linear) {
  Feed layer(width, {.hidden = 5, .router = {.experts = experts, .chosen = chosen, .form = form,
                                             .gating_size = form == RouterForm::linear ? Index{0} : Index{4}}}, 1, Rng(1));
  for (auto& slab : layer.router.rows) B::affine(slab.size(), form == RouterForm::gmm ? 1 : 40, slab.data(), 0, slab.data());
  return layer;
}
Attend attend(Index experts, Index chosen) {
  Attend layer(width, {.size = 4, .heads = 2, .router = {.experts = experts, .chosen = chosen}}, 1, Rng(2));
  for (auto& slab : layer.router.rows) B::affine(slab.size(), 40, slab.data(), 0, slab.data());
  return layer;
}

ModuleFormer::Config small(Index boundary = 0) {
  ModuleFormer::Config config{.vocabulary = 20, .width = width, .layers = 2, .context = 40, .boundary = boundary};
  config.block.mix = {.size = 4, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  config.block.feed = {.hidden = 5, .router = {.experts = 4, .chosen = 2}};
  return config;
}
const Ids<B> some_ids({2, 5}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3});

Flow<B> prompt_of(Id first_end, Id second_end) {
  Flow<B> flow;
  flow.prompt_first = Ids<B>({2}, {0, 0});
  flow.prompt_last = Ids<B>({2}, {first_end, second_end});
  return flow;
}

double worst(const T& a, const T& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

struct Holder {
  Feed layer;
  using Backend = B;
  static void visit(auto& self, auto&& v) { v("feed", self.layer); }
};

// Experts by how often the layer chose them.
std::vector<double> frequency(const Routing<B>& routing) {
  ExpertUse use;
  use.add(routing);
  return use.frequency();
}

}  // namespace

TEST_CASE("15. masked modules change no bit until they are enabled, in every form of router") {
  Draw d{Rng(1)};
  const T x = d.tensor({2, 5, width});
  for (const RouterForm form : {RouterForm::linear, RouterForm::mlp, RouterForm::gmm}) {
    Feed layer = feed(4, 2, form);
    const auto before = layer(x).y.values();
    layer.insert(3, Rng(3), Insertion::masked);
    CHECK(layer.router.experts() == 7);
    CHECK(layer(x).y.values() == before);
    CHECK_THROWS_AS(layer.insert(1, Rng(4)), Error);
    layer.router.enable();
    CHECK(layer(x).y.values() != before);
  }
  Attend attention = attend(4, 2);
  const auto before = attention(x, {}).y.values();
  attention.insert(2, Rng(3), Insertion::masked);
  CHECK(attention(x, {}).y.values() == before);

  ModuleFormer::On<B> model(small(), Rng(1));
  const auto logits = model(some_ids, {}).logits.values();
  model.insert(1, 2, Rng(2), Insertion::masked);
  CHECK(model(some_ids, {}).logits.values() == logits);
  model.enable();
  CHECK(model(some_ids, {}).logits.values() != logits);
}

TEST_CASE("15. a split expert and its copies have together the probability and the effect of the expert") {
  Draw d{Rng(2)};
  const T x = d.tensor({2, 5, width});
  Feed layer = feed(3, 3, RouterForm::mlp);
  const auto before = layer(x);
  layer.insert(5, Rng(3), Insertion::split);  // more copies than experts: some are copied twice
  layer.router.chosen = 8;
  const auto after = layer(x);
  CHECK(worst(after.y, before.y) < 1e-14);
  layer.insert(2, Rng(4), Insertion::split);  // and once more
  layer.router.chosen = 10;
  CHECK(worst(layer(x).y, before.y) < 1e-14);
  Attend attention = attend(3, 3);
  const T attended = attention(x, {}).y;
  attention.insert(2, Rng(3), Insertion::split);
  attention.router.chosen = 5;
  CHECK(worst(attention(x, {}).y, attended) < 1e-14);
}

TEST_CASE("15. random modules and copies begin as the first ones did, and inserting none is refused") {
  Feed layer = feed(2, 2);
  layer.insert(200, Rng(3), Insertion::random);
  const auto deviation = [](const Param<B>& p) {
    double squares = 0;
    for (double v : p.values()) squares += v * v;
    return std::sqrt(squares / static_cast<double>(p.size()));
  };
  CHECK(deviation(layer.up.slabs[1]) == doctest::Approx(1 / std::sqrt(6.0)).epsilon(0.05));
  CHECK(deviation(layer.down.slabs[1]) == doctest::Approx(1 / std::sqrt(5.0)).epsilon(0.05));
  ModuleFormer::On<B> model(small(), Rng(1));
  CHECK_THROWS_WITH_AS(model.insert(0, 0, Rng(1)), "insert: 0 attention and 0 feed-forward modules, at least one is needed", Error);
  CHECK_THROWS_AS(model.insert(-1, 2, Rng(1)), Error);
  CHECK_NOTHROW(model.insert(0, 2, Rng(1)));
  CHECK(model.blocks[0].mix.router.experts() == 4);
  CHECK(model.blocks[0].feed.router.experts() == 6);
}

TEST_CASE("16. pruning what nobody chose changes no bit if the rows keep their mass, and scales by 1 over 1 minus it if they do not") {
  Draw d{Rng(3)};
  const T x = d.tensor({2, 5, width});
  for (const RouterForm form : {RouterForm::linear, RouterForm::mlp, RouterForm::gmm}) {
    CAPTURE(static_cast<int>(form));
    Feed layer = feed(24, 2, form);
    const auto before = layer(x);
    const std::vector<Index> used = used_at_least(frequency(before.routing), 1e-9);
    REQUIRE(used.size() < 24);
    REQUIRE(used.size() >= 2);
    Feed same = feed(24, 2, form);
    same.keep(used, Pruning::keep_mass);
    CHECK(same.router.experts() == static_cast<Index>(used.size()));
    CHECK(same.up.slabs[0].shape()[0] == static_cast<Index>(used.size()));
    CHECK(same(x).y.values() == before.y.values());
    layer.keep(used, Pruning::delete_rows);
    const auto after = layer(x);
    for (Index i = 0; i < 10; ++i) {
      double removed = 1;
      for (Index e : used) removed -= before.routing.probabilities.data()[i * 24 + e];
      for (Index c = 0; c < width; ++c)
        CHECK(after.y.data()[i * width + c] == doctest::Approx(before.y.data()[i * width + c] / (1 - removed)).epsilon(1e-10));
    }
  }
  Attend attention = attend(16, 2);
  const auto attended = attention(x, {});
  attention.keep(used_at_least(frequency(attended.routing), 1e-9), Pruning::keep_mass);
  CHECK(attention(x, {}).y.values() == attended.y.values());
}

TEST_CASE("16. the whole model pruned by use, in one mixture after another, and then grown again") {
  ModuleFormer::On<B> model(small(), Rng(1));
  std::vector<Routing<B>> routings;
  const T before = model(some_ids, {}, nullptr, &routings).logits;
  std::vector<std::vector<Index>> kept;
  for (const Routing<B>& routing : routings) kept.push_back(used_at_least(frequency(routing), 1e-9));
  model.keep(kept, Pruning::keep_mass);
  CHECK(model(some_ids, {}).logits.values() == before.values());
  model.insert(1, 1, Rng(5), Insertion::masked);
  CHECK(model(some_ids, {}).logits.values() == before.values());
  model.enable();
  CHECK_NOTHROW(model(some_ids, {}));
  for (auto& list : kept) list = {0};
  CHECK_THROWS_WITH_AS(model.keep(kept), "prune: of the attention modules of block 0 only 1 would stay, each token uses 2", Error);
  CHECK_THROWS_AS(model.keep({{0, 1}}), Error);
}

TEST_CASE("use is counted in shares of the choices of the tokens that count") {
  const Routing<B> routing = choose(T({3, 3}, {3, 2, 0, 0, 3, 2, 0, 2, 3}), 2);
  ExpertUse use;
  CHECK_THROWS_AS(use.frequency(), Error);
  use.add(routing, T({3}, {1, 1, 0}));
  CHECK(use.frequency() == std::vector<double>{0.25, 0.5, 0.25});
  CHECK(most_used(use.frequency(), 2) == std::vector<Index>{0, 1});  // of equals the lower
  CHECK(used_at_least(use.frequency(), 0.3) == std::vector<Index>{1});
  CHECK_THROWS_AS(most_used(use.frequency(), 0), Error);
  CHECK_THROWS_AS(used_at_least(use.frequency(), 1.5), Error);
}

TEST_CASE("frozen slabs stay frozen when they are pruned, and trained ones trained") {
  Feed layer = feed(4, 2);
  freeze(layer);
  layer.insert(2, Rng(2));
  layer.keep({1, 2, 5});
  CHECK(layer.up.slabs[0].frozen());
  CHECK(layer.up.slabs[0].shape()[0] == 2);
  CHECK_FALSE(layer.up.slabs[1].frozen());
  CHECK(layer.up.slabs[1].shape()[0] == 1);
  layer.keep({0, 1});
  CHECK(layer.router.experts() == 2);
  CHECK_NOTHROW(layer(Draw{Rng(1)}.tensor({1, 3, width})));
}

TEST_CASE("the router anchor is the squared distance of what learns from what it was, new rows are free") {
  Feed layer = feed(3, 2, RouterForm::mlp);
  RouterAnchor<B> anchor;
  Holder model{std::move(layer)};
  anchor.keep(model);
  model.layer.insert(2, Rng(2));
  CHECK(anchor.loss(model).item() == 0);
  model.layer.router.rows[0].data()[1] += 2;
  model.layer.router.trunk.bias.data()[0] -= 1;
  model.layer.router.rows[1].data()[0] += 9;
  model.layer.up.slabs[0].data()[0] += 9;
  CHECK(anchor.loss(model).item() == doctest::Approx(5));
  Tape<B> tape;
  tape.backward(anchor.loss(model));
  CHECK(model.layer.router.rows[0].grad().data()[1] == doctest::Approx(4));
  CHECK_FALSE(model.layer.router.rows[1].grad());
  freeze(model);
  CHECK_FALSE(anchor.loss(model));
}

TEST_CASE("a gate of 0 leaves an insertion out to the bit, a gate of 1 changes nothing") {
  ModuleFormer::On<B> model(small(1), Rng(1));
  const auto first = model(some_ids, {}).logits.values();
  model.insert(1, 2, Rng(2), Insertion::copies);
  const auto second = model(some_ids, {}).logits.values();
  model.insert(1, 2, Rng(3), Insertion::copies);
  Flow<B> flow;
  flow.gates = T({2, 2}, {0, 0, 0, 0});
  CHECK(model(some_ids, flow).logits.values() == first);
  flow.gates = T({2, 2}, {1, 0, 1, 0});
  CHECK(model(some_ids, flow).logits.values() == second);
  flow.gates = T({2, 2}, {1, 1, 1, 1});
  CHECK(model(some_ids, flow).logits.values() == model(some_ids, {}).logits.values());
  flow.gates = T({2, 2}, {0, 0, 1, 0});  // one sequence without, one with the first insertion
  const auto mixed = model(some_ids, flow).logits.values();
  const auto half = static_cast<std::ptrdiff_t>(first.size() / 2);
  CHECK(std::equal(mixed.begin(), mixed.begin() + half, first.begin()));
  CHECK(std::equal(mixed.begin() + half, mixed.end(), second.begin() + half));
  flow.gates = T({2, 3}, 1.0);
  CHECK_THROWS_AS(model(some_ids, flow), Error);
}

TEST_CASE("the gate of insertions reads the prompt before the boundary, and generation keeps its choice") {
  ModuleFormer::On<B> model(small(1), Rng(1));
  for (std::uint64_t t = 0; t < 2; ++t) {
    model.insert(1, 2, Rng(2 + t), Insertion::copies);
    model.gate.grow();
  }
  model.gate.active = 2;
  for (Index i = 0; i < model.gate.weight.size(); ++i) model.gate.weight.data()[i] = std::sin(3.0 * static_cast<double>(i));
  Flow<B> flow = prompt_of(3, 2);
  const T state = model.shallow_state(some_ids, flow), gates = model.gates(state, flow);
  CHECK(gates.shape() == Shape{2, 2});
  for (double g : gates.values()) CHECK((g == 0 || g == 1));
  Flow<B> given = flow;
  given.gates = gates;
  CHECK(model(some_ids, flow).logits.values() == model(some_ids, given).logits.values());
  CHECK_THROWS_AS(model(some_ids, {}), Error);  // no prompt to read
  const std::vector<Id> prompt = {3, 1, 4};
  const std::vector<Id> made = generate(model, prompt, 4, -1, {}, Rng(0), Flow<B>{});
  std::vector<Id> all = prompt;
  for (Id id : made) {
    Flow<B> one;
    one.prompt_first = Ids<B>({1}, {0});
    one.prompt_last = Ids<B>({1}, {3});
    const T logits = model(Ids<B>({1, static_cast<Index>(all.size())}, all), one).logits;
    CHECK(argmax(logits).values().back() == id);
    all.push_back(id);
  }
}

}  // namespace cmoe::moduleformer_growth_test
