// The invariants of ModuleFormer's mixtures, spec/moduleformer.md sections 2, 4, 5, 7 and 15, numbered as in 15. Insertion and
// pruning (15, 16) are in moduleformer_growth_test.cpp, early exit and the cache of one array (17, 18) in moduleformer_decode_test.cpp.
#include <doctest/doctest.h>

#include "cmoe/models/moduleformer.hpp"
#include "ops/draw.hpp"

namespace cmoe::moduleformer_mixture_test {

using draw::B, draw::Draw, draw::T;
using Feed = MixtureOfExperts<TopK>::On<B>;
using Attend = MixtureOfAttention<StickBreaking, TopK>::On<B>;

namespace {

constexpr Index width = 6;

Feed feed(Index experts, Index chosen, Index trunk = 0) {
  Feed layer(width, {.hidden = 5, .router = {.experts = experts, .chosen = chosen, .form = trunk > 0 ? RouterForm::mlp : RouterForm::linear, .gating_size = trunk}}, 1, Rng(1));
  for (auto& slab : layer.router.rows) B::affine(slab.size(), 40, slab.data(), 0, slab.data());  // decided, not nearly uniform
  return layer;
}
Attend attend(Index experts, Index chosen, Index heads = 2) {
  Attend layer(width, {.size = 4, .heads = heads, .router = {.experts = experts, .chosen = chosen}}, 1, Rng(2));
  for (auto& slab : layer.router.rows) B::affine(slab.size(), 40, slab.data(), 0, slab.data());
  return layer;
}

double worst(const T& a, const T& b) {
  REQUIRE(a.shape() == b.shape());
  double largest = 0;
  for (Index i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a.data()[i] - b.data()[i]));
  return largest;
}

// The matrix of one expert in a slab (E,in,out).
T expert(const ExpertWeights<B>& weights, Index e) {
  const T all = weights.all();
  return reshape(slice_rows(all, e, e + 1), {all.shape()[1], all.shape()[2]});
}

// One expert of the feed-forward mixture on rows (n,C).
T feed_expert(const Feed& layer, Index e, const T& rows) {
  return matmul(gelu_tanh(matmul(rows, expert(layer.up, e))), expert(layer.down, e));
}

// One attention expert for all tokens: dense multi-head stick-breaking attention with its own queries and outputs.
T attention_expert(const Attend& layer, Index e, const T& x) {
  const Index n = x.shape()[0], t = x.shape()[1], a = layer.size, h = layer.heads;
  const auto heads = [&](const T& y) { return reshape(y, {n, t, h, a / h}); };
  const T c = stickbreaking_attention(heads(matmul(x, expert(layer.query, e))), heads(layer.key(x)), heads(layer.value(x)),
                                      1 / std::sqrt(static_cast<double>(a / h)))
                  .out;
  return matmul(reshape(c, {n, t, a}), expert(layer.output, e));
}

// The weight of expert e for every token, 0 where it was not chosen: (n,1)
T weight_of(const Routing<B>& routing, Index e) {
  const Index n = routing.chosen.shape()[0], k = routing.chosen.shape()[1];
  T w({n, 1}, 0.0);
  for (Index i = 0; i < n * k; ++i)
    if (routing.chosen.data()[i] == e) w.data()[i / k] = routing.weights.data()[i];
  return w;
}

void swap_experts(Param<B>& slab, Index a, Index b) {
  const Index size = slab.size() / slab.shape()[0];
  std::swap_ranges(slab.data() + a * size, slab.data() + (a + 1) * size, slab.data() + b * size);
}

}  // namespace

TEST_CASE("8. one expert is a dense layer with gate 1") {
  Draw d{Rng(8)};
  const T x = d.tensor({2, 5, width});
  const Feed layer = feed(1, 1);
  CHECK(worst(layer(x).y, reshape(feed_expert(layer, 0, reshape(x, {10, width})), x.shape())) < 1e-14);
  const Attend attention = attend(1, 1);
  CHECK(worst(attention(x, {}).y, attention_expert(attention, 0, x)) < 1e-14);
}

TEST_CASE("9. with all experts chosen the output is the sum of all, weighted by their probabilities") {
  Draw d{Rng(9)};
  const T x = d.tensor({2, 5, width}), rows = reshape(x, {10, width});
  const Feed layer = feed(3, 3, 4);
  const auto fed = layer(x);
  T sum(Shape{10, width}, 0.0);
  for (Index e = 0; e < 3; ++e) sum = sum + feed_expert(layer, e, rows) * slice_columns(fed.routing.probabilities, e, e + 1);
  CHECK(worst(reshape(fed.y, {10, width}), sum) < 1e-14);
}

TEST_CASE("12. the dispatch equals a loop over experts and tokens, empty experts included") {
  Draw d{Rng(12)};
  for (Index chosen : {1, 2, 3}) {
    const T x = d.tensor({2, 5, width}), rows = reshape(x, {10, width});
    const Feed layer = feed(12, chosen);
    const auto fed = layer(x);
    T sum(Shape{10, width}, 0.0);
    Index empty = 0;
    for (Index e = 0; e < 12; ++e) {
      const T w = weight_of(fed.routing, e);
      empty += worst(w, T(w.shape(), 0.0)) == 0;
      sum = sum + feed_expert(layer, e, rows) * w;
    }
    CHECK(empty > 0);
    CHECK(worst(reshape(fed.y, {10, width}), sum) < 1e-14);
  }
}

TEST_CASE("12. attention experts attend each for its own tokens over the shared keys") {
  Draw d{Rng(13)};
  for (Index chosen : {1, 2, 4})
    for (Index heads : {1, 2}) {
      const T x = d.tensor({2, 5, width});
      const Attend layer = attend(4, chosen, heads);
      const auto mixed = layer(x, {});
      T sum(Shape{10, width}, 0.0);
      for (Index e = 0; e < 4; ++e) sum = sum + reshape(attention_expert(layer, e, x), {10, width}) * weight_of(mixed.routing, e);
      CHECK(worst(reshape(mixed.y, {10, width}), sum) < 1e-14);
    }
}

TEST_CASE("4. gates are the raw probabilities of the chosen, largest first, and sum to at most 1") {
  Draw d{Rng(4)};
  const Feed layer = feed(6, 3, 5);
  const Routing<B> routing = layer.router(d.tensor({8, width}));
  for (Index i = 0; i < 8; ++i) {
    double sum = 0;
    for (Index s = 0; s < 3; ++s) {
      const double w = routing.weights.data()[i * 3 + s];
      CHECK(w == routing.probabilities.data()[i * 6 + routing.chosen.data()[i * 3 + s]]);
      if (s > 0) CHECK(w <= routing.weights.data()[i * 3 + s - 1]);
      sum += w;
    }
    CHECK(sum < 1);
  }
}

TEST_CASE("10. experts permuted together with the router's rows leave the output unchanged") {
  Draw d{Rng(10)};
  const T x = d.tensor({2, 5, width});
  Feed layer = feed(5, 2);
  const T before = layer(x).y;
  for (Param<B>* slab : {&layer.up.slabs[0], &layer.down.slabs[0], &layer.router.rows[0]}) swap_experts(*slab, 0, 3);
  CHECK(worst(layer(x).y, before) < 1e-14);
  Attend attention = attend(5, 2);
  const T attended = attention(x, {}).y;
  for (Param<B>* slab : {&attention.query.slabs[0], &attention.output.slabs[0], &attention.router.rows[0]})
    swap_experts(*slab, 1, 4);
  CHECK(worst(attention(x, {}).y, attended) < 1e-14);
}

TEST_CASE("10. equal experts under equal scores give what one of them gives, whichever the tie takes") {
  Draw d{Rng(11)};
  const T x = d.tensor({1, 5, width});
  Feed layer = feed(3, 1);
  std::fill_n(layer.router.rows[0].data(), layer.router.rows[0].size(), 0.0);
  for (Param<B>* slab : {&layer.up.slabs[0], &layer.down.slabs[0]}) {
    const Index size = slab->size() / 3;
    for (Index e = 1; e < 3; ++e) std::copy_n(slab->data(), size, slab->data() + e * size);
  }
  CHECK(worst(layer(x).y, reshape(feed_expert(layer, 2, reshape(x, {5, width})) / 3.0, x.shape())) < 1e-14);
}

TEST_CASE("11. tokens permuted permute the feed-forward mixture's output, but not that of attention") {
  Draw d{Rng(14)};
  const T x = d.tensor({1, 5, width});
  const Ids<B> order({5}, {3, 1, 4, 0, 2});
  const auto permuted = [&](const T& y) { return reshape(gather_rows(reshape(y, {5, width}), order), {1, 5, width}); };
  const Feed layer = feed(4, 2);
  CHECK(worst(layer(permuted(x)).y, permuted(layer(x).y)) < 1e-14);
  const Attend attention = attend(4, 2);
  CHECK(worst(attention(permuted(x), {}).y, permuted(attention(x, {}).y)) > 1e-2);
}

TEST_CASE("15. inserted experts dilute the old gates by Z_old over Z_old + Z_new and add nothing themselves") {
  const double old_sum = std::exp(1.0) + std::exp(0.5) + 1 + std::exp(-0.5);
  CHECK(old_sum / (old_sum + 1) == doctest::Approx(0.8566).epsilon(1e-4));
  Draw d{Rng(15)};
  const T x = d.tensor({2, 3, width});
  Feed layer = feed(4, 4);
  const auto before = layer(x);
  layer.insert(2, Rng(3));
  CHECK(layer.router.experts() == 6);
  layer.router.chosen = 6;
  const auto after = layer(x);
  for (Index i = 0; i < 6; ++i) {
    double old_mass = 0, new_mass = 0;
    for (Index e = 0; e < 6; ++e) (e < 4 ? old_mass : new_mass) += std::exp(after.routing.logits.data()[i * 6 + e]);
    const double factor = old_mass / (old_mass + new_mass);
    for (Index e = 0; e < 4; ++e)
      CHECK(after.routing.probabilities.data()[i * 6 + e] ==
            doctest::Approx(factor * before.routing.probabilities.data()[i * 4 + e]));
    for (Index c = 0; c < width; ++c)
      CHECK(after.y.data()[i * width + c] == doctest::Approx(factor * before.y.data()[i * width + c]));
  }
}

TEST_CASE("5, 6. the whole model: padding changes nothing, and a cache gives the full pass, wherever it is split") {
  ModuleFormer::Config config{.vocabulary = 20, .width = width, .layers = 2};
  config.block.mix = {.size = 4, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  config.block.feed = {.hidden = 5, .router = {.experts = 4, .chosen = 2}};
  const ModuleFormer::On<B> model(config, Rng(1));
  const std::vector<Id> ids = {3, 1, 4, 1, 5, 9, 2};
  const T full = model(Ids<B>({1, 7}, ids), {}).logits;
  for (Index split = 1; split < 7; ++split) {
    std::vector<KvCache<B>> caches(2);
    const T first = model(Ids<B>({1, split}, std::vector<Id>(ids.begin(), ids.begin() + split)), {}, &caches).logits;
    const T second = model(Ids<B>({1, 7 - split}, std::vector<Id>(ids.begin() + split, ids.end())), {}, &caches).logits;
    CHECK(worst(reshape(concat_rows(std::vector<T>{reshape(first, {split, 20}), reshape(second, {7 - split, 20})}), {1, 7, 20}),
                full) < 1e-13);
  }
  std::vector<Id> padded = {0, 0, 0};
  padded.insert(padded.end(), ids.begin(), ids.end());
  Flow<B> flow;
  flow.first = Ids<B>({1}, {3});
  const T left = model(Ids<B>({1, 10}, padded), flow).logits;
  CHECK(worst(slice_rows(reshape(left, {10, 20}), 3, 10), reshape(full, {7, 20})) < 1e-13);
}

TEST_CASE("padding does not count in the model's auxiliary loss unless asked for") {
  ModuleFormer::Config config{.vocabulary = 20, .width = width, .layers = 1};
  config.block.mix = {.size = 4, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  config.block.feed = {.hidden = 5, .router = {.experts = 4, .chosen = 2}};
  const auto auxiliary = [&](bool count, Id padding, double information = 1) {
    config.count_padding = count;
    config.information_weight = information;
    config.switch_weight = 1 - information;
    const ModuleFormer::On<B> model(config, Rng(1));
    Flow<B> flow;
    flow.last = Ids<B>({2}, {3, 5});
    Tape<B> tape;
    return model(Ids<B>({2, 5}, {3, 1, 4, padding, padding, 9, 2, 6, 5, 3}), flow).auxiliary.item();
  };
  CHECK(auxiliary(false, 0) == doctest::Approx(auxiliary(false, 7)).epsilon(1e-14));
  CHECK(auxiliary(true, 0) != doctest::Approx(auxiliary(true, 7)).epsilon(1e-6));
  CHECK(auxiliary(false, 0, 0) == doctest::Approx(auxiliary(false, 7, 0)).epsilon(1e-14));
  CHECK(auxiliary(true, 0, 0) != doctest::Approx(auxiliary(true, 7, 0)).epsilon(1e-6));
}

}  // namespace cmoe::moduleformer_mixture_test
