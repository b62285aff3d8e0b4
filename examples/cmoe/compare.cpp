// cmoe compare: methods x seeds x orders, each an ordinary run, with mean and deviation.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "cmoe/io/json.hpp"
#include "compare_files.hpp"
#include "interrupt.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

namespace {

// A folder that is there already is gone on with if it was asked for with the same configuration; its command is kept.
void take_up(Comparison& comparison, bool resume) {
  const fs::path path = fs::path(comparison.out) / "compare.json";
  if (!fs::exists(path)) return;
  check(resume, ErrorKind::config, comparison.out, " already holds a comparison; go on with --resume, or name another --out");
  const Json stored = read_json(path);
  check(stored.contains("configuration"), ErrorKind::format, path.string(), ": not a comparison: no configuration");
  const Json difference = Json::diff(stored["configuration"], comparison.plan.configuration);
  check(difference.empty(), ErrorKind::config, path.string(), ": belongs to a comparison with another configuration (",
        difference.empty() ? "" : difference[0]["path"].get<std::string>(), " differs); ask for the same, or name another --out");
  comparison.command = required<std::string>(stored, "command", path.string());
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// What a former call finished. A run that cannot be read back is left to be tried again, and says then what is wrong.
void read_back(Comparison& comparison) {
  for (std::size_t i = 0; i < comparison.plan.runs.size(); ++i) {
    const PlannedRun& planned = comparison.plan.runs[i];
    try {
      if (std::optional<RunResult> finished = read_finished(planned.learn)) comparison.ended[i] = {planned, std::move(*finished), {}, 0};
    } catch (const Error&) {
    }
  }
}

// Runs it or goes on with it. False if it was interrupted.
bool end_run(ComparedResult& run, Progress& progress) {
  const double begun = now();
  try {
    run.result = run_learning(run.planned.learn, progress);
    return run.result.finished;
  } catch (const std::exception& error) {
    if (interrupted) return false;  // while something was prepared that cannot be gone on with
    run.error = one_line(error.what());
    run.seconds = now() - begun;
    progress.keep("failed: " + run.planned.folder + ": " + run.error);
    return true;
  }
}

}  // namespace

int compare(const CompareOptions& o) {
  Comparison comparison{compare_plan(o), o.each.out, o.command, {}};
  take_up(comparison, o.each.resume);
  make_folder(comparison.out);
  if (o.each.resume) read_back(comparison);
  write_comparison(comparison);
  const std::size_t count = comparison.plan.runs.size();
  std::size_t failed = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (comparison.ended.contains(i)) continue;
    Progress progress(o.each.quiet);
    ComparedResult run{comparison.plan.runs[i], {}, {}, 0};
    progress.keep("run " + std::to_string(i + 1) + "/" + std::to_string(count) + ": " + run.planned.folder);
    if (interrupted || !end_run(run, progress)) {
      std::fprintf(stderr, "cmoe: interrupted; everything is saved, go on with: the same command and --resume\n");
      return 130;
    }
    failed += run.error.empty() ? 0 : 1;
    comparison.ended[i] = std::move(run);
    write_comparison(comparison);
  }
  if (o.each.json) std::printf("%s\n", comparison_json(comparison).dump(1).c_str());
  else std::printf("%s\nreport: %s/report.html\n", comparison_table(comparison).c_str(), comparison.out.c_str());
  if (failed == 0) return 0;
  std::fprintf(stderr, "cmoe: %zu of %zu runs failed; their errors are in %s/compare.json, --resume tries them again\n", failed, count, comparison.out.c_str());
  return 1;
}

}  // namespace program
