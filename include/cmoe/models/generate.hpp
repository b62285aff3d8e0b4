// Generation: the prompt in one pass, then token by token over the KV cache.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>

#include "cmoe/core/random.hpp"
#include "cmoe/models/decoder_config.hpp"

namespace cmoe {

struct Sampling {
  double temperature = 0;  // 0: the likeliest token
  Index top_k = 0;         // 0: all
  double top_p = 1;        // the smallest set of tokens with this mass
};

// The next id from logits (V). Equal logits go to the lower id.
// throws Error if a logit is NaN
template <class Real>
Id sample(std::span<const Real> logits, const Sampling& how, Rng& rng) {
  std::vector<std::pair<double, Id>> order;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    check(!std::isnan(logits[i]), ErrorKind::numeric, "sample: the logit of token ", i, " is NaN");
    order.emplace_back(static_cast<double>(logits[i]), static_cast<Id>(i));
  }
  check(!order.empty(), "sample: no logits");
  const auto before = [](const auto& a, const auto& b) { return a.first > b.first || (a.first == b.first && a.second < b.second); };
  if (how.temperature <= 0) return std::min_element(order.begin(), order.end(), before)->second;
  std::sort(order.begin(), order.end(), before);
  if (how.top_k > 0 && how.top_k < static_cast<Index>(order.size())) order.resize(static_cast<std::size_t>(how.top_k));
  double total = 0;
  const double highest = order[0].first;
  for (auto& [p, id] : order) total += p = std::exp((p - highest) / how.temperature);
  double kept = 0;
  std::size_t count = 0;
  while (count < order.size() && (count == 0 || kept < how.top_p * total)) kept += order[count++].first;
  double u = rng.uniform() * kept;
  for (std::size_t i = 0; i < count; ++i)
    if ((u -= order[i].first) < 0) return order[i].second;
  return order[count - 1].second;
}

namespace detail {

// Logits (…,V) of the ids that follow those in the caches; leaves the gates that were used in the flow. `given` are the gates that
// the caller has decided on: a gate that decides anew for each token starts from them.
template <class M, class B>
Tensor<B> next_logits(const M& model, const Ids<B>& ids, Flow<B>& flow, const Tensor<B>& given, std::vector<KvCache<B>>& caches) {
  if constexpr (requires { model.next_logits(ids, flow, given, caches); }) {
    return model.next_logits(ids, flow, given, caches);
  } else if constexpr (requires { model.shallow_state(ids, flow, &caches); }) {
    const Tensor<B> state = model.shallow_state(ids, flow, &caches);
    if constexpr (requires { requires M::per_token; }) flow.gates = given;
    flow.gates = model.gates(state, flow);
    return model.finish(state, flow, &caches);
  } else {
    return model(ids, flow, &caches).logits;
  }
}

}  // namespace detail

// Continues a prompt by at most `limit` ids; stops after `end` if it is not negative, or when each(id) returns false. A gate reads
// the prompt once and its weights are kept for the whole generation.
// throws Error for an empty prompt or one that leaves no room in the context
template <class M, class B>
std::vector<Id> generate(const M& model, const std::vector<Id>& prompt, Index limit, Id end, const Sampling& how, Rng rng, Flow<B> flow,
                         const std::function<bool(Id)>& each = {}) {
  const auto length = static_cast<Index>(prompt.size());
  check(length > 0, ErrorKind::misuse, "generate: the prompt has no tokens");
  check(length < model.context(), ErrorKind::misuse, "generate: the prompt has ", length, " tokens, the context ", model.context());
  std::vector<KvCache<B>> caches(static_cast<std::size_t>(model.layers()));
  flow.prompt_first = Ids<B>({1}, {0});
  flow.prompt_last = Ids<B>({1}, {static_cast<Id>(length)});
  Ids<B> ids({1, length}, prompt);
  const typename Tape<B>::Pause no_recording;
  const Tensor<B> given = flow.gates;
  std::vector<Id> made;
  for (Index position = length; static_cast<Index>(made.size()) < limit; ++position) {
    const Tensor<B> logits = detail::next_logits(model, ids, flow, given, caches);
    const Index rows = logits.shape().rows();
    const auto row = logits.value().reshape({rows, logits.shape().cols()}).rows(rows - 1, rows).values();
    const Id next = sample(std::span<const typename B::Scalar>(row), how, rng);
    made.push_back(next);
    if ((each && !each(next)) || next == end || position + 1 >= model.context()) break;
    ids = Ids<B>({1, 1}, {next});
  }
  return made;
}

}  // namespace cmoe
