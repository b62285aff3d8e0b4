#include "compare_plan.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>

#include "ability.hpp"
#include "method.hpp"
#include "run_files.hpp"

namespace program {

using namespace cmoe;

namespace {

struct Order {
  std::vector<std::string> tasks;
  std::string option;  // what --order of a run gets
};

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

std::uint64_t seed_of(const std::string& text) {
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  check(error == std::errc() && end == text.data() + text.size(), ErrorKind::config, "--seeds: '", text, "' is not a whole number from 0 to 2^64-1");
  return seed;
}

// Names of a line, without the blanks around them.
std::vector<std::string> names_in(const std::string& line) {
  std::vector<std::string> names;
  for (const std::string& part : split(line)) {
    const auto begin = part.find_first_not_of(" \t\r"), end = part.find_last_not_of(" \t\r");
    if (begin != std::string::npos) names.push_back(part.substr(begin, end - begin + 1));
  }
  return names;
}

void check_order(const std::vector<std::string>& tasks, const std::vector<std::string>& known, const std::string& where) {
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    check(std::find(known.begin(), known.end(), tasks[i]) != known.end(), ErrorKind::config, where, ": '", tasks[i],
          "' is no task of the stream, which has ", joined(known));
    check(std::find(tasks.begin(), tasks.begin() + static_cast<std::ptrdiff_t>(i), tasks[i]) == tasks.begin() + static_cast<std::ptrdiff_t>(i),
          ErrorKind::config, where, ": '", tasks[i], "' stands twice");
  }
}

std::vector<Order> orders_of(const CompareOptions& o, std::uint64_t seed) {
  std::vector<std::string> known;
  for (const Task& task : load_stream(o.each.stream, "", seed)) known.push_back(task.name);
  if (o.orders.empty()) {
    if (o.each.order.empty()) return {{known, ""}};
    const std::vector<std::string> tasks = split(o.each.order);
    check_order(tasks, known, "--order");
    return {{tasks, o.each.order}};
  }
  std::vector<Order> orders;
  std::stringstream in(read_file(o.orders));
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    const std::string where = o.orders + ", line " + std::to_string(++number);
    const std::vector<std::string> tasks = names_in(line);
    if (tasks.empty() || tasks[0].front() == '#') continue;
    check_order(tasks, known, where);
    if (!orders.empty())
      check(std::is_permutation(tasks.begin(), tasks.end(), orders[0].tasks.begin(), orders[0].tasks.end()), ErrorKind::config, where,
            ": orders of the same tasks can be compared; the first order has ", joined(orders[0].tasks));
    for (const Order& other : orders) check(other.tasks != tasks, ErrorKind::config, where, ": this order stands twice");
    orders.push_back({tasks, joined(tasks)});
  }
  check(!orders.empty(), ErrorKind::config, o.orders, ": holds no order; write one a line, names of tasks separated by commas");
  return orders;
}

}  // namespace

ComparePlan compare_plan(const CompareOptions& o) {
  ComparePlan plan;
  std::set<std::string> seen;
  for (const std::string& name : split(o.methods)) {
    find_method(name);
    check(seen.insert(name).second, ErrorKind::config, "--methods names ", name, " twice");
    plan.methods.push_back(name);
  }
  check(!plan.methods.empty(), ErrorKind::config, "--methods names none");
  std::vector<std::uint64_t> seeds;
  for (const std::string& text : split(o.seeds)) {
    const std::uint64_t seed = seed_of(text);
    check(std::find(seeds.begin(), seeds.end(), seed) == seeds.end(), ErrorKind::config, "--seeds names ", seed, " twice");
    seeds.push_back(seed);
  }
  check(!seeds.empty(), ErrorKind::config, "--seeds names none");
  check_ability_files(o.each.ability);
  const std::vector<Order> orders = orders_of(o, seeds[0]);

  Json own = Json::object(), lists = Json::array();
  for (const std::string& method : plan.methods)
    for (const auto& [name, value] : o.options.at(method)) std::visit([&](const auto& v) { own[method][name] = v; }, value);
  for (const Order& order : orders) lists.push_back(order.tasks);
  Json common = options_json(o.each);
  for (const char* key : {"method", "order", "seed"}) common.erase(key);
  plan.configuration = {{"methods", plan.methods}, {"seeds", seeds}, {"orders", lists}, {"options", common}, {"method_options", own}};
  if (o.paired) plan.configuration["paired"] = true;

  check(!o.paired || seeds.size() >= orders.size(), ErrorKind::config, "--paired: ", seeds.size(), " seeds leave some of ", orders.size(), " orders out");
  for (std::size_t k = 0; k < orders.size(); ++k)
    for (std::size_t s = 0; s < seeds.size(); ++s) {
      if (o.paired && s % orders.size() != k) continue;
      const std::uint64_t seed = seeds[s];
      for (const std::string& method : plan.methods) {
        PlannedRun run{method, seed, k + 1, orders[k].tasks, method + "-seed" + std::to_string(seed) + "-order" + std::to_string(k + 1), o.each};
        run.learn.method = method;
        run.learn.options = o.options.at(method);
        run.learn.seed = seed;
        run.learn.order = orders[k].option;
        run.learn.out = (std::filesystem::path(o.each.out) / "runs" / run.folder).string();
        plan.runs.push_back(std::move(run));
      }
    }
  return plan;
}

}  // namespace program
