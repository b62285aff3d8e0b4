#include "method.hpp"

namespace program {

const std::vector<Method>& methods() {
  static const std::vector<Method> all = [] {
    std::vector<Method> list;
    for (auto group : {pmoe_methods, dapt_methods, seta_methods, moduleformer_methods, sequential_methods, incremental_methods,
                       regularised_methods, moelora_methods, prompt_methods})
      for (Method& method : group()) {
        method.build = [on_decoder = std::move(method.build)](const LearnOptions& o, Progress& progress) {
          return is_t5(o.source) ? build_t5(o, progress) : on_decoder(o, progress);
        };
        list.push_back(std::move(method));
      }
    return list;
  }();
  return all;
}

const Method& find_method(const std::string& name) {
  std::string known;
  for (const Method& m : methods()) {
    if (m.name == name) return m;
    known += (known.empty() ? "" : ", ") + m.name;
  }
  cmoe::fail(cmoe::ErrorKind::config, "--method '", name, "' is unknown; there are ", known);
}

OptionValues default_options(const Method& method) {
  OptionValues values;
  for (const OptionSpec& option : method.options) values[option.name] = option.value;
  return values;
}

}  // namespace program
