// PMoE's and DAPT's mixtures and SETA's lattice, gate and anchor against the equations computed elsewhere in double.
#include <algorithm>

#include "cmoe/models/dapt.hpp"
#include "cmoe/models/pmoe.hpp"
#include "cmoe/models/seta.hpp"
#include "cmoe/regularizer/anchor.hpp"
#include "cmoe/regularizer/orthogonal.hpp"
#include "cmoe/regularizer/reflection.hpp"
#include "cmoe/regularizer/route.hpp"
#include "golden.hpp"

namespace cmoe::methods_test {

namespace {

// The file's matrices are (out,in), ours (in,out).
template <class B>
Tensor<B> transposed(const Tensor<B>& x) {
  const Shape& s = x.shape();
  return reshape(swap_axes(reshape(x, {1, s[0], s[1]}), 1), {s[1], s[0]});
}

template <class B>
Param<B> param(const Tensor<B>& x) {
  return Param<B>(x.value().copy());
}

// Expert e of a stack (E,...), without its first axis.
template <class B>
Tensor<B> expert(const Tensor<B>& x, Index e) {
  const Shape& s = x.shape();
  return reshape(slice_rows(x, e, e + 1), {s[1], s[2]});
}

// An adapted map with the file's weight and LoRA blocks, all trained.
template <class B>
AdaptedLinear<B, Mixture<LoRA>> adapted_map(const SafeTensors& file, double scale) {
  AdaptedLinear<B, Mixture<LoRA>> map;
  map.base.weight = param(transposed(golden::tensor<B>(file, "weight")));
  map.base.weight.freeze();
  const Tensor<B> a = golden::tensor<B>(file, "lora_a"), b = golden::tensor<B>(file, "lora_b");
  const Index in = a.shape()[2], rank = a.shape()[1];
  for (Index e = 0; e < a.shape()[0]; ++e) {
    map.delta.grow(in, b.shape()[1], {.rank = rank, .alpha = scale * static_cast<double>(rank)}, Rng(1));
    map.delta.blocks.back().a = param(transposed(expert(a, e)));
    map.delta.blocks.back().b = param(transposed(expert(b, e)));
  }
  return map;
}

template <class B, class Map>
void compare_blocks(const Map& map, const SafeTensors& file, double tolerance) {
  std::vector<Tensor<B>> a, b;
  for (const auto& block : map.delta.blocks) {
    a.push_back(reshape(transposed(Tensor<B>(block.a.grad())), {1, block.a.shape()[1], block.a.shape()[0]}));
    b.push_back(reshape(transposed(Tensor<B>(block.b.grad())), {1, block.b.shape()[1], block.b.shape()[0]}));
  }
  CHECK(golden::deviation(concat_rows(a), file, "grad.lora_a") < tolerance);
  CHECK(golden::deviation(concat_rows(b), file, "grad.lora_b") < tolerance);
}

// The range of ones in each row of a mask.
template <class B>
Flow<B> prompt_range(const Ids<B>& mask) {
  const Index n = mask.shape()[0], t = mask.shape()[1];
  const std::vector<Id> m = mask.values();
  std::vector<Id> first, last;
  for (Index i = 0; i < n; ++i) {
    const auto begin = m.begin() + i * t, end = begin + t;
    const auto one = std::find(begin, end, 1);
    first.push_back(static_cast<Id>(one - begin));
    last.push_back(static_cast<Id>(std::find(one, end, 0) - begin));
  }
  Flow<B> flow;
  flow.prompt_first = Ids<B>({n}, first);
  flow.prompt_last = Ids<B>({n}, last);
  return flow;
}

template <class B>
void compare_dapt(double tolerance) {
  const auto path = shared_data("golden/dapt/mixture.safetensors");
  if (!path) return;
  const SafeTensors file = SafeTensors::open(*path);
  const Json json = read_json(*shared_data("golden/dapt/mixture.json"));
  const Tensor<B> embeddings = golden::tensor<B>(file, "embeddings");
  const Index c = embeddings.shape()[2], tasks = file.at("keys").shape[0];
  typename Gate<PromptMax, KeyAttention>::On<B> gate(c, {.hidden = file.at("w_down").shape[0], .temperature = json.at("tau").get<double>()});
  gate.down.weight = param(transposed(golden::tensor<B>(file, "w_down")));
  gate.up.weight = param(transposed(golden::tensor<B>(file, "w_up")));
  gate.norm.weight = param(golden::tensor<B>(file, "ln_weight"));
  gate.norm.bias = param(golden::tensor<B>(file, "ln_bias"));
  const Tensor<B> keys = golden::tensor<B>(file, "keys");
  for (Index t = 0; t < tasks; ++t) {
    gate.grow(Rng(1));
    gate.keys.back() = param(slice_rows(keys, t, t + 1));
  }
  gate.active = tasks;
  auto map = adapted_map<B>(file, json.at("alpha").get<double>() / json.at("rank").get<double>());
  Tensor<B> x = golden::tensor<B>(file, "x");
  x.want_gradient();

  Tape<B> tape;
  Flow<B> flow = prompt_range(golden::ids<B>(file, "mask"));
  const Tensor<B> pooled = gate.query(embeddings, flow);
  CHECK(golden::deviation(gate.projected(pooled), file, "query") < tolerance);
  const Tensor<B> scores = gate.scores(pooled);
  flow.gates = softmax(scores);
  CHECK(golden::deviation(flow.gates, file, "attention") < tolerance);
  const Tensor<B> y = map(x, flow);
  CHECK(golden::deviation(y, file, "y") < tolerance);
  const Tensor<B> kl = reflection_loss(scores, golden::tensor<B>(file, "target"));
  CHECK(static_cast<double>(kl.item()) == doctest::Approx(json.at("kl").get<double>()).epsilon(tolerance));
  const Tensor<B> loss = sum(y * golden::tensor<B>(file, "grad_y")) + kl * static_cast<typename B::Scalar>(json.at("kl_weight").get<double>());
  CHECK(static_cast<double>(loss.item()) == doctest::Approx(json.at("loss").get<double>()).epsilon(10 * tolerance));
  tape.backward(loss);
  compare_blocks<B>(map, file, tolerance);
  CHECK(golden::deviation(Tensor<B>(x.grad()), file, "grad.x") < tolerance);
  CHECK(golden::deviation(transposed(Tensor<B>(gate.down.weight.grad())), file, "grad.w_down") < tolerance);
  CHECK(golden::deviation(transposed(Tensor<B>(gate.up.weight.grad())), file, "grad.w_up") < tolerance);
  CHECK(golden::deviation(Tensor<B>(gate.norm.weight.grad()), file, "grad.ln_weight") < tolerance);
  CHECK(golden::deviation(Tensor<B>(gate.norm.bias.grad()), file, "grad.ln_bias") < tolerance);
  std::vector<Tensor<B>> key_gradients;
  for (const auto& key : gate.keys) key_gradients.emplace_back(key.grad());
  CHECK(golden::deviation(concat_rows(key_gradients), file, "grad.keys") < tolerance);
}

template <class B>
void compare_pmoe(double tolerance) {
  const auto path = shared_data("golden/pmoe/mixture.safetensors");
  if (!path) return;
  const SafeTensors file = SafeTensors::open(*path);
  const Json json = read_json(*shared_data("golden/pmoe/mixture.json"));
  Tensor<B> state = golden::tensor<B>(file, "boundary_state"), u = golden::tensor<B>(file, "u");
  state.want_gradient();
  u.want_gradient();
  const Index experts = file.at("router").shape[1];
  LinearSoftmax::On<B> gate(state.shape()[2]);
  for (Index e = 0; e < experts; ++e) gate.grow();
  gate.weight = param(transposed(golden::tensor<B>(file, "router")));
  gate.active = experts;
  auto map = adapted_map<B>(file, json.at("scale").get<double>());

  Tape<B> tape;
  Flow<B> flow = prompt_range(golden::ids<B>(file, "prompt_mask"));
  const Tensor<B> pooled = rms_norm(mean_of_range(state, flow.prompt_first, flow.prompt_last), json.at("rms_eps").get<double>());
  CHECK(golden::deviation(pooled, file, "pooled") < tolerance);
  const Tensor<B> logits = gate.scores(pooled);
  CHECK(golden::deviation(logits, file, "logits") < tolerance);
  flow.gates = softmax(logits);
  CHECK(golden::deviation(flow.gates, file, "gate") < tolerance);
  const Tensor<B> y = map(u, flow);
  CHECK(golden::deviation(y, file, "y") < tolerance);
  const Tensor<B> ce = cross_entropy(logits, golden::ids<B>(file, "task_ids"));
  CHECK(static_cast<double>(ce.item()) == doctest::Approx(json.at("router_ce").get<double>()).epsilon(tolerance));
  std::vector<Tensor<B>> old;
  for (Index e = 0; e + 1 < experts; ++e) old.push_back(map.delta.blocks[static_cast<std::size_t>(e)].a);
  const Tensor<B> newest = map.delta.blocks.back().a;
  const Tensor<B> l1 = overlap(concat_columns(old), newest, OverlapNorm::entrywise), squares = overlap(concat_columns(old), newest, OverlapNorm::frobenius);
  CHECK(static_cast<double>(l1.item()) == doctest::Approx(json.at("orthogonal_l1").get<double>()).epsilon(tolerance));
  CHECK(static_cast<double>(squares.item()) == doctest::Approx(json.at("orthogonal_frobenius").get<double>()).epsilon(tolerance));
  const Tensor<B> loss = sum(y * golden::tensor<B>(file, "grad_y")) + ce + squares * static_cast<typename B::Scalar>(json.at("orthogonal_weight").get<double>());
  CHECK(static_cast<double>(loss.item()) == doctest::Approx(json.at("loss").get<double>()).epsilon(10 * tolerance));
  tape.backward(loss);
  compare_blocks<B>(map, file, tolerance);
  CHECK(golden::deviation(transposed(Tensor<B>(gate.weight.grad())), file, "grad.router") < tolerance);
  CHECK(golden::deviation(Tensor<B>(state.grad()), file, "grad.boundary_state") < tolerance);
  CHECK(golden::deviation(Tensor<B>(u.grad()), file, "grad.u") < tolerance);
}

template <class B>
void compare_analytic(double tolerance) {
  const auto path = shared_data("golden/pmoe/analytic_router.safetensors");
  if (!path) return;
  const SafeTensors file = SafeTensors::open(*path);
  const Json json = read_json(*shared_data("golden/pmoe/analytic_router.json"));
  LeastSquares::On<B> router(file.at("features.0").shape[1], {.bias = false, .ridge = json.at("ridge").get<double>()});
  for (Index t = 0; t < json.at("tasks").get<Index>(); ++t) {
    router.grow();
    const Tensor<B> features = golden::tensor<B>(file, "features." + std::to_string(t));
    const Index half = features.shape()[0] / 2;  // in pieces: the sums do not care
    router.absorb(slice_rows(features, 0, half), t);
    router.absorb(slice_rows(features, half, features.shape()[0]), t);
    CHECK(golden::deviation(Tensor<B>(router.weight.value()), file, "weights." + std::to_string(t)) < tolerance);
  }
}

template <class B>
void compare_gate_and_anchor(double tolerance) {
  const auto path = shared_data("golden/seta/gate_anchor.safetensors");
  if (!path) return;
  const SafeTensors file = SafeTensors::open(*path);
  const Json json = read_json(*shared_data("golden/seta/gate_anchor.json"));
  TaskLattice<LinearSoftmax>::On<B> gate(file.at("features").shape[1]);
  const Index tasks = file.at("router").shape[1];
  for (Index t = 0; t < tasks; ++t) gate.grow();
  gate.weight = param(transposed(golden::tensor<B>(file, "router")));
  gate.active = tasks;
  gate.combination = golden::tensor<B>(file, "combination");
  const Tensor<B> features = golden::tensor<B>(file, "features");
  const Tensor<B> p = gate.weights(features);
  CHECK(golden::deviation(p, file, "task_probability") < tolerance);
  CHECK(golden::deviation(gate.expand(p), file, "activation") < tolerance);
  {
    Tape<B> tape;
    const Tensor<B> loss = route_loss<B>(gate.weight, transposed(golden::tensor<B>(file, "router_before")), golden::tensor<B>(file, "second_moment")) *
                           static_cast<typename B::Scalar>(json.at("mu").get<double>());
    CHECK(static_cast<double>(loss.item()) == doctest::Approx(json.at("route").get<double>()).epsilon(tolerance));
    tape.backward(loss);
    CHECK(golden::deviation(transposed(Tensor<B>(gate.weight.grad())), file, "grad.router") < tolerance);
  }
  Tape<B> tape;
  Tensor<B> value = golden::tensor<B>(file, "value");
  value.want_gradient();
  const Tensor<B> fisher = golden::tensor<B>(file, "fisher");
  const Tensor<B> loss = quadratic_penalty(value, golden::tensor<B>(file, "anchor"), fisher * (1 / mean(fisher).item())) *
                         static_cast<typename B::Scalar>(json.at("anchor_lambda").get<double>());
  CHECK(static_cast<double>(loss.item()) == doctest::Approx(json.at("anchor").get<double>()).epsilon(tolerance));
  tape.backward(loss);
  CHECK(golden::deviation(Tensor<B>(value.grad()), file, "grad.value") < tolerance);
}

// The experts of one step of a reference run, in the order of their users.
void compare_lattice(std::vector<SparseExpert> ours, const Json& expected) {
  const auto users = [](const SparseExpert& e) {
    std::vector<Index> list;
    for (Index t = 0; t < static_cast<Index>(e.users.size()); ++t)
      if (e.used_by(t)) list.push_back(t);
    return list;
  };
  std::sort(ours.begin(), ours.end(), [&](const auto& a, const auto& b) { return users(a) < users(b); });
  REQUIRE(ours.size() == expected.size());
  for (std::size_t e = 0; e < ours.size(); ++e) {
    CHECK(users(ours[e]) == expected[e].at("users").get<std::vector<Index>>());
    CHECK(ours[e].units == expected[e].at("idx").get<std::vector<Index>>());
  }
}

}  // namespace

TEST_CASE("DAPT's query, attention, mixture, reflection and all their gradients are the reference's") {
  compare_dapt<Cpu<double>>(1e-9);
  compare_dapt<Cpu<float>>(1e-4);
}

TEST_CASE("PMoE's router, mixture, orthogonal loss and all their gradients are the reference's") {
  compare_pmoe<Cpu<double>>(1e-9);
  compare_pmoe<Cpu<float>>(1e-4);
}

TEST_CASE("the analytic router fed task by task is batch ridge regression") {
  compare_analytic<Cpu<double>>(1e-9);
  compare_analytic<Cpu<float>>(1e-4);
}

TEST_CASE("SETA's gate, expansion, anchor and routing regulariser are the reference's") {
  compare_gate_and_anchor<Cpu<double>>(1e-9);
  compare_gate_and_anchor<Cpu<float>>(1e-4);
}

TEST_CASE("SETA's splits give the reference's experts, with and without a threshold") {
  const auto path = shared_data("golden/seta/split.json");
  if (!path) return;
  const Json json = read_json(*path);
  const Json& threshold = json.at("threshold");
  std::vector<SparseExpert> lattice, limited;
  for (std::size_t t = 0; t < json.at("masks").size(); ++t) {
    const auto mask = json.at("masks")[t].get<std::vector<Index>>();
    const auto task = static_cast<Index>(t);
    lattice = split_on_share(lattice, mask, task, {.threshold = 0, .smallest = 1, .most = 1 << 20}).experts;
    compare_lattice(lattice, json.at("lattice")[t]);
    limited = split_on_share(limited, mask, task, {.threshold = threshold.at("theta").get<double>(), .smallest = threshold.at("n_min").get<Index>(), .most = 1 << 20}).experts;
    compare_lattice(limited, threshold.at("experts")[t]);
  }
}

TEST_CASE("SETA's sensitivity masks are the reference's") {
  for (const char* name : {"golden/seta/mask_eta0.9_rho0.2.json", "golden/seta/mask_eta0.5_rho1.0.json"}) {
    const auto path = shared_data(name);
    if (!path) return;
    const Json json = read_json(*path);
    std::vector<double> scores;
    for (const Json& row : json.at("score"))
      for (const Json& score : row) scores.push_back(score.get<double>());
    CHECK(sensitivity_mask(std::span<const double>(scores), json.at("eta").get<double>(), json.at("rho").get<double>()) ==
          json.at("indices").get<std::vector<Index>>());
  }
}

}  // namespace cmoe::methods_test
