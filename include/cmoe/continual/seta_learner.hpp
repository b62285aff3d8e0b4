// How SETA learns a stream: probe, split on share, train what the task uses with its shared part anchored.
#pragma once

#include "cmoe/continual/prompt_memory.hpp"
#include "cmoe/models/seta.hpp"
#include "cmoe/regularizer/anchor.hpp"
#include "cmoe/regularizer/route.hpp"
#include "cmoe/regularizer/sensitivity.hpp"

namespace cmoe {

// Which published set of losses: v1 anchors with one strength, the revision with a strength that grows with an expert's users and
// its routing mass, and holds the router as well.
enum class SetaLosses { constant, adaptive };

// How SETA learns: docs/papers/seta.md says what is the paper's and what ours.
struct SetaConfig {
  double coverage = 0.9;      // η: the share of all sensitivity that a mask holds,
  double density = 0.1;       // ρ: at most this share of a map's units
  double weight_power = 0;    // κ of the score |dL/dW| |W|^κ
  Index probe_batches = 16, probe_batch = 8;
  SplitConfig split = {};
  SetaLosses losses = SetaLosses::adaptive;
  double anchor_weight = 1;   // λ₀
  double user_power = 1;      // κ_a of the adaptive strength
  bool freeze_shared = false; // λ = ∞
  double route_weight = 1;    // μ, adaptive losses and a trained router only
  double gate_weight = 1;     // λ_g of the router's cross-entropy, a trained router only
  double router_rate = 10;    // the router's learning rate over the values'
  double memory_share = 0.02; // of each past task's prompts, kept as queries for a trained router
  Index memory_batch = 32;
  Index fisher_samples = 24;
  double fisher_decay = 1;    // γ
  Index router_prompts = 1024;  // of a task, taken in by an analytic router
};

// L = L_LM + ½ Σ_{shared e of task} λ_e Σ_i F̂_i (v_i − anchor_i)² + λ_g L_gate + L_route                 spec/seta.md sections 2.5, 2.6
// Trained with the task's own combination of experts (oracle), routed at test time. Recipe: an Adapted model with LatticeDelta and a
// TaskLattice gate.
template <class B, class Recipe = SetaAnalytic>
class SetaLearner {
  using Model = typename Recipe::template On<B>;
  using Real = typename B::Scalar;
  using Carrier = typename Recipe::DeepDelta::Carrier;
  static constexpr bool analytic = requires(Model& m, const Tensor<B>& q) { m.gate.absorb(q, 0); };

 public:
  SetaLearner(Model model, const SetaConfig& config, const Rng& rng)
      : model_(std::move(model)), config_(config), rng_(rng), memory_(config.memory_share, config.memory_batch, rng) {
    check(config.anchor_weight >= 0 && config.fisher_samples > 0 && config.probe_batches > 0 && config.probe_batch > 0, ErrorKind::config,
          "seta: anchor weight ", config.anchor_weight, ", ", config.fisher_samples, " samples, ", config.probe_batches, " probe batches of ",
          config.probe_batch);
  }

  void before_task(Index task, const EncodedTask&) {
    freeze(model_);
    model_.add_task(rng_.fork("deltas").fork(static_cast<std::uint64_t>(task)));
    model_.gate.active = task + 1;
    if constexpr (analytic) freeze(model_.gate);
  }

  // The task's mask, the split of what it overlaps, and the anchors of what becomes shared.
  void prepare(Index task, const EncodedTask& data) {
    split(split_on_share(lattice_, mask(task, data), task, config_.split), task);
    set_trained(task);
    set_anchor(task);
  }

  void add_parameters(AdamW<B>& optimizer) {
    for_each_param(model_, [&](const std::string& name, Param<B>& p) {
      const bool gate = name.rfind("gate.", 0) == 0;
      optimizer.add(name, p, gate ? config_.router_rate : 1, !gate);
    });
  }

  Loss<B> loss(const Batch<B>& batch, Index task, [[maybe_unused]] Index step) {
    Flow<B> flow = batch.flow();
    const Tensor<B> state = model_.shallow_state(batch.ids, flow);
    flow.gates = oracle(batch.ids.shape()[0], task);
    Loss<B> loss;
    loss.add("lm", cross_entropy(model_.finish(state, flow), batch.labels));
    if (!anchor_.empty()) loss.add("anchor", anchor_.loss(model_));
    if constexpr (!analytic) {
      if (task == 0) return loss;
      const auto read = [&](const Batch<B>& prompts) { return model_.gate.query(model_.shallow_state(prompts.ids, prompts.flow()), prompts.flow()); };
      loss.add("router", memory_.loss(model_.gate, model_.gate.query(state, flow), task, step, read), config_.gate_weight);
      if (config_.losses == SetaLosses::adaptive && config_.route_weight > 0)
        loss.add("route", route_loss<B>(model_.gate.weight, Tensor<B>(state_.array("router")), Tensor<B>(state_.array("second_moment"))),
                 config_.route_weight);
    }
    return loss;
  }

  // Fisher information of what was trained, and what the router saw.
  void consolidate(Index task, const EncodedTask& data) {
    const std::vector<bool> router_was_trained = freeze_gate();
    Rng draw = rng_.fork("fisher").fork(static_cast<std::uint64_t>(task));
    const NamedArrays<B> fisher = diagonal_fisher<B>(model_, config_.fisher_samples, [&](Index) {
      const Index pick = draw.below(static_cast<Index>(data.train.size()));
      const Batch<B> one = make_batch<B>(data.train, static_cast<std::size_t>(pick), static_cast<std::size_t>(pick) + 1);
      Flow<B> flow = one.flow();
      flow.gates = oracle(1, task);
      return cross_entropy(model_(one.ids, flow).logits, one.labels);
    }).mean();
    for (const auto& [name, f] : fisher) {
      Array<B> sum = f.copy();
      if (const auto old = state_.arrays.find("fisher." + name); old != state_.arrays.end())
        B::axpy(sum.size(), static_cast<Real>(config_.fisher_decay), old->second.data(), sum.data());
      state_.arrays["fisher." + name] = sum;
    }
    const Tensor<B> q = queries(as_prompts(data.train, data.scoring == Scoring::next_token));
    if constexpr (analytic) model_.gate.absorb(q, task);
    else see(q, task);
    state_.arrays["mass." + std::to_string(task)] = (sum_rows(model_.gate.weights(q)) * (Real(1) / static_cast<Real>(q.shape()[0]))).value();
    std::size_t i = 0;
    for_each_param(model_.gate, [&](const std::string&, Param<B>& p) {
      if (router_was_trained[i++]) p.unfreeze();
    });
  }

  void after_task([[maybe_unused]] Index task, [[maybe_unused]] const EncodedTask& data) {
    if constexpr (!analytic) memory_.keep(task, data);
  }

  LearnerState<B>& state() { return state_; }

  // The lattice of a checkpoint: parts of the right sizes, whose values the checkpoint brings next.
  void restored() {
    std::vector<SparseExpert> found;
    for (Index e = 0; state_.lists.contains("users." + std::to_string(e)); ++e) {
      SparseExpert expert;
      const std::vector<Id>& users = state_.list("users." + std::to_string(e));
      expert.users.resize(users.size());
      for (std::size_t t = 0; t < users.size(); ++t) expert.users.set(t, users[t] != 0);
      for (const Id unit : state_.list("units." + std::to_string(e))) expert.units.push_back(unit);
      found.push_back(std::move(expert));
    }
    if (found.empty()) return;
    if (found != lattice_) {  // parts that fit stay: an optimiser may hold their parameters
      lattice_ = std::move(found);
      build_parts(std::vector<std::vector<Index>>(), false);
      const auto tasks = static_cast<Index>(lattice_[0].users.size());
      model_.gate.combine(lattice_, tasks);
      set_trained(tasks - 1);
    }
    anchor_ = {};
    for (const auto& [name, array] : state_.arrays) {
      if (name.rfind("anchor.centre.", 0) == 0) anchor_.centre.emplace(name.substr(14), array);
      if (name.rfind("anchor.weight.", 0) == 0) anchor_.weight.emplace(name.substr(14), array);
    }
  }

  const std::vector<SparseExpert>& lattice() const { return lattice_; }
  Flow<B> flow(const Batch<B>& batch, Index) const { return batch.flow(); }
  // The same with the task known: what perfect routing would score.
  Flow<B> oracle_flow(const Batch<B>& batch, Index task) const {
    Flow<B> flow = batch.flow();
    if (task < model_.gate.active) flow.gates = oracle(batch.ids.shape()[0], task);
    return flow;
  }
  // The weights of the tasks: who is routed where is a question about tasks, not about the lattice's experts.
  Tensor<B> gates(const Batch<B>& batch) const {
    if (model_.gate.active == 0) return {};
    const Flow<B> flow = batch.flow();
    return model_.gate.weights(model_.gate.query(model_.shallow_state(batch.ids, flow), flow));
  }
  const Model& model() const { return model_; }
  Model& model() { return model_; }

 private:
  Tensor<B> oracle(Index sequences, Index task) const {
    return model_.gate.expand(oracle_gates<B>(sequences, model_.gate.combination.shape()[0], task));
  }

  // The units this task is most sensitive to, at the weights that the old tasks' gate picks for it.
  std::vector<Index> mask(Index task, const EncodedTask& data) {
    model_.gate.active = task;
    Shuffled order(data.train.size(), rng_.fork("probe").fork(static_cast<std::uint64_t>(task)));
    const auto scores = sensitivity<B>(model_, config_.probe_batches, config_.weight_power, [&](Index step) {
      std::vector<const Sequence*> chosen;
      for (Index i = 0; i < config_.probe_batch; ++i) chosen.push_back(&data.train[order(step * config_.probe_batch + i)]);
      const Batch<B> batch = make_batch<B>(chosen);
      return cross_entropy(model_(batch.ids, batch.flow()).logits, batch.labels);
    });
    model_.gate.active = task + 1;
    std::vector<Index> units;
    Index offset = 0;
    std::size_t m = 0;
    model_.for_each_deep_map([&](auto& map) {
      const std::vector<double> of_units = Carrier::scores(scores[m++], map.base.in(), map.base.out());
      for (const Index u : sensitivity_mask(std::span<const double>(of_units), config_.coverage, config_.density)) units.push_back(offset + u);
      offset += Carrier::count(map.base.in(), map.base.out());
    });
    return units;
  }

  void split(LatticeSplit made, Index task) {
    const std::vector<SparseExpert> old = std::exchange(lattice_, std::move(made.experts));
    for (auto it = state_.lists.begin(); it != state_.lists.end();)
      it = it->first.rfind("users.", 0) == 0 || it->first.rfind("units.", 0) == 0 ? state_.lists.erase(it) : std::next(it);
    for (std::size_t e = 0; e < lattice_.size(); ++e) {
      std::vector<Id>&users = state_.lists["users." + std::to_string(e)], &units = state_.lists["units." + std::to_string(e)];
      for (Index t = 0; t <= task; ++t) users.push_back(lattice_[e].used_by(t));
      for (const Index u : lattice_[e].units) units.push_back(static_cast<Id>(u));
    }
    build_parts(made.source, true);
    model_.gate.combine(lattice_, task + 1);
  }

  // Gives every map its part of every expert. With `carry`, values and Fisher information move from where `source` says they were.
  void build_parts(const std::vector<std::vector<Index>>& source, bool carry) {
    using Part = typename Recipe::DeepDelta::template On<B>::Part;
    std::map<std::string, Array<B>> fisher;
    const PartNames part_name = part_names();
    Index offset = 0;
    model_.for_each_deep_map([&](auto& map) {
      const Index in = map.base.in(), out = map.base.out(), count = Carrier::count(in, out), width = Carrier::width(in, out);
      map.delta.grow(in, out, {}, rng_);
      std::vector<Part> fresh;
      std::vector<std::vector<Real>> importance;
      // Where the units of the old parts stand.
      std::map<std::pair<Index, Id>, std::pair<std::size_t, Index>> place;
      std::vector<std::vector<Real>> values, weights;
      for (std::size_t p = 0; carry && p < map.delta.parts.size(); ++p) {
        const Part& part = map.delta.parts[p];
        const auto units = part.units.values();
        for (std::size_t i = 0; i < units.size(); ++i) place[{part.expert, units[i]}] = {p, static_cast<Index>(i)};
        values.push_back(part.values.values());
        const auto known = state_.arrays.find("fisher." + part_name(map, p));
        weights.push_back(known != state_.arrays.end() ? known->second.values() : std::vector<Real>(values.back().size(), 0));
      }
      for (std::size_t e = 0; e < lattice_.size(); ++e) {
        std::vector<Id> units;
        std::vector<Real> mine, heavy;
        for (std::size_t i = 0; i < lattice_[e].units.size(); ++i) {
          const Index u = lattice_[e].units[i] - offset;
          if (u < 0 || u >= count) continue;
          units.push_back(static_cast<Id>(u));
          const std::size_t at = mine.size();
          mine.resize(at + static_cast<std::size_t>(width));
          heavy.resize(mine.size(), 0);
          if (carry && source[e][i] >= 0) {
            const auto [p, row] = place.at({source[e][i], static_cast<Id>(u)});
            std::copy_n(values[p].begin() + row * width, width, mine.begin() + static_cast<std::ptrdiff_t>(at));
            std::copy_n(weights[p].begin() + row * width, width, heavy.begin() + static_cast<std::ptrdiff_t>(at));
          } else {
            Carrier::fresh(u, in, out, std::span(mine).subspan(at));
          }
        }
        if (units.empty()) continue;
        const auto n = static_cast<Index>(units.size());
        fresh.push_back({static_cast<Index>(e), Ids<B>({n}, units), Param<B>(Array<B>({n, width}, std::span<const Real>(mine)))});
        importance.push_back(std::move(heavy));
      }
      map.delta.parts = std::move(fresh);
      for (std::size_t p = 0; carry && p < importance.size(); ++p)
        fisher["fisher." + part_name(map, p)] = Array<B>(map.delta.parts[p].values.shape(), std::span<const Real>(importance[p]));
      offset += count;
    });
    if (!carry) return;
    for (auto it = state_.arrays.begin(); it != state_.arrays.end();)
      it = it->first.rfind("fisher.", 0) == 0 ? state_.arrays.erase(it) : std::next(it);
    state_.arrays.merge(fisher);
  }

  // The names under which the model's visit() reports the values of parts: of each map, by where its weight lies.
  struct PartNames {
    std::map<const Real*, std::string> maps;
    template <class Map>
    std::string operator()(const Map& map, std::size_t part) const {
      return maps.at(map.base.weight.data()) + ".delta.experts." + std::to_string(part) + ".values";
    }
  };
  PartNames part_names() const {
    const std::string end = ".base.weight";
    PartNames names;
    for_each_param(model_, [&](const std::string& name, const Param<B>& p) {
      if (name.ends_with(end)) names.maps.emplace(p.data(), name.substr(0, name.size() - end.size()));
    });
    return names;
  }

  void set_trained(Index task) {
    model_.for_each_deep_map([&](auto& map) {
      for (auto& part : map.delta.parts) {
        const SparseExpert& expert = lattice_[static_cast<std::size_t>(part.expert)];
        if (expert.used_by(task) && !(expert.shared() && config_.freeze_shared)) part.values.unfreeze();
        else part.values.freeze();
      }
    });
    if constexpr (!analytic) model_.gate.weight.unfreeze();
  }

  // λ_e F̂ around today's values for what this task shares with older ones; F̂ has mean 1 over all of it.
  void set_anchor(Index task) {
    anchor_ = {};
    double total = 0;
    Index entries = 0;
    struct Shared {
      std::string name;
      Array<B> values, fisher;
      double strength;
    };
    std::vector<Shared> all;
    const PartNames part_name = part_names();
    model_.for_each_deep_map([&](auto& map) {
      for (std::size_t p = 0; p < map.delta.parts.size(); ++p) {
        const auto& part = map.delta.parts[p];
        const SparseExpert& expert = lattice_[static_cast<std::size_t>(part.expert)];
        if (!expert.shared() || !expert.used_by(task) || config_.freeze_shared) continue;
        const std::string name = part_name(map, p);
        const Array<B>& fisher = state_.array("fisher." + name);
        for (const Real f : fisher.values()) total += static_cast<double>(f);
        entries += fisher.size();
        all.push_back({name, part.values.value().copy(), fisher, strength(expert, task)});
      }
    });
    for (const Shared& s : all) {
      Array<B> weight(s.fisher.shape());
      const double scale = total > 0 ? s.strength * static_cast<double>(entries) / total : 0;
      B::affine(weight.size(), static_cast<Real>(scale), s.fisher.data(), Real(0), weight.data());
      anchor_.centre.emplace(s.name, s.values);
      anchor_.weight.emplace(s.name, weight);
    }
    for (auto it = state_.arrays.begin(); it != state_.arrays.end();)
      it = it->first.rfind("anchor.", 0) == 0 ? state_.arrays.erase(it) : std::next(it);
    for (const auto& [name, array] : anchor_.centre) state_.arrays["anchor.centre." + name] = array;
    for (const auto& [name, array] : anchor_.weight) state_.arrays["anchor.weight." + name] = array;
  }

  // λ_e: λ₀, or λ₀ (users − 1)^κ (1 + u_e) with u_e the expert's mean routing mass over past tasks; users are the old ones and this task.
  double strength(const SparseExpert& expert, Index task) const {
    if (config_.losses == SetaLosses::constant) return config_.anchor_weight;
    double mass = 0;
    for (Index t = 0; t < task; ++t) {
      const auto p = state_.array("mass." + std::to_string(t)).values();
      for (std::size_t k = 0; k < p.size(); ++k)
        if (expert.used_by(static_cast<Index>(k))) mass += static_cast<double>(p[k]) / static_cast<double>(task);
    }
    return config_.anchor_weight * std::pow(static_cast<double>(expert.user_count() - 1), config_.user_power) * (1 + mass);
  }

  std::vector<bool> freeze_gate() {
    std::vector<bool> trained;
    for_each_param(model_.gate, [&](const std::string&, Param<B>& p) {
      trained.push_back(!p.frozen());
      p.freeze();
    });
    return trained;
  }

  // What the gate reads of prompts, at most `router_prompts` of them; shallow layers have no delta, so it never changes.
  Tensor<B> queries(const std::vector<Sequence>& prompts) const {
    const typename Tape<B>::Pause no_recording;
    std::vector<Tensor<B>> parts;
    const auto count = std::min(prompts.size(), static_cast<std::size_t>(config_.router_prompts));
    for (std::size_t at = 0; at < count; at += 64) {
      const Batch<B> batch = make_batch<B>(prompts, at, std::min(at + 64, count));
      const Flow<B> flow = batch.flow();
      parts.push_back(model_.gate.query(model_.shallow_state(batch.ids, flow), flow));
    }
    return concat_rows(parts);
  }

  // What a trained router must keep: its weight, and the second moment of the features it decided on.
  void see(const Tensor<B>& q, Index task) {
    const Index n = q.shape()[0], c = q.shape()[1];
    Array<B> moment({c, c});
    B::gemm(Form::tn, c, c, n, Real(1) / static_cast<Real>(n), q.data(), c, q.data(), c, false, moment.data(), c);
    if (task > 0) {  // the mean over tasks
      const Array<B>& old = state_.array("second_moment");
      B::affine(moment.size(), Real(1) / static_cast<Real>(task + 1), moment.data(), Real(0), moment.data());
      B::axpy(moment.size(), static_cast<Real>(task) / static_cast<Real>(task + 1), old.data(), moment.data());
    }
    state_.arrays["second_moment"] = moment;
    if constexpr (!analytic) state_.arrays["router"] = model_.gate.weight.value().copy();
  }

  Model model_;
  SetaConfig config_;
  Rng rng_;
  LearnerState<B> state_;
  std::vector<SparseExpert> lattice_;
  Anchor<B> anchor_;
  PromptMemory<B> memory_;
};

}  // namespace cmoe
