#include "cmoe/attention/biased_attention.hpp"
#include "cmoe/attention/causal.hpp"
#include "cmoe/attention/stickbreaking.hpp"
#include "cmoe/moe/dispatch.hpp"
#include "cmoe/pet/lora.hpp"
#include "cmoe/regularizer/balance.hpp"
#include "gradient_table.hpp"

namespace cmoe::table {

namespace {

// Queries, keys and values of sizes that fit, with or without ranges of valid keys.
struct Attended {
  T q, k, v;
  IdArray first, last;
};
Attended attended(Draw& d) {
  const Index n = d.few(), t = d.rng.below(6), s = t + d.rng.below(3), groups = d.some() % 3 + 1,
              heads = groups * (d.rng.below(2) + 1);
  const Index size = d.rng.below(8) == 0 ? 0 : d.some() % 5 + 1;
  Attended a{d.tensor({n, t, heads, size}), d.tensor({n, s, groups, size}), d.tensor({n, s, groups, size}), {}, {}};
  if (d.rng.below(2) == 0) a.first = d.ids({n}, s + 1);
  if (d.rng.below(2) == 0) a.last = d.ids({n}, s + 1);
  return a;
}

ExpertOrder<B> order_of(Draw& d, Index n, Index k, Index experts) { return ExpertOrder<B>(d.ids({n, k}, experts), experts); }

std::vector<Line> attentions() {
  return {
      {"causal_attention", "causal_attention",
       [](Draw& d) {
         const Attended a = attended(d);
         return Case{[=](const auto& x) { return causal_attention(x[0], x[1], x[2], 0.7, a.first, a.last); }, {a.q, a.k, a.v}};
       }},
      {"biased_attention", "biased_attention",
       [](Draw& d) {
         const Index n = 1 + d.few(), t = d.size(), s = d.some(), h = d.some(), size = d.some();
         std::vector<Id> first, last;
         for (Index i = 0; i < n; ++i) {
           first.push_back(static_cast<Id>(d.rng.below(s + 1)));
           last.push_back(static_cast<Id>(first.back() + d.rng.below(s + 1 - first.back())));
         }
         const bool ranged = d.rng.below(2) == 0, biased = d.rng.below(4) > 0;
         const IdArray from = ranged ? IdArray({n}, first) : IdArray(), to = ranged ? IdArray({n}, last) : IdArray();
         std::vector<T> inputs = {d.tensor({n, t, h, size}), d.tensor({n, s, h, size}), d.tensor({n, s, h, size})};
         if (biased) inputs.push_back(d.tensor({h, t, s}));
         return Case{[=](const auto& x) { return biased_attention(x[0], x[1], x[2], biased ? x[3] : T(), 0.7, from, to); }, inputs};
       }},
      {"stickbreaking_attention", "stickbreaking_attention out",
       [](Draw& d) {
         const Attended a = attended(d);
         const bool current = d.rng.below(2) == 0;
         return Case{[=](const auto& x) { return stickbreaking_attention(x[0], x[1], x[2], 0.7, current, a.first, a.last).out; },
                     {a.q, a.k, a.v}};
       }},
      {"stickbreaking_attention", "stickbreaking_attention rest",
       [](Draw& d) {
         const Attended a = attended(d);
         const bool current = d.rng.below(2) == 0;
         return Case{[=](const auto& x) { return stickbreaking_attention(x[0], x[1], x[2], 0.7, current, a.first, a.last).rest; },
                     {a.q, a.k, a.v}};
       }},
      {"stickbreaking_attention", "stickbreaking_attention both",
       [](Draw& d) {
         const Attended a = attended(d);
         return Case{
             [=](const auto& x) {
               const auto [out, rest] = stickbreaking_attention(x[0], x[1], x[2], 0.7, true, a.first, a.last);
               return concat_columns(std::vector<T>{out, reshape(rest, {rest.shape()[0], rest.shape()[1], rest.shape()[2], 1})});
             },
             {a.q, a.k, a.v}};
       }},
      {"rotary", "rotary",
       [](Draw& d) {
         const Index t = d.size(), half = d.some();
         const RotaryTable<B> turns(t + 3, 2 * half, 100);
         const auto layout = d.rng.below(2) == 0 ? RotaryLayout::adjacent : RotaryLayout::halves;
         return Case{[=](const auto& x) { return rotary(x[0], turns, layout, 2); }, {d.tensor({d.few(), t, d.few(), 2 * half})}};
       }},
  };
}

std::vector<Line> dispatch() {
  return {
      {"to_experts", "to_experts",
       [](Draw& d) {
         const Index n = d.size(), k = d.some(), e = d.some();
         const auto order = order_of(d, n, k, e);
         return Case{[=](const auto& x) { return to_experts(x[0], order); }, {d.tensor({n, d.few()})}};
       }},
      {"from_experts", "from_experts",
       [](Draw& d) {
         const Index n = d.size(), k = d.some() % 4 + 1, e = d.some();
         const auto order = order_of(d, n, k, e);
         return Case{[=](const auto& x) { return from_experts(x[0], x[1], order); },
                     {d.tensor({n * k, d.few()}), d.tensor({n, k})}};
       }},
      {"grouped_matmul", "grouped_matmul",
       [](Draw& d) {
         std::vector<Index> offsets = {0};
         for (Index e = d.few(); e > 0; --e) offsets.push_back(offsets.back() + d.size());
         const Index experts = static_cast<Index>(offsets.size()) - 1, k = d.few(), n = d.some();
         return Case{[=](const auto& x) { return grouped_matmul(x[0], x[1], offsets); },
                     {d.tensor({offsets.back(), k}), d.tensor({experts, k, n})}};
       }},
      {"gather_rows", "to_slots",
       [](Draw& d) {
         const Index n = d.size(), k = d.some() % 4 + 1;
         const auto order = order_of(d, n, k, d.some());
         return Case{[=](const auto& x) { return to_slots(x[0], order); }, {d.tensor({n * k, d.few()})}};
       }},
      {"gather_rows", "from_slots",
       [](Draw& d) {
         const Index n = d.size(), k = d.some() % 4 + 1;
         const auto order = order_of(d, n, k, d.some());
         return Case{[=](const auto& x) { return from_slots(x[0], order); }, {d.tensor({n * k, d.few()})}};
       }},
      {"scale_blocks", "scale_blocks",
       [](Draw& d) {
         const Index n = d.few(), e = d.some();
         return Case{[](const auto& x) { return scale_blocks(x[0], x[1]); },
                     {d.tensor({n, d.few(), e * d.few()}), d.tensor({n, e})}};
       }},
  };
}

// (n) ones and zeros, the first a one
T first_valid(Draw& d, Index n) {
  std::vector<double> valid = {1.0};
  while (static_cast<Index>(valid.size()) < n) valid.push_back(static_cast<double>(d.rng.below(2)));
  return T({n}, std::span<const double>(valid));
}

std::vector<Line> balance() {
  return {
      {"", "mutual_information_loss",
       [](Draw& d) {
         return Case{[](const auto& x) { return mutual_information_loss(softmax(x[0])); }, {d.tensor({d.some(), d.some()})}};
       }},
      {"", "mutual_information_loss with padding",
       [](Draw& d) {
         const Index n = d.some();
         const T valid = first_valid(d, n);
         return Case{[=](const auto& x) { return mutual_information_loss(softmax(x[0]), valid); }, {d.tensor({n, d.some()})}};
       }},
      {"", "switch_loss",
       [](Draw& d) {
         const Index e = d.some(), k = 1 + d.rng.below(e);
         return Case{[=](const auto& x) { return switch_loss(choose(x[0], k)); }, {d.tensor({d.some(), e})}};
       }},
      {"", "switch_loss with padding",
       [](Draw& d) {
         const Index n = d.some(), e = d.some(), k = 1 + d.rng.below(e);
         const T valid = first_valid(d, n);
         return Case{[=](const auto& x) { return switch_loss(choose(x[0], k), 0.1, valid); }, {d.tensor({n, e})}};
       }},
  };
}

}  // namespace

std::vector<Line> routed_lines() {
  std::vector<Line> lines;
  for (const auto& part : {attentions(), dispatch(), balance()}) lines.insert(lines.end(), part.begin(), part.end());
  return lines;
}

}  // namespace cmoe::table
