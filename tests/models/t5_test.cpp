// T5: positions in buckets, rows of a prompt and its answer, caches, and the two halves by themselves.
#include "cmoe/models/t5.hpp"

#include <doctest/doctest.h>

#include "cmoe/cpu/cpu.hpp"
#include "cmoe/models/any_model.hpp"
#include "cmoe/nn/expect_module.hpp"
#include "continual/small_stream.hpp"

namespace cmoe::t5_test {

using small::B, small::T;

namespace {

// PMoE's recipe on T5: a gate at the boundary of the encoder.
using PMoET5 = AdaptedT5<Shallow<Single<LoRA>>, Deep<Mixture<LoRA>>, Gate<PromptMean, LinearSoftmax>>;

template <class Recipe>
typename Recipe::Config sizes(bool second = false) {
  typename Recipe::Config c;
  c.vocabulary = 12, c.width = 6, c.encoder_layers = c.decoder_layers = 2, c.heads = 2, c.head_size = 4, c.hidden = 5, c.context = 30;
  c.buckets = 8, c.max_distance = 6;
  if (second) c.gated = true, c.activation = Activation::gelu_tanh, c.tied = c.scaled_output = false;
  c.boundary = std::is_same_v<typename Recipe::ShallowDelta, NoDelta> ? 0 : 1;
  return c;
}

// With two tasks whose deltas and gate do something.
template <class Recipe>
typename Recipe::template On<B> made(bool second = false) {
  auto c = sizes<Recipe>(second);
  c.targets = {"query", "key", "value", "output", "gate", "up", "down"};
  typename Recipe::template On<B> model(c, Rng(1));
  for (const std::uint64_t t : {0u, 1u}) model.add_task(Rng(t));
  model.gate.active = 2;
  small::disturb(model, ".delta.", 0.4);
  small::disturb(model, "gate.weight", 2);
  return model;
}

Ids<B> each(std::vector<Id> values) { return Ids<B>({static_cast<Index>(values.size())}, values); }

Flow<B> ranges(std::vector<Id> split, std::vector<Id> last = {}) {
  Flow<B> flow;
  flow.prompt_first = each(std::vector<Id>(split.size(), 0));
  if (!last.empty()) flow.last = each(last);
  flow.prompt_last = each(std::move(split));
  return flow;
}

const std::vector<Id> prompt = {3, 1, 4, 1, 5};

// The likeliest continuation by computing everything anew for each token.
std::vector<Id> slowly(const auto& model, Index count) {
  std::vector<Id> ids = prompt;
  for (Index i = 0; i < count; ++i)
    ids.push_back(argmax(model(Ids<B>({1, static_cast<Index>(ids.size())}, ids), ranges({5})).logits).values().back());
  return {ids.begin() + 5, ids.end()};
}

double largest(const T& x) {
  double most = 0;
  for (double v : x.values()) most = std::max(most, std::abs(v));
  return most;
}

std::string fault(auto&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

}  // namespace

TEST_CASE("distances fall into the buckets worked by hand: exact near by, then logarithmic, and all beyond in one") {
  const std::pair<Index, Id> both[] = {{0, 0}, {-1, 1}, {1, 17}, {-7, 7}, {7, 23}, {-8, 8}, {-15, 9}, {-16, 10}, {16, 26}, {-64, 14}, {-127, 15}, {-128, 15}, {9999, 31}};
  for (const auto& [ahead, bucket] : both) CHECK_MESSAGE(relative_bucket(ahead, 32, 128, true) == bucket, ahead);
  const std::pair<Index, Id> behind[] = {{5, 0}, {0, 0}, {-1, 1}, {-15, 15}, {-16, 16}, {-31, 21}, {-128, 31}, {-9999, 31}};
  for (const auto& [ahead, bucket] : behind) CHECK_MESSAGE(relative_bucket(ahead, 32, 128, false) == bucket, ahead);
  CHECK_THROWS_WITH_AS(RelativeBias<B>(7, 2, 20, true), "relative bias: 7 buckets for distances up to 20", Error);
  CHECK_THROWS_AS(RelativeBias<B>(8, 2, 4, true), Error);
}

TEST_CASE("relative biases are a module; one-sided ones hide what is ahead, and a late query's are its row of all") {
  const auto make = [](bool both) {
    RelativeBias<B> bias(8, 2, 6, both);
    bias.weight = init::normal<B>({8, 2}, 1, Rng(2));
    return bias;
  };
  expect_module<RelativeBias<B>>([&] { return make(true); }, [](const auto& m) { return m(4, 4); });
  expect_module<RelativeBias<B>>([&] { return make(false); }, [](const auto& m) { return softmax(m(12, 12)); });
  const RelativeBias<B> bias = make(false);
  const auto all = bias(5, 5).values(), late = bias(1, 5).values(), two = bias(2, 5).values();
  for (std::size_t h = 0; h < 2; ++h)
    for (std::size_t j = 0; j < 5; ++j) {
      CHECK(late[h * 5 + j] == all[h * 25 + 20 + j]);
      CHECK(two[h * 10 + j] == all[h * 25 + 15 + j]);
      CHECK(std::isinf(all[h * 25 + 5 + j]) == (j > 1));
    }
}

TEST_CASE("T5 1.0 and 1.1, DAPT and PMoE's recipe on it are modules") {
  const Ids<B> ids({2, 6}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 0, 0});
  const auto run = [&](const auto& m) { return m(ids, ranges({3, 2}, {6, 4})).logits; };
  for (const bool second : {false, true})
    expect_module<T5::On<B>>([&] { return T5::On<B>(sizes<T5>(second), Rng(1)); }, run, 1e-5);
  const auto trained = []<class Model>(Model model) {
    freeze(model);
    for_each_param(model, [](const std::string& name, Param<B>& p) {
      if (name.find(".delta.") != std::string::npos || name.rfind("gate.", 0) == 0) p.unfreeze();
    });
    return model;
  };
  expect_module<PMoET5::On<B>>([&] { return trained(made<PMoET5>(true)); }, run, 1e-5);
  expect_module<DaptMeanT5::On<B>>(
      [&] {
        auto model = trained(made<DaptMeanT5>());
        model.gate.center.freeze();
        model.gate.spread.freeze();
        return model;
      },
      run, 1e-5);
}

TEST_CASE("the scores of an answer stand at the token before, are those of the two halves, and elsewhere 0") {
  for (const bool second : {false, true}) {
    const auto model = made<PMoET5>(second);
    const std::vector<Id> row = {3, 1, 4, 1, 5, 9, 2, 6};  // five of the prompt, three of the answer
    const T whole = model(Ids<B>({1, 8}, row), ranges({5})).logits;
    Flow<B> flow;
    const T memory = model.encode(Ids<B>({1, 5}, prompt), flow);
    CHECK(flow.gates.shape() == Shape{1, 2});
    const T halves = model.decode(Ids<B>({1, 4}, {model.config.start, 9, 2, 6}), memory, flow);  // (1,4,V)
    CHECK(small::difference(reshape(slice_rows(reshape(whole, {8, 12}), 4, 8), {1, 4, 12}), halves) < 1e-12);
    CHECK(largest(slice_rows(reshape(whole, {8, 12}), 0, 4)) == 0);
    CHECK(largest(halves) > 0);
  }
}

TEST_CASE("a row of a batch gives what it gives alone: neither padding nor its neighbours count") {
  const auto model = made<PMoET5>(true);
  const std::vector<std::vector<Id>> rows = {{3, 1, 4, 1, 5, 9}, {2, 6, 5}, {7, 3, 5, 8, 9, 7, 9}};
  const std::vector<Id> split = {2, 1, 6};
  std::vector<Id> ids, last;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < 8; ++i) ids.push_back(i < row.size() ? row[i] : static_cast<Id>(i));
    last.push_back(static_cast<Id>(row.size()));
  }
  const T batch = model(Ids<B>({3, 8}, ids), ranges(split, last)).logits;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto length = static_cast<Index>(rows[i].size()), begin = static_cast<Index>(i) * 8;
    const T alone = reshape(model(Ids<B>({1, length}, rows[i]), ranges({split[i]})).logits, {length, 12});
    CHECK(small::difference(alone, slice_rows(reshape(batch, {24, 12}), begin, begin + length)) < 1e-12);
    CHECK(largest(slice_rows(reshape(batch, {24, 12}), begin + length, begin + 8)) == 0);
  }
  // a prompt that does not begin the row: what is before it is nobody's
  Flow<B> inner = ranges({4});
  inner.prompt_first = each({2});
  const T from = model(Ids<B>({1, 6}, {7, 8, 3, 1, 4, 9}), inner).logits, only = model(Ids<B>({1, 4}, {3, 1, 4, 9}), ranges({2})).logits;
  CHECK(small::difference(slice_rows(reshape(from, {6, 12}), 2, 6), reshape(only, {4, 12})) < 1e-12);
}

TEST_CASE("generation over the caches gives what computing everything anew gives, with any type of the model") {
  const auto generated = [](const auto& model, Index limit) { return generate(model, prompt, limit, -1, {}, Rng(0), Flow<B>{}); };
  for (const bool second : {false, true}) {
    T5::On<B> plain(sizes<T5>(second), Rng(1));
    CHECK(generated(plain, 12) == slowly(plain, 12));
    auto dapt = made<DaptT5>(second);
    auto pmoe = made<PMoET5>(second);
    CHECK(generated(dapt, 12) == slowly(dapt, 12));
    CHECK(generated(pmoe, 12) == slowly(pmoe, 12));
    CHECK(generated(AnyModel<B>(pmoe), 12) == slowly(pmoe, 12));
    CHECK(generated(pmoe, 1000).size() == 25);  // the context has 30
    for_each_param(pmoe, [](const std::string& name, Param<B>& p) {  // so that the likeliest token says something about the bias
      if (name.find("_bias") != std::string::npos) CHECK(p.size() == 16);
    });
  }
}

TEST_CASE("several sequences go through the caches together if their answers begin together") {
  const auto model = made<PMoET5>();
  const Ids<B> ids({2, 7}, {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7});
  const T whole = reshape(model(ids, ranges({4, 4})).logits, {14, 12});
  std::vector<KvCache<B>> caches(static_cast<std::size_t>(model.layers()));
  Flow<B> flow = ranges({4, 4});
  T step = reshape(model(Ids<B>({2, 5}, {3, 1, 4, 1, 5, 6, 5, 3, 5, 8}), flow, &caches).logits, {10, 12});
  CHECK(small::difference(slice_rows(step, 3, 5), slice_rows(whole, 3, 5)) < 1e-12);
  CHECK(caches[0].length() == 2);
  CHECK(caches[2].length() == 4);  // of the prompt
  flow.gates = model.gates(model.shallow_state(ids, flow), flow);
  for (const auto& [place, next] : {std::pair<Index, std::vector<Id>>{5, {9, 9}}, {6, {2, 7}}}) {
    step = reshape(model(Ids<B>({2, 1}, next), flow, &caches).logits, {2, 12});
    CHECK(small::difference(slice_rows(step, 0, 1), slice_rows(whole, place, place + 1)) < 1e-12);
    CHECK(small::difference(slice_rows(step, 1, 2), slice_rows(whole, 7 + place, 8 + place)) < 1e-12);
  }
  CHECK(fault([] { KvCache<B>().kept(); }) == "kv cache: nothing was ever put in");
  CHECK(fault([&] {
          std::vector<KvCache<B>> begun(4);
          model(ids, ranges({4, 4}), &begun);
          Flow<B> gates_only;
          gates_only.gates = flow.gates;
          model(Ids<B>({2, 1}, {1, 2}), gates_only, &begun);
        }) == "t5: the range of the prompt that is in the caches is not set");
  std::vector<KvCache<B>> fresh(4), few(1);
  CHECK(fault([&] { model(ids, ranges({4, 5}), &fresh); }) == "t5: with a cache all answers must begin and end at the same place");
  CHECK(fault([&] { model(ids, ranges({4, 4}), &few); }) == "t5: 1 caches for 4 attentions");
}

TEST_CASE("rows without a prompt, prompts outside their row and padding on the left are refused") {
  const auto model = made<PMoET5>();
  const T5::On<B> plain(sizes<T5>(), Rng(1));
  const Ids<B> ids({1, 4}, {1, 2, 3, 4});
  CHECK(fault([&] { plain(ids, {}); }) ==
        "t5: the range of the prompt is not set; the encoder reads the prompt and the decoder the answer behind it");
  CHECK(fault([&] { model(ids, {}); }) ==
        "t5: the range of the prompt is not set; the encoder reads the prompt and the decoder the answer behind it");
  CHECK(fault([&] { plain(ids, ranges({0})); }) == "t5: row 0 has its prompt at 0..0 of 4 tokens");
  CHECK(fault([&] { plain(ids, ranges({5})); }) == "t5: row 0 has its prompt at 0..5 of 4 tokens");
  CHECK(fault([&] { plain(ids, ranges({3}, {2})); }) == "t5: row 0 has its prompt at 0..3 of 2 tokens");
  CHECK(fault([&] { plain(ids, ranges({3, 3})); }) == "t5: 2 prompts and 1 ends for 1 rows");
  Flow<B> left = ranges({3});
  left.first = each({1});
  CHECK(fault([&] { plain(ids, left); }) == "t5: rows must be padded on the right");
  CHECK(fault([&] { plain.encode(ids, left); }) == "t5: the encoder needs sequences padded on the right");
  auto c = sizes<T5>();
  c.start = 12;
  CHECK(fault([&] { T5::On<B>(c, Rng(1)); }) == "t5: the start token 12 is not one of 12");
  c = sizes<T5>();
  c.boundary = 3;
  CHECK(fault([&] { T5::On<B>(c, Rng(1)); }) == "t5: boundary 3 of 2 layers");
  c = sizes<T5>();
  c.norm_epsilon = 0;
  CHECK(fault([&] { T5::On<B>(c, Rng(1)); }) == "t5: norm_epsilon is 0.000000, it must be positive");
  c = sizes<T5>();
  c.decoder_layers = 0;
  CHECK(fault([&] { T5::On<B>(c, Rng(1)); }) == "t5: decoder_layers is 0, it must be positive");
}

TEST_CASE("deltas stand on queries and values of every attention unless other maps are asked for, and not on maps that are not there") {
  DaptT5::On<B> model(sizes<DaptT5>(), Rng(1));
  model.add_task(Rng(2));
  std::size_t maps = 0;
  model.for_each_deep_map([&](auto&) { ++maps; });
  CHECK(maps == 2 * (2 + 4));  // two encoder layers with one attention, two decoder layers with two
  auto all = made<DaptT5>();
  maps = 0;
  all.for_each_deep_map([&](auto&) { ++maps; });
  CHECK(maps == 2 * (4 + 2) + 2 * (8 + 2));
  const T5::On<B> backbone(sizes<T5>(), Rng(7));
  DaptT5::On<B> unfilled(sizes<DaptT5>(), Rng(1), Pretrained::unfilled);
  copy_parameters(backbone, unfilled);
  const Ids<B> ids({1, 4}, {1, 2, 3, 4});
  CHECK(unfilled(ids, ranges({2})).logits.values() == backbone(ids, ranges({2})).logits.values());
}

}  // namespace cmoe::t5_test
