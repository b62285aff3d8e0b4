#include "cmoe/io/gguf_blocks.hpp"
#include "cmoe/ops/index.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/loss.hpp"
#include "cmoe/ops/matmul.hpp"
#include "cmoe/ops/norm.hpp"
#include "cmoe/ops/softmax.hpp"
#include "gradient_table.hpp"

namespace cmoe::table {

namespace {

Case batched(Draw& d, Form form) {
  const Index batch = d.few(), m = d.size() % 8, k = d.size() % 8, n = d.some();
  const T a = form == Form::tn ? d.tensor({batch, k, m}) : d.tensor({batch, m, k});
  const T b = form == Form::nt ? d.tensor({batch, n, k}) : d.tensor({batch, k, n});
  return {[form](const auto& x) { return matmul_batched(x[0], x[1], form); }, {a, b}};
}

// Labels in 0..cols-1, some ignored; all are if there is no other.
IdArray labels(Draw& d, Index rows, Index cols) {
  std::vector<Id> out;
  for (Index i = 0; i < rows; ++i)
    out.push_back(cols == 0 || d.rng.below(4) == 0 ? ignored_label : static_cast<Id>(d.rng.below(cols)));
  return IdArray({rows}, out);
}

std::vector<Line> products() {
  return {
      {"matmul", "matmul",
       [](Draw& d) {
         const Index k = d.size();
         return Case{[](const auto& x) { return matmul(x[0], x[1]); }, {d.tensor(d.rows_of(k)), d.tensor({k, d.size()})}};
       }},
      {"matmul", "x x",
       [](Draw& d) {
         const Index n = d.few();
         return Case{[](const auto& x) { return matmul(x[0], matmul(x[0], x[0])); }, {d.tensor({n, n})}};
       }},
      {"matmul_transposed", "matmul_transposed",
       [](Draw& d) {
         const Index k = d.size();
         return Case{[](const auto& x) { return matmul_transposed(x[0], x[1]); },
                     {d.tensor(d.rows_of(k)), d.tensor({d.size(), k})}};
       }},
      {"matmul_stored", "matmul_stored",
       [](Draw& d) {
         const Index rows = d.size(), k = 32;
         auto bytes = std::make_shared<std::vector<std::uint8_t>>(static_cast<std::size_t>(rows * k / 32 * 34));
         for (std::size_t at = 0; at < bytes->size(); ++at)  // scales of 1/32 and small whole numbers
           (*bytes)[at] = at % 34 == 0 ? 0 : at % 34 == 1 ? 0x28 : static_cast<std::uint8_t>(at * 37 % 61 - 30);
         const auto w = std::make_shared<const StoredMatrix>(*block_type(8), rows, k, std::as_bytes(std::span(*bytes)), bytes);
         return Case{[w](const auto& x) { return matmul_stored(x[0], w); }, {d.tensor(d.rows_of(k))}};
       }},
      {"matmul_batched", "matmul_batched nn", [](Draw& d) { return batched(d, Form::nn); }},
      {"matmul_batched", "matmul_batched nt", [](Draw& d) { return batched(d, Form::nt); }},
      {"matmul_batched", "matmul_batched tn", [](Draw& d) { return batched(d, Form::tn); }},
  };
}

std::vector<Line> rows() {
  return {
      {"sum_last", "sum_last",
       [](Draw& d) {
         return Case{[](const auto& x) { return sum_last(x[0]); }, {d.tensor(d.rows_of(d.size()))}};
       }},
      {"sum_rows", "sum_rows",
       [](Draw& d) {
         return Case{[](const auto& x) { return sum_rows(x[0]); }, {d.tensor(d.rows_of(d.size()))}};
       }},
      {"sum", "sum",
       [](Draw& d) {
         return Case{[](const auto& x) { return sum(x[0]); }, {d.tensor(d.shape())}};
       }},
      {"sum", "mean",
       [](Draw& d) {
         return Case{[](const auto& x) { return mean(x[0]); }, {d.tensor({d.some(), d.some()})}};
       }},
      {"mean_of_range", "mean_of_range",
       [](Draw& d) {
         const Index n = d.few(), t = d.size();
         const IdArray first = d.ids({n}, t + 1), last = d.ids({n}, t + 1);
         return Case{[=](const auto& x) { return mean_of_range(x[0], first, last); }, {d.tensor({n, t, d.few()})}};
       }},
      {"max_of_range", "max_of_range",
       [](Draw& d) {
         const Index n = d.few(), t = d.size();
         const IdArray first = d.ids({n}, t + 1), last = d.ids({n}, t + 1);
         return Case{[=](const auto& x) { return max_of_range(x[0], first, last); }, {d.tensor({n, t, d.few()})}};
       }},
      {"softmax", "softmax",
       [](Draw& d) {
         return Case{[](const auto& x) { return softmax(x[0]); }, {d.tensor(d.rows_of(d.size()))}};
       }},
      {"logsumexp", "logsumexp",
       [](Draw& d) {
         return Case{[](const auto& x) { return logsumexp(x[0]); }, {d.tensor(d.rows_of(d.some()))}};
       }},
      {"layer_norm", "layer_norm",
       [](Draw& d) {
         const Index c = d.size();
         return Case{[](const auto& x) { return layer_norm(x[0], x[1], x[2], 1e-2); },
                     {d.tensor(d.rows_of(c)), d.tensor({c}), d.tensor({c})}};
       }},
      {"rms_norm", "rms_norm",
       [](Draw& d) {
         const Index c = d.size();
         return Case{[](const auto& x) { return rms_norm(x[0], x[1], 1e-2); }, {d.tensor(d.rows_of(c)), d.tensor({c})}};
       }},
      {"rms_norm", "rms_norm without gain",
       [](Draw& d) {
         return Case{[](const auto& x) { return rms_norm(x[0], 1e-2); }, {d.tensor(d.rows_of(d.size()))}};
       }},
      {"cross_entropy_rows", "cross_entropy_rows",
       [](Draw& d) {
         const Index v = d.size();
         const Shape s = d.rows_of(v);
         const IdArray wanted = labels(d, s.rows(), v);
         return Case{[=](const auto& x) { return cross_entropy_rows(x[0], wanted); }, {d.tensor(s)}};
       }},
      {"cross_entropy_rows", "cross_entropy",
       [](Draw& d) {
         const Index v = d.some(), n = d.size();
         const IdArray wanted = labels(d, n, v);
         return Case{[=](const auto& x) { return cross_entropy(x[0], wanted); }, {d.tensor({n, v})}};
       }},
  };
}

std::vector<Line> ids() {
  return {
      {"gather_rows", "gather_rows",
       [](Draw& d) {
         const Index v = d.some();
         const IdArray which = d.ids(d.rows_of(d.size()), v);
         return Case{[=](const auto& x) { return gather_rows(x[0], which); }, {d.tensor({v, d.few()})}};
       }},
      {"scatter_rows", "scatter_rows",
       [](Draw& d) {
         const Index n = d.size(), rows = d.some();
         const IdArray which = d.ids({n}, rows);
         return Case{[=](const auto& x) { return scatter_rows(x[0], which, rows); }, {d.tensor({n, d.few()})}};
       }},
      {"take_columns", "take_columns, some twice",
       [](Draw& d) {
         const Index n = d.size(), c = d.some();
         const IdArray which = d.ids({n, d.few()}, c);
         return Case{[=](const auto& x) { return take_columns(x[0], which); }, {d.tensor({n, c})}};
       }},
      {"take_columns", "top_k",
       [](Draw& d) {
         const Index c = d.some(), k = 1 + d.rng.below(c);
         return Case{[=](const auto& x) { return top_k(x[0], k).values; }, {d.tensor({d.size(), c})}};
       }},
  };
}

std::vector<Line> layout() {
  return {
      {"reshape", "reshape",
       [](Draw& d) {
         const Index a = d.size(), b = d.few(), c = d.few();
         return Case{[=](const auto& x) { return reshape(x[0], {c, a * b}); }, {d.tensor({a, b, c})}};
       }},
      {"slice_rows", "slice_rows",
       [](Draw& d) {
         const Index n = d.size(), begin = d.rng.below(n + 1), end = begin + d.rng.below(n - begin + 1);
         return Case{[=](const auto& x) { return slice_rows(x[0], begin, end); }, {d.tensor({n, d.few(), d.few()})}};
       }},
      {"slice_columns", "slice_columns",
       [](Draw& d) {
         const Index n = d.size(), begin = d.rng.below(n + 1), end = begin + d.rng.below(n - begin + 1);
         return Case{[=](const auto& x) { return slice_columns(x[0], begin, end); }, {d.tensor(d.rows_of(n))}};
       }},
      {"join", "concat_columns",
       [](Draw& d) {
         const Index rows = d.few();
         return Case{[](const auto& x) { return concat_columns(x); },
                     {d.tensor({rows, d.size()}), d.tensor({rows, 1}), d.tensor({rows, d.few()})}};
       }},
      {"join", "concat_rows",
       [](Draw& d) {
         const Index cols = d.few();
         return Case{[](const auto& x) { return concat_rows(x); },
                     {d.tensor({d.size(), 2, cols}), d.tensor({1, 2, cols}), d.tensor({d.few(), 2, cols})}};
       }},
      {"swap_axes", "swap_axes",
       [](Draw& d) {
         const int axis = static_cast<int>(d.rng.below(3));
         return Case{[=](const auto& x) { return swap_axes(x[0], axis); }, {d.tensor({d.few(), d.few(), d.size(), d.few()})}};
       }},
  };
}

}  // namespace

std::vector<Line> structured_lines() {
  std::vector<Line> lines;
  for (const auto& part : {products(), rows(), ids(), layout()}) lines.insert(lines.end(), part.begin(), part.end());
  return lines;
}

}  // namespace cmoe::table
