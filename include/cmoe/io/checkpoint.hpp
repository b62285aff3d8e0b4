// Checkpoints: parameters, moments and the place in the run, in one file that is written whole or not at all.
#pragma once

#include "cmoe/continual/stream_run.hpp"
#include "cmoe/io/json.hpp"
#include "cmoe/io/safetensors.hpp"
#include "cmoe/io/safetensors_writer.hpp"

namespace cmoe {

namespace detail {

inline Json scores_json(const ScoreMatrix& scores) {
  Json rows = Json::array();
  for (Index after = 0; after <= scores.tasks(); ++after) {
    Json row = Json::array();
    for (Index t = 0; t < scores.tasks(); ++t)
      row.push_back(scores.at(after, t).has_value() ? Json(scores.at(after, t).value()) : Json(nullptr));
    rows.push_back(std::move(row));
  }
  return rows;
}

inline ScoreMatrix read_scores(const Json& rows, const std::string& name) {
  check(rows.is_array() && !rows.empty(), ErrorKind::format, name, ": the scores are not a matrix");
  const auto tasks = static_cast<Index>(rows.size()) - 1;
  ScoreMatrix scores(tasks);
  for (Index after = 0; after <= tasks; ++after) {
    const Json& row = rows[static_cast<std::size_t>(after)];
    check(row.is_array() && static_cast<Index>(row.size()) == tasks, ErrorKind::format, name, ": the scores are not a matrix");
    for (Index t = 0; t < tasks; ++t)
      if (const Json& cell = row[static_cast<std::size_t>(t)]; cell.is_number()) scores.set(after, t, cell.get<double>());
  }
  return scores;
}

}  // namespace detail

// The place in the run as JSON, and back.
inline Json state_json(const RunState& state) {
  Json json = {{"task", state.task},       {"step", state.step},       {"scores", detail::scores_json(state.scores)}, {"nll", state.nll},
               {"routing", state.routing}, {"growth", state.growth},   {"trainable", state.trainable},                {"seconds", state.seconds}};
  if (state.routing_accuracy.has_value()) json["routing_accuracy"] = state.routing_accuracy.value();
  if (state.oracle_AP.has_value()) json["oracle_AP"] = state.oracle_AP.value();
  const auto ability = [&](const char* name, const RunState::Ability& a) {
    if (!a.score.empty()) json[name] = {{"score", a.score}, {"nll", a.nll}};
  };
  ability("ability_before", state.ability_before);
  ability("ability_after", state.ability_after);
  return json;
}

// The state of a run from its JSON. throws Error (format) if a part of it is missing or of another type
inline RunState read_state(const Json& json, const std::string& name) {
  RunState state;
  state.task = required<Index>(json, "task", name);
  state.step = required<Index>(json, "step", name);
  state.scores = detail::read_scores(json.at("scores"), name);
  state.nll = required<std::vector<std::vector<double>>>(json, "nll", name);
  state.routing = required<std::vector<std::vector<double>>>(json, "routing", name);
  state.growth = required<std::vector<Index>>(json, "growth", name);
  state.trainable = required<Index>(json, "trainable", name);
  state.seconds = required<double>(json, "seconds", name);
  if (json.contains("routing_accuracy")) state.routing_accuracy = required<double>(json, "routing_accuracy", name);
  if (json.contains("oracle_AP")) state.oracle_AP = required<double>(json, "oracle_AP", name);
  const auto ability = [&](const char* key, RunState::Ability& a) {
    if (!json.contains(key)) return;
    a.score = required<std::vector<double>>(json.at(key), "score", name);
    a.nll = required<std::vector<double>>(json.at(key), "nll", name);
  };
  ability("ability_before", state.ability_before);
  ability("ability_after", state.ability_after);
  check(state.task >= 0 && state.task <= state.scores.tasks() && state.step >= 0, ErrorKind::format, name, ": task ", state.task,
        ", step ", state.step, " of ", state.scores.tasks(), " tasks");
  return state;
}

// Writes every parameter of the learner's model but those kept as they lie in a file (Param::store), which cannot change; what the
// learner keeps beside it, the moments if an optimiser is given, and the state of the run. `fingerprint` says which run this is.
// The file appears complete under its name or the old one stays. throws Error (file)
template <class B, class L>
void save_checkpoint(const std::filesystem::path& path, L& learner, AdamW<B>* optimizer, const RunState& state,
                     const std::string& fingerprint) {
  SafeTensorsWriter writer;
  const auto add = [&](const std::string& name, const auto& array) {
    const auto values = array.values();
    writer.add(name, array.shape(), std::span(values));
  };
  for_each_param(learner.model(), [&](const std::string& name, const Param<B>& p) {
    if (!p.stored()) add("model." + name, p);
  });
  if constexpr (KeepsState<L, B>) {
    for (const auto& [name, array] : learner.state().arrays) add("learner.array." + name, array);
    for (const auto& [name, list] : learner.state().lists)
      writer.add("learner.list." + name, {static_cast<Index>(list.size())}, std::span(list));
  }
  if (optimizer) optimizer->for_each_moment([&](const std::string& name, Array<B>& moment) { add("optimizer." + name, moment); });
  writer.metadata["format"] = "cmoe checkpoint 1";
  writer.metadata["fingerprint"] = fingerprint;
  writer.metadata["state"] = state_json(state).dump();
  writer.save(path);
}

// The state of a checkpoint. throws Error (format) if the file is not one, (config) if it belongs to another run
inline RunState read_checkpoint_state(const std::filesystem::path& path, const std::string& fingerprint) {
  const SafeTensors file = SafeTensors::open(path);
  const auto entry = [&](const char* key) {
    const auto found = file.metadata().find(key);
    check(found != file.metadata().end(), ErrorKind::format, path.string(), ": not a checkpoint: no ", key);
    return found->second;
  };
  check(entry("format") == "cmoe checkpoint 1", ErrorKind::format, path.string(), ": a checkpoint of another version: ", entry("format"));
  check(fingerprint.empty() || entry("fingerprint") == fingerprint, ErrorKind::config, path.string(),
        ": belongs to a run with other options; use the options of its run.json or another --out");
  return read_state(parse_json(entry("state"), path.string()), path.string());
}

// Brings what the learner keeps, its model's parameters, and moments if an optimiser is given, back into a learner of the same structure.
// throws Error (format) for missing tensors or other shapes, (numeric) for NaN or infinity
template <class B, class L>
void load_checkpoint(const std::filesystem::path& path, L& learner, AdamW<B>* optimizer) {
  using Real = typename B::Scalar;
  const SafeTensors file = SafeTensors::open(path);
  file.check_finite();
  const auto read = [&](const std::string& name, const Shape& shape) {
    const StoredTensor& stored = file.at(name);
    check(stored.shape == shape, ErrorKind::format, path.string(), ": ", name, " is ", stored.shape, ", expected ", shape);
    return stored.template values<Real>();
  };
  if constexpr (KeepsState<L, B>) {
    LearnerState<B>& kept = learner.state();
    kept = {};
    for (const StoredTensor& stored : file.tensors()) {
      const std::string& name = stored.name;
      if (name.rfind("learner.array.", 0) == 0) {
        const auto values = stored.template values<Real>();
        kept.arrays.emplace(name.substr(14), Array<B>(stored.shape, std::span<const Real>(values)));
      } else if (name.rfind("learner.list.", 0) == 0) {
        kept.lists.emplace(name.substr(13), stored.template values<Id>());
      }
    }
    if constexpr (requires { learner.restored(); }) learner.restored();
  }
  for_each_param(learner.model(), [&](const std::string& name, Param<B>& p) {
    if (!p.stored()) p.assign(read("model." + name, p.shape()));
  });
  if (!optimizer) return;
  optimizer->for_each_moment([&](const std::string& name, Array<B>& moment) {
    const auto values = read("optimizer." + name, moment.shape());
    B::upload(moment.size(), values.data(), moment.data());
  });
}

// Parameters alone, under their names: pretrained models of our own and what a run has learnt.
template <class M>
void save_parameters(const std::filesystem::path& path, const M& model, const std::map<std::string, std::string>& metadata,
                     const std::function<bool(const std::string&)>& wanted = [](const std::string&) { return true; }) {
  SafeTensorsWriter writer;
  writer.metadata = metadata;
  for_each_param(model, [&](const std::string& name, const auto& p) {
    if (!wanted(name)) return;
    const auto values = p.values();
    writer.add(name, p.shape(), std::span(values));
  });
  writer.save(path);
}

// Fills a model of the same structure; tensors the file lacks are an error. throws Error (format), (numeric)
template <class M>
void load_parameters(const std::filesystem::path& path, M& model) {
  const SafeTensors file = SafeTensors::open(path);
  file.check_finite();
  for_each_param(model, [&]<class B>(const std::string& name, Param<B>& p) {
    const StoredTensor& stored = file.at(name);
    check(stored.shape == p.shape(), ErrorKind::format, path.string(), ": ", name, " is ", stored.shape, ", expected ", p.shape());
    p.assign(stored.template values<typename B::Scalar>());
  });
}

}  // namespace cmoe
