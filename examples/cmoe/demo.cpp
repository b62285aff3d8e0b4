// cmoe demo: the whole story in a few minutes on the built-in model and stream.
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "cmoe/io/checkpoint.hpp"
#include "cmoe/io/run_folder.hpp"
#include "method.hpp"
#include "run.hpp"
#include "table.hpp"

namespace program {

using namespace cmoe;
namespace fs = std::filesystem;

int demo(const DemoOptions& o) {
  Progress progress(o.quiet);
  Report report;
  report.title = "cmoe demo";
  report.subtitle = "Eight conflicting tasks in a row: what plain fine-tuning forgets and what growing models keep";
  std::stringstream names(o.methods);
  std::vector<std::string> chosen;
  for (std::string name; std::getline(names, name, ',');) {
    find_method(name);
    chosen.push_back(name);
  }
  check(!chosen.empty(), ErrorKind::config, "demo: --methods names none");
  for (const std::string& name : chosen) {
    LearnOptions learn;
    learn.method = name;
    learn.options = default_options(find_method(name));
    learn.out = (fs::path(o.out) / name).string();
    learn.task_steps = o.task_steps;
    learn.test_limit = o.test_limit;
    learn.seed = o.seed;
    learn.quiet = o.quiet;
    fs::remove_all(learn.out);  // a demo begins anew
    RunResult result = run_learning(learn, progress);
    if (!result.finished) {
      std::fprintf(stderr, "cmoe: interrupted; what was finished stands in %s\n", o.out.c_str());
      return 130;
    }
    report.methods.push_back(std::move(result.report));
    report.facts = std::move(result.facts);
  }
  write_file_atomically(fs::path(o.out) / "report.html", html(report));
  if (o.json) {
    Json json = Json::array();
    for (const MethodReport& m : report.methods)
      json.push_back({{"method", m.method}, {"metrics", parse_json(metrics_json(m.metrics), "metrics")}, {"seconds", m.seconds},
                      {"trainable", m.trainable}, {"stored", m.stored}});
    std::printf("%s\n", json.dump(1).c_str());
    return 0;
  }
  std::printf("%s\n", summary_table(report.methods).c_str());
  std::printf("AP: mean score over the eight tasks after the last one. BWT, forget: what later tasks did to earlier ones.\n");
  std::printf("learnt: mean score on each task right after learning it. Zero after training elsewhere means forgotten.\n");
  std::printf("report: %s/report.html (%.0f s in all)\n", o.out.c_str(), progress.seconds());
  return 0;
}

}  // namespace program
