// The run of a learner over a stream: train a task, remember, score all tasks, go on; resumable at any step.
#pragma once

#include <functional>

#include "cmoe/continual/evaluate.hpp"
#include "cmoe/continual/metrics.hpp"

namespace cmoe {

// How each task of a stream is trained.
struct RunConfig {
  Index task_steps = 150;   // steps a task; 0: task_epochs decides
  Index task_epochs = 0;    // passes over a task's items
  Index batch = 16;
  Index accumulate = 1;     // batches whose gradients make one step
  bool joint = false;       // one stage on the union of all tasks instead of one stage a task: the multitask bound
  AdamWConfig optimizer = {};
  Schedule schedule = {.decay = Decay::cosine, .warmup = 10, .floor = 0.05};
  Index log_every = 10;
  Index save_every = 0;     // steps between checkpoints inside a task; 0: after each task only
};

// Where a run stands (a stage is a task, or all of them when trained jointly): enough, beside parameters and moments, to go on with the same bits.
struct RunState {
  Index task = 0, step = 0;              // the next step to be done
  ScoreMatrix scores;
  std::vector<std::vector<double>> nll;  // beside the scores: row after t tasks
  std::vector<std::vector<double>> routing;  // the last row of gates: true task x expert
  std::vector<Index> growth;             // stored parameters after each task
  xtl::xoptional<double> routing_accuracy = xtl::missing<double>();
  xtl::xoptional<double> oracle_AP = xtl::missing<double>();  // of learners that offer oracle_flow
  struct Ability {
    std::vector<double> score, nll;       // of each text outside of the stream
  } ability_before, ability_after;
  Index trainable = 0;                   // parameters trained in the last task
  double seconds = 0;                    // training and scoring so far
};

// One step as a hook sees it.
struct StepLog {
  Index task, step, steps;
  const StepResult& result;
  double tokens_per_second;
};

// What the surroundings of a run do. Library code prints nothing and opens no files; these do.
template <class B>
struct RunHooks {
  std::function<void(const StepLog&)> on_step = [](const StepLog&) {};
  std::function<void(Index after)> on_row = [](Index) {};                     // a row of scores is complete
  std::function<bool()> stop = [] { return false; };                          // asked for between steps
  std::function<void(const RunState&, AdamW<B>*)> save = [](const RunState&, AdamW<B>*) {};
  std::function<void(AdamW<B>*)> load = [](AdamW<B>*) {};                      // brings the saved values back on resuming
  std::function<double()> clock = [] { return 0.0; };                         // seconds
};

namespace detail {
// What is trained on, stage by stage.
inline std::vector<EncodedTask> stages(const std::vector<EncodedTask>& data, bool joint) {
  if (!joint) return data;
  EncodedTask all;
  all.name = "all tasks";
  for (const EncodedTask& task : data) all.train.insert(all.train.end(), task.train.begin(), task.train.end());
  return {all};
}
}  // namespace detail

// Learns data[state.task..] and fills the state. False if it was stopped: the state was saved and the call can be repeated with it.
// `abilities`: what the model could do before (plain texts, say); scored before and after the stream, with no task told.
// Batches, replay and masks are functions of the seed and the position, so a stopped and resumed run gives the same bits.
// throws Error what steps throw; the last saved state stays valid then
template <class B, class L>
  requires Learner<L, B>
bool run_stream(L& learner, const std::vector<EncodedTask>& data, const RunConfig& config, const Rng& rng, RunState& state,
                const RunHooks<B>& hooks, Id end, const ToText& to_text, const std::vector<EncodedTask>& abilities = {}) {
  check(!data.empty(), ErrorKind::config, "run: the stream has no tasks");
  check(config.batch > 0 && config.accumulate > 0, ErrorKind::config, "run: batch ", config.batch, ", accumulate ", config.accumulate);
  check(config.task_steps > 0 || config.task_epochs > 0, ErrorKind::config, "run: neither steps nor epochs for a task");
  const auto tasks = static_cast<Index>(data.size());
  const std::vector<EncodedTask> stages = detail::stages(data, config.joint);
  const auto count = static_cast<Index>(stages.size());
  const double begun = hooks.clock() - state.seconds;
  const auto ability = [&] {
    RunState::Ability found;
    for (const EncodedTask& text : abilities) {
      const TaskScore score = evaluate<B>(learner, text, Index{-1}, end, to_text);
      found.score.push_back(score.score);
      found.nll.push_back(score.nll);
    }
    return found;
  };
  const auto score_all = [&](Index after) {
    if (config.joint) after = after > 0 ? tasks : 0;
    state.nll.resize(static_cast<std::size_t>(after));
    state.nll.emplace_back();
    state.routing.clear();
    double routed = 0;
    bool mixture = after > 0;
    for (Index t = 0; t < tasks; ++t) {
      const TaskScore score = evaluate<B>(learner, data[static_cast<std::size_t>(t)], t, end, to_text);
      state.scores.set(after, t, score.score);
      state.nll.back().push_back(score.nll);
      if (t >= after) continue;
      state.routing.push_back(score.gates);
      mixture = mixture && score.routed >= 0;
      routed += score.routed;
    }
    if (mixture) state.routing_accuracy = routed / static_cast<double>(after);
    else state.routing.clear();
    if (after == 0) state.ability_before = ability();
    if (after == tasks) {
      state.ability_after = ability();
      if constexpr (HasOracle<L, B>)
        if (offers_oracle<B>(learner)) {
          const WithOracle<B, L> told{learner};
          double sum = 0;
          for (Index t = 0; t < tasks; ++t) sum += evaluate<B>(told, data[static_cast<std::size_t>(t)], t, end, to_text).score;
          state.oracle_AP = sum / static_cast<double>(tasks);
        }
    }
    state.seconds = hooks.clock() - begun;
    hooks.on_row(after);
  };

  const bool fresh = state.task == 0 && state.step == 0 && state.scores.tasks() == 0;
  if (fresh) {
    state.scores = ScoreMatrix(tasks);
    score_all(0);
  }
  for (Index t = 0; t < state.task; ++t) {  // a resumed run: the same growth again, without the training between
    learner.before_task(t, stages[static_cast<std::size_t>(t)]);
    learner.after_task(t, stages[static_cast<std::size_t>(t)]);
  }
  if (!fresh && state.step == 0) hooks.load(nullptr);

  for (; state.task < count; ++state.task, state.step = 0) {
    const EncodedTask& task = stages[static_cast<std::size_t>(state.task)];
    learner.before_task(state.task, task);
    if constexpr (requires { learner.prepare(state.task, task); }) {
      if (state.step > 0) hooks.load(nullptr);  // what was prepared is in the checkpoint, and the model takes its shape from it
      else learner.prepare(state.task, task);
    }
    AdamW<B> optimizer(config.optimizer);
    learner.add_parameters(optimizer);
    state.trainable = parameter_count(learner.model(), Count::trainable);
    if (state.step > 0) hooks.load(&optimizer);
    optimizer.set_steps(state.step);
    const Index per_step = config.batch * config.accumulate, items = static_cast<Index>(task.train.size());
    const Index steps = config.task_steps > 0 ? config.task_steps * (config.joint ? tasks : 1) : (config.task_epochs * items + per_step - 1) / per_step;
    Shuffled order(task.train, config.batch, rng.fork("batches").fork(static_cast<std::uint64_t>(state.task)));
    double mark = hooks.clock();
    Index tokens = 0;
    while (state.step < steps) {
      const Index position = state.step * per_step;
      const StepResult result = training_step(optimizer, config.schedule, state.step, steps, config.accumulate, [&](Index part) {
        std::vector<const Sequence*> chosen;
        for (Index i = 0; i < config.batch; ++i) chosen.push_back(&task.train[order(position + part * config.batch + i)]);
        const Batch<B> batch = make_batch<B>(chosen);
        tokens += batch.ids.size();
        return learner.loss(batch, state.task, state.step);
      });
      ++state.step;
      if (state.step % config.log_every == 0 || state.step == steps) {
        const double now = hooks.clock();
        hooks.on_step({state.task, state.step, steps, result, now > mark ? static_cast<double>(tokens) / (now - mark) : 0});
        mark = now;
        tokens = 0;
      }
      const bool stopping = hooks.stop();
      if (state.step < steps && (stopping || (config.save_every > 0 && state.step % config.save_every == 0))) {
        state.seconds = hooks.clock() - begun;
        hooks.save(state, &optimizer);
        if (stopping) return false;
      }
    }
    if constexpr (requires { learner.consolidate(state.task, task); }) learner.consolidate(state.task, task);
    learner.after_task(state.task, task);
    state.growth.push_back(parameter_count(learner.model()));
    score_all(state.task + 1);
    RunState next = state;
    ++next.task;
    next.step = 0;
    hooks.save(next, nullptr);
    if (hooks.stop() && next.task < count) {
      state = std::move(next);
      return false;
    }
  }
  return true;
}

}  // namespace cmoe
