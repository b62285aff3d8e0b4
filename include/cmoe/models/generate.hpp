// Generation: the prompt in one pass, then token by token over the KV cache; one prompt or several at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "cmoe/core/random.hpp"
#include "cmoe/models/decoder_config.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"

namespace cmoe {

// How the next token is drawn.
struct Sampling {
  double temperature = 0;         // 0: the likeliest token
  Index top_k = 0;                // 0: all
  double top_p = 1;               // the smallest set of tokens with this mass
  double repetition_penalty = 1;  // θ: above 1, tokens of the prompt and the continuation become less likely, see penalise()
};

// The ids behind which a text ends; a negative one ends none.
struct Ends {
  std::vector<Id> ids;

  Ends(Id one) : ids{one} {}
  Ends(std::vector<Id> all) : ids(std::move(all)) {}
  bool holds(Id id) const { return id >= 0 && std::find(ids.begin(), ids.end(), id) != ids.end(); }
};

// Makes ids that stood in a text already less likely, each once however often it stood there: a positive logit is divided by θ, a
// negative one multiplied with it.                                                      CTRL, arXiv 1909.05858; as transformers does it
// throws Error if θ is not positive or an id is not in 0..V-1
template <class Real>
void penalise(std::span<Real> logits, std::vector<Id> seen, double theta) {
  check(theta > 0, ErrorKind::config, "generate: the repetition penalty ", theta, " is not positive");
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const Id id : seen) {
    check(id >= 0 && std::cmp_less(id, logits.size()), ErrorKind::index, "generate: the id ", id, " is not in 0..", logits.size() - 1);
    Real& logit = logits[static_cast<std::size_t>(id)];
    logit = static_cast<Real>(logit > 0 ? static_cast<double>(logit) / theta : static_cast<double>(logit) * theta);
  }
}

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

// Whether sequences of a batch may begin behind padding: only the distance of tokens matters to such a model.
template <class M>
bool pads_left(const M& model) {
  if constexpr (requires { model.pads_left(); }) return model.pads_left();
  else return false;
}

}  // namespace detail

// Keys and values of a text that a model has read: generate() begins where its prompt leaves that text. A model with a mixture or with
// prompts of its own reads every prompt anew, because what it keeps depends on the whole of it.
template <class B>
struct TextRead {
  std::vector<Id> ids;
  std::vector<KvCache<B>> caches;
};

namespace detail {

// How many ids of the prompt need not be read again; the caches hold exactly these. One at least is read.
template <class B>
Index resume(TextRead<B>& read, const std::vector<Id>& prompt, std::size_t layers) {
  const auto both = static_cast<std::ptrdiff_t>(std::min(read.ids.size(), prompt.size() - 1));
  const Index same = std::mismatch(read.ids.begin(), read.ids.begin() + both, prompt.begin()).first - read.ids.begin();
  if (read.caches.size() != layers || same == 0) read.caches = std::vector<KvCache<B>>(layers);
  const Index kept = same > 0 && read.caches[0].length() > 0 ? same : 0;
  for (KvCache<B>& cache : read.caches) cache.cut(kept);
  return kept;
}

// Prompts in one batch; those that are shorter than the longest begin behind padding.
template <class M, class B>
std::vector<std::vector<Id>> generate_together(const M& model, const std::vector<std::vector<Id>>& prompts, Index limit, const Ends& ends,
                                               const Sampling& how, const Rng& rng, Flow<B> flow, const std::function<bool(Index, Id)>& each,
                                               TextRead<B>* read) {
  const auto n = static_cast<Index>(prompts.size());
  Index width = 0;
  for (const auto& prompt : prompts) width = std::max(width, static_cast<Index>(prompt.size()));
  std::vector<Id> first, padded;
  for (const auto& prompt : prompts) {
    first.push_back(static_cast<Id>(width) - static_cast<Id>(prompt.size()));
    padded.insert(padded.end(), static_cast<std::size_t>(first.back()), prompt[0]);
    padded.insert(padded.end(), prompt.begin(), prompt.end());
  }
  flow.prompt_first = Ids<B>({n}, first);
  flow.prompt_last = Ids<B>({n}, std::vector<Id>(prompts.size(), static_cast<Id>(width)));
  if (*std::max_element(first.begin(), first.end()) > 0) flow.first = Ids<B>({n}, first);
  const Tensor<B> given = flow.gates;
  TextRead<B> own;
  TextRead<B>& text = read && n == 1 && !given ? *read : own;
  const Index known = resume(text, prompts[0], static_cast<std::size_t>(model.layers()));
  Ids<B> ids({n, width - known}, std::vector<Id>(padded.begin() + known, padded.end()));
  text.ids.clear();  // it holds nothing that can be relied on until all is done
  std::vector<Id> held = prompts[0];

  std::vector<std::vector<Id>> made(prompts.size());
  std::vector<Rng> draws(prompts.size(), rng);
  std::vector<bool> ended(prompts.size(), false);
  Index open = n;
  for (Index position = width; open > 0 && position - width < limit; ++position) {
    std::vector<Id> last;  // of each prompt's new tokens: all that is scored
    for (Index i = 1; i <= n; ++i) last.push_back(static_cast<Id>(i * ids.shape()[1] - 1));
    flow.scored = Ids<B>({n}, last);
    const Tensor<B> logits = next_logits(model, ids, flow, given, text.caches);
    const Index rows = logits.shape().rows(), vocabulary = logits.shape().cols(), tokens = rows / n;
    std::vector<Id> next;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      next.push_back(made[i].empty() ? prompts[i].back() : made[i].back());
      if (ended[i]) continue;
      const Index row = (static_cast<Index>(i) + 1) * tokens - 1;
      auto scores = logits.value().reshape({rows, vocabulary}).rows(row, row + 1).values();
      if (how.repetition_penalty != 1) {
        std::vector<Id> seen = prompts[i];
        seen.insert(seen.end(), made[i].begin(), made[i].end());
        penalise(std::span(scores), std::move(seen), how.repetition_penalty);
      }
      next.back() = sample(std::span<const typename B::Scalar>(scores), how, draws[i]);
      made[i].push_back(next.back());
      ended[i] = (each && !each(static_cast<Index>(i), next.back())) || ends.holds(next.back()) || position + 1 >= model.context();
      open -= ended[i] ? 1 : 0;
    }
    if (open > 0 && position + 1 - width < limit) held.push_back(next[0]);
    ids = Ids<B>({n, 1}, next);
  }
  bool whole = !flow.gates && limit > 0;
  for (const KvCache<B>& cache : text.caches) whole = whole && std::cmp_equal(cache.length(), held.size());
  if (whole) text.ids = std::move(held);
  else text = {};
  return made;
}

}  // namespace detail

// Continues each prompt by at most `limit` ids; a continuation stops behind one of `ends`, or when each(prompt, id) returns false. A gate
// reads the prompt once and its weights are kept for the whole generation; gates given in the flow have one row a prompt. Every prompt
// draws from its own copy of `rng`: the results are those of one prompt after another.
// Prompts are read together where they are equally long, or where the model can begin behind padding and the longest leaves room for
// `limit`. Padding shifts positions, whose angles are rounded: logits agree with those of a prompt alone as floats do, bits do not.
// throws Error for an empty prompt or one that leaves no room in the context
template <class M, class B>
std::vector<std::vector<Id>> generate(const M& model, const std::vector<std::vector<Id>>& prompts, Index limit, const Ends& ends, const Sampling& how,
                                      const Rng& rng, const Flow<B>& flow, const std::function<bool(Index, Id)>& each = {},
                                      TextRead<B>* read = nullptr) {
  const typename Tape<B>::Pause no_recording;
  const auto length = [&](std::size_t i) { return static_cast<Index>(prompts[i].size()); };
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    check(length(i) > 0, ErrorKind::misuse, "generate: the prompt has no tokens");
    check(length(i) < model.context(), ErrorKind::misuse, "generate: the prompt has ", length(i), " tokens, the context ", model.context());
  }
  const auto count = static_cast<Index>(prompts.size());
  check(!flow.gates || flow.gates.shape()[0] == count, "generate: gates ", flow.gates.shape(), " for ", count, " prompts");
  std::vector<std::size_t> order(prompts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return length(a) < length(b); });
  std::vector<std::vector<Id>> made(prompts.size());
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    const auto fits = [&](std::size_t i) {
      return length(i) == length(order[begin]) || (detail::pads_left(model) && limit <= model.context() - length(i));
    };
    while (end < order.size() && fits(order[end])) ++end;
    std::vector<std::vector<Id>> group;
    std::vector<Id> rows;
    for (std::size_t i = begin; i < end; ++i) {
      group.push_back(prompts[order[i]]);
      rows.push_back(static_cast<Id>(order[i]));
    }
    Flow<B> mine = flow;
    const auto size = static_cast<Index>(rows.size());
    if (flow.gates) {
      const Shape& all = flow.gates.shape();
      mine.gates = reshape(gather_rows(reshape(flow.gates, {count, all.size() / count}), Ids<B>({size}, rows)), all.with(0, size));
    }
    const auto tell = [&](Index i, Id id) { return each(rows[static_cast<std::size_t>(i)], id); };
    auto some = detail::generate_together(model, group, limit, ends, how, rng, mine, each ? std::function<bool(Index, Id)>(tell) : nullptr, read);
    for (std::size_t i = begin; i < end; ++i) made[order[i]] = std::move(some[i - begin]);
  }
  return made;
}

// The same for one prompt; what `read` holds of it is not read again, and it holds this text afterwards.
template <class M, class B>
std::vector<Id> generate(const M& model, const std::vector<Id>& prompt, Index limit, const Ends& ends, const Sampling& how, const Rng& rng,
                         const Flow<B>& flow, const std::function<bool(Id)>& each = {}, TextRead<B>* read = nullptr) {
  const auto tell = [&](Index, Id id) { return each(id); };
  return generate(model, std::vector<std::vector<Id>>{prompt}, limit, ends, how, rng, flow,
                  each ? std::function<bool(Index, Id)>(tell) : std::function<bool(Index, Id)>(), read)[0];
}

}  // namespace cmoe
