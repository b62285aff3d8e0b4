// Token routers: which k of E experts each token uses, and with which weights.
#pragma once

#include <algorithm>
#include <concepts>

#include "cmoe/moe/choose.hpp"
#include "cmoe/nn/linear.hpp"
#include "cmoe/ops/layout.hpp"
#include "cmoe/ops/norm.hpp"

namespace cmoe {

// A recipe whose module decides for each token: x (n,C) and the flow -> Routing<B>.
template <class R, class B>
concept Router = requires(const typename R::template On<B>& router, const Tensor<B>& x, const Flow<B>& flow) {
  { router(x, flow) } -> std::same_as<Routing<B>>;
};

// How a router scores the experts; x (n,C) -> z (n,E).                                arXiv 2306.04640, released code
enum class RouterForm {
  linear,  // z = x Wᵀ
  mlp,     // z = GELU(x W₁ + b₁) W₂ᵀ, exact GELU, no bias behind it: the released models
  gmm      // z_e = e^τ cos(x W_g, centroid_e)
};

// What becomes of the router's rows of experts that are pruned.                                                   ours
enum class Pruning {
  delete_rows,  // the softmax is over those that stay: their weights grow by 1 / (1 − what the removed had)
  keep_mass     // the rows stay in the softmax and are never chosen: removing what nobody chose changes no bit
};

// p = softmax(z) over all E experts; the k largest are used with their raw p.        ModuleFormer, arXiv 2306.04640, released code
// The rows of the output layer stand in slabs: the first for the experts the model began with, one more for each insertion, so
// that old rows can be frozen while new ones learn.
// ours: with flow.gates (N,G) the slab of insertion i takes part in a sequence as far as its gate says: z + log g. A gate of 0
// leaves its modules out to the bit, one of 1 changes nothing; the first slab always takes part.
struct TopK {
  struct Config {
    Index experts = 8;
    Index chosen = 2;  // k
    RouterForm form = RouterForm::linear;
    Index gating_size = 0;  // g, the inner width of mlp and gmm
    Index sampled = 0;      // m <= k: so many of the chosen are drawn by chance in training: exploration
  };

  template <class B>
  struct On {
    using Real = typename B::Scalar;

    Linear<B> trunk;               // (C,g): mlp with bias, gmm without; empty for linear
    std::vector<Param<B>> rows;    // slabs of (E_i, g or C)
    std::vector<Param<B>> bias;    // slabs of (E_i), or none: made by the first insertion that splits
    Param<B> temperature;          // τ (1), of gmm
    RouterForm form = RouterForm::linear;
    Index chosen = 1, sampled = 0;
    Index masked = 0;                 // slabs at the end that take no part in any decision
    std::vector<Index> selectable;    // the row of each expert, ascending; empty: every row has its expert
    std::uint64_t key = 0;            // tells this router's draws from those of others

    On() = default;
    On(Index width, const Config& config, const Rng& rng)
        : form(config.form), chosen(config.chosen), sampled(config.sampled), key(rng.fork("exploration").next64()) {
      check(config.experts > 0, ErrorKind::config, "router: ", config.experts, " experts");
      check(config.chosen >= 1 && config.chosen <= config.experts, ErrorKind::config, "router: top-", config.chosen, " of ",
            config.experts, " experts");
      check(config.sampled >= 0 && config.sampled <= config.chosen, ErrorKind::config, "router: ", config.sampled, " of ", config.chosen,
            " chosen experts are drawn by chance");
      const bool inner = form != RouterForm::linear;
      check(inner == (config.gating_size > 0), ErrorKind::config, "router: a gating_size of ", config.gating_size,
            inner ? " for the form mlp or gmm, it must be positive" : " has no use in the form linear");
      if (inner) trunk = Linear<B>(width, config.gating_size, rng.fork("trunk"), form == RouterForm::mlp);
      if (form == RouterForm::gmm) temperature = Param<B>(Shape{1});
      rows.push_back(fresh(config.experts, inner ? config.gating_size : width, rng.fork("rows")));
    }

    Index experts() const { return selectable.empty() ? row_count(rows.size()) : static_cast<Index>(selectable.size()); }

    // Appends rows for new experts; those of the old ones do not change, their probabilities shrink by what the new ones take.
    void insert(Index count, const Rng& rng) {
      begin_insertion(count);
      rows.push_back(fresh(count, rows[0].shape()[1], rng.fork("rows").fork(static_cast<std::uint64_t>(rows.size()))));
      if (!bias.empty()) bias.push_back(Param<B>(Shape{count}));
    }

    // Appends copies of rows that are there, a little disturbed so that a copy and its source part.
    void insert_copies(const std::vector<Index>& sources, const Rng& rng) {
      const auto count = static_cast<Index>(sources.size());
      begin_insertion(count);
      Param<B> slab = init::normal<B>({count, rows[0].shape()[1]}, 0.02, rng.fork("rows"));
      const Array<B> from = taken(rows, rows_of(sources));
      B::axpy(slab.size(), Real(1), from.data(), slab.data());
      if (!bias.empty()) bias.emplace_back(taken(bias, rows_of(sources)));
      rows.push_back(std::move(slab));
    }

    // Appends exact copies that share the probability of their source: the bias of source and copies falls by log(1 + copies), so
    // that they have together what the source had.
    void insert_split(const std::vector<Index>& sources) {
      begin_insertion(static_cast<Index>(sources.size()));
      if (bias.empty())
        for (const Param<B>& slab : rows) bias.emplace_back(Shape{slab.shape()[0]});
      const std::vector<Index> from = rows_of(sources);
      for (std::size_t i = 0; i < from.size(); ++i) {
        if (std::find(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(i), from[i]) != from.begin() + static_cast<std::ptrdiff_t>(i)) continue;
        Index row = from[i];
        const auto copies = static_cast<double>(std::count(from.begin(), from.end(), row));
        std::size_t slab = 0;
        while (row >= bias[slab].size()) row -= bias[slab++].size();
        B::affine(1, Real(1), bias[slab].data() + row, static_cast<Real>(-std::log1p(copies)), bias[slab].data() + row);
      }
      Array<B> copied = taken(rows, from), shared = taken(bias, from);
      rows.emplace_back(std::move(copied));
      bias.emplace_back(std::move(shared));
    }

    // Leaves the slab of the last insertion out of every decision, as if it were not there, until enable().
    void mask() { masked = 1; }
    void enable() { masked = 0; }

    // Keeps the named experts, ascending. throws Error (config) if fewer stay than a token uses
    void keep(const std::vector<Index>& kept, Pruning how) {
      check(static_cast<Index>(kept.size()) >= chosen, ErrorKind::config, "prune: ", static_cast<Index>(kept.size()),
            " experts would stay and each token uses ", chosen);
      check(masked == 0, ErrorKind::misuse, "prune: enable the masked modules first");
      std::vector<Index> which = rows_of(kept);
      if (how == Pruning::keep_mass) {
        selectable = std::move(which);
        return;
      }
      rows = detail::kept_slabs(rows, which);
      if (!bias.empty()) bias = detail::kept_slabs(bias, which);
      selectable.clear();
    }

    // x (n,C), n = N·T tokens of the sequences of flow.gates if there are gates
    Routing<B> operator()(const Tensor<B>& x, const Flow<B>& flow = {}) const {
      const std::size_t slabs = rows.size() - static_cast<std::size_t>(masked);
      Tensor<B> z = scores(x, slabs);
      if (flow.gates && slabs > 1) z = z + gated(flow.gates, x.shape()[0], slabs);
      return choose(z, chosen, visible(slabs), flow.training ? sampled : 0, Rng(flow.dropout_key).fork(key));
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) {
      v("trunk", self.trunk);
      v("rows", self.rows);
      v("bias", self.bias);
      v("temperature", self.temperature);
    }

   private:
    Param<B> fresh(Index count, Index inner, const Rng& rng) const {
      return init::normal<B>({count, inner}, form == RouterForm::gmm ? 1 : 0.02, rng);
    }
    Index row_count(std::size_t slabs) const {
      Index total = 0;
      for (std::size_t i = 0; i < slabs; ++i) total += rows[i].shape()[0];
      return total;
    }
    static Tensor<B> joined(const std::vector<Param<B>>& slabs, std::size_t count) {
      if (count == 1) return slabs[0];
      return concat_rows(std::vector<Tensor<B>>(slabs.begin(), slabs.begin() + static_cast<std::ptrdiff_t>(count)));
    }
    // Rows of the slabs, copied: (count, ...)
    static Array<B> taken(const std::vector<Param<B>>& slabs, const std::vector<Index>& which) {
      return detail::rows_taken(joined(slabs, slabs.size()).value(), which);
    }

    void begin_insertion(Index count) {
      check(count > 0, ErrorKind::config, "insert: ", count, " modules, at least one is needed");
      check(masked == 0, ErrorKind::misuse, "insert: enable the masked modules first");
      if (selectable.empty()) return;
      for (Index i = 0; i < count; ++i) selectable.push_back(row_count(rows.size()) + i);
    }

    std::vector<Index> rows_of(const std::vector<Index>& experts_named) const {
      std::vector<Index> out;
      for (Index e : experts_named) {
        check(e >= 0 && e < experts(), ErrorKind::index, "router: expert ", e, " of ", experts());
        out.push_back(selectable.empty() ? e : selectable[static_cast<std::size_t>(e)]);
      }
      return out;
    }

    std::vector<Index> visible(std::size_t slabs) const {
      if (masked == 0 || selectable.empty()) return selectable;
      std::vector<Index> out = selectable;
      std::erase_if(out, [end = row_count(slabs)](Index row) { return row >= end; });
      return out;
    }

    Tensor<B> scores(const Tensor<B>& x, std::size_t slabs) const {
      const Tensor<B> out = joined(rows, slabs);
      Tensor<B> z;
      if (form == RouterForm::gmm) {
        const auto unit = [](const Tensor<B>& y) { return rms_norm(y, 1e-24); };  // length √g
        z = matmul_transposed(unit(trunk(x)), unit(out)) * (exp(temperature) / static_cast<Real>(out.shape()[1]));
      } else {
        z = matmul_transposed(form == RouterForm::mlp ? gelu(trunk(x)) : x, out);
      }
      return bias.empty() ? z : z + joined(bias, slabs);
    }

    // log g of every row's slab for every token: gates (N,G), 0 for the first slab -> (n,rows)
    Tensor<B> gated(const Tensor<B>& gates, Index n, std::size_t slabs) const {
      const Index sequences = gates.shape()[0], groups = gates.shape()[1];
      check(groups + 1 == static_cast<Index>(slabs) && sequences > 0 && n % sequences == 0, ErrorKind::misuse, "router: gates ",
            gates.shape(), " for ", n, " tokens and ", static_cast<Index>(slabs) - 1, " insertions");
      const std::vector<Real> g = gates.values();
      std::vector<Real> logs;
      for (Index i = 0; i < sequences; ++i)
        for (std::size_t s = 0; s < slabs; ++s)
          logs.insert(logs.end(), static_cast<std::size_t>(rows[s].shape()[0]),
                      s == 0 ? Real(0) : std::log(g[static_cast<std::size_t>(i * groups) + s - 1]));
      std::vector<Id> sequence_of;
      for (Index i = 0; i < n; ++i) sequence_of.push_back(static_cast<Id>(i / (n / sequences)));
      return gather_rows(Tensor<B>({sequences, row_count(slabs)}, std::span<const Real>(logs)), Ids<B>({n}, sequence_of));
    }
  };
};

}  // namespace cmoe
