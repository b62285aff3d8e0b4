// An adapted decoder as a plain one: what its deltas do for given gates is added to its matrices.
#pragma once

#include "cmoe/models/llama.hpp"

namespace cmoe {

namespace detail {

// W + Δ, the map applied to the unit vectors a few at a time; nothing changes where the delta has no parameters.
template <class B, class Map>
void merge_map(const Map& map, const Flow<B>& flow, const char* name, Linear<B>& into) {
  using Real = typename B::Scalar;
  bool adapted = false;
  for_each_param(map.delta, [&](const std::string&, const auto&) { adapted = true; });
  if (!adapted) return;
  constexpr bool replaces = ReplacesMap<typename Map::Delta, B>;
  const Index in = map.base.in(), out = map.base.out();
  Linear<B> bare;  // the base without its bias, unpacked
  const Param<B>& weight = map.base.weight;
  bare.weight = Param<B>(weight.stored() ? Array<B>({in, out}, std::span<const Real>(weight.values())) : weight.value());
  const auto run = [&](const Tensor<B>& x, const auto& base_of) {
    if constexpr (replaces) return map.delta.apply(bare, x, flow);
    else return map.delta.add(base_of(), x, flow);
  };
  constexpr Index at_once = 256;
  std::vector<Real> merged;
  for (Index first = 0; first < in; first += at_once) {
    const Index rows = std::min(at_once, in - first);
    std::vector<Real> unit(static_cast<std::size_t>(rows * in), 0);
    for (Index r = 0; r < rows; ++r) unit[static_cast<std::size_t>(r * in + first + r)] = 1;
    const auto block = run(Tensor<B>({1, rows, in}, std::span<const Real>(unit)), [&] {
      return Tensor<B>(bare.weight.value().rows(first, first + rows).reshape({1, rows, out}));
    }).values();  // (1,rows,out)
    merged.insert(merged.end(), block.begin(), block.end());
  }
  into.weight.assign(merged);
  if constexpr (replaces)
    if (map.base.bias) into.bias.assign(map.delta.apply(map.base, Tensor<B>({1, 1, in}, Real(0)), flow).values());

  Rng draw = Rng(0).fork(name);  // a delta that is not linear shows on any input but the unit vectors
  std::vector<Real> x(static_cast<std::size_t>(3 * in));
  for (Real& value : x) value = static_cast<Real>(draw.normal());
  const Tensor<B> input({1, 3, in}, std::span<const Real>(x));
  const auto wanted = run(input, [&] { return matmul(input, bare.weight); }).values(), got = matmul(input, into.weight).values();
  Real worst = 0, largest = 0;
  for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got[i] - wanted[i])), largest = std::max(largest, std::abs(wanted[i]));
  check(worst <= static_cast<Real>(1e-3) * largest, ErrorKind::misuse, "merged: the delta of ", name,
        " is no matrix: what it adds depends on the token in another way than linearly");
}

template <class B, class From, class To>
void merge_block(const From& from, const Flow<B>& flow, To& to) {
  merge_map<B>(from.mix.query, flow, "query", to.mix.query.base);
  merge_map<B>(from.mix.key, flow, "key", to.mix.key.base);
  merge_map<B>(from.mix.value, flow, "value", to.mix.value.base);
  merge_map<B>(from.mix.output, flow, "output", to.mix.output.base);
  merge_map<B>(from.feed.gate, flow, "gate", to.feed.gate.base);
  merge_map<B>(from.feed.up, flow, "up", to.feed.up.base);
  merge_map<B>(from.feed.down, flow, "down", to.feed.down.base);
}

}  // namespace detail

// The plain decoder that gives what the adapted one gives with these gates:  W' = W + Σ_e g_e Δ_e in every map.
// gates (1,E), or empty where no mixture is active
// cost: one product of each delta with the unit matrix
// throws Error (misuse) if a delta is not linear, as a routed one, or if prompts stand before the tokens
template <class Model, class B = typename Model::Backend>
Llama::On<B> merged(const Model& model, const Tensor<B>& gates = {}) {
  static_assert(std::is_same_v<decltype(model.deep.front().mix.kind), typename Causal::On<B>>, "only a decoder with causal attention has a plain form");
  const typename Tape<B>::Pause no_recording;
  check(!gates || gates.shape().rows() == 1, "merged: gates ", gates ? gates.shape() : Shape(), ", one row is needed");
  Flow<B> flow;
  flow.gates = gates;
  check(!model.prefix.prompts(flow, 1), ErrorKind::misuse, "merged: prompts stand before the tokens; they have no place in a matrix");
  Llama::Config config;
  static_cast<DecoderConfig&>(config) = model.config;
  Llama::On<B> plain(config, Rng(0), Pretrained::unfilled);
  const auto sources = detail::by_name(const_cast<Model&>(model));  // read only
  for_each_param(plain, [&](const std::string& name, Param<B>& p) { p.assign(sources.at(name)->values()); });
  auto block = plain.deep.begin();
  for (const auto& from : model.shallow) detail::merge_block<B>(from, flow, *block++);
  for (const auto& from : model.deep) detail::merge_block<B>(from, flow, *block++);
  return plain;
}

}  // namespace cmoe
