// cmoe learn: one stream, one method, one run folder.
#include <cstdio>

#include "ability.hpp"
#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/run_folder.hpp"
#include "run.hpp"
#include "table.hpp"

namespace program {

using namespace cmoe;

int learn(const LearnOptions& o) {
  Progress progress(o.quiet);
  const RunResult result = run_learning(o, progress);
  if (!result.finished) {
    std::fprintf(stderr, "cmoe: interrupted; everything is saved, go on with: the same command and --resume\n");
    return 130;
  }
  if (o.json) {
    Json json = {{"method", o.method}, {"out", o.out}, {"tasks", result.report.tasks}, {"scores", cmoe::detail::scores_json(result.report.scores)},
                 {"metrics", parse_json(metrics_json(result.report.metrics), "metrics")}, {"seconds", result.report.seconds}};
    if (!result.abilities.empty()) json["ability"] = ability_json(result.abilities);
    std::printf("%s\n", json.dump(1).c_str());
    return 0;
  }
  std::printf("%s\n%s", score_table(result.report).c_str(), summary_table({result.report}).c_str());
  std::printf("%s", ability_lines(result.abilities).c_str());
  for (const auto& [name, value] : result.facts)
    if (name == "budget") std::printf("\nbudget: %s\n", value.c_str());
  std::printf("\nreport: %s/report.html\n", o.out.c_str());
  return 0;
}

}  // namespace program
