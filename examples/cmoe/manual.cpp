#include "manual.hpp"

#include <CLI/CLI.hpp>
#include <cctype>
#include <cstdio>
#include <vector>

#include "cmoe/core/error.hpp"
#include "method.hpp"
#include "version.hpp"

namespace program {

namespace {

constexpr const char* statuses[][2] = {{"0", "it was done"},
                                       {"1", "something went wrong; one line on standard error says what, and what to do"},
                                       {"2", "the command line or the configuration file is wrong"},
                                       {"130", "it was interrupted (Ctrl-C); what there was is saved"}};
constexpr const char* variables[][2] = {{"CMOE_THREADS", "threads, where --threads does not say it"},
                                        {"CMOE_ISA", "avx512, avx2 or baseline: the instructions to use, at most those of the machine"},
                                        {"CMOE_CACHE", "the folder that keeps the built-in models once they are trained; default: ~/.cache/cmoe"},
                                        {"NO_COLOR", "if set, no colours on a terminal either"}};

std::vector<const CLI::App*> shown_commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

// One option as a page shows it.
struct Entry {
  std::string names, value, what, group;  // "--threads", "INT:INT in [1 - 1024]", "threads", "Options"
  std::vector<std::string> choices;
  bool flag = false, required = false;
  std::string preset;
};

std::vector<std::string> braced(const std::string& type) {  // "TEXT:{a,b}" -> a, b
  std::vector<std::string> words;
  const std::size_t begin = type.find('{'), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return words;
  std::string word;
  for (std::size_t i = begin + 1; i <= end; ++i) {
    if (type[i] != ',' && i != end) word += type[i];
    else words.push_back(std::exchange(word, {}));
  }
  return words;
}

// CLI11's name of a type and its checks as a reader wants it: "INT:INT in [1 - 9]" -> "INT in [1 - 9]", "TEXT:{a,b}" -> "{a,b}".
std::string readable(const std::string& type) {
  const std::size_t colon = type.find(':');
  if (colon == std::string::npos) return type;
  const std::string kind = type.substr(0, colon), check = type.substr(colon + 1);
  if (check == "POSITIVE") return kind + " > 0";
  if (check == "NONNEGATIVE") return kind + " >= 0";
  return check;
}

// The options of a command; those of methods only if asked for.
std::vector<Entry> entries(const CLI::App& command, bool with_methods) {
  std::vector<Entry> all;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_group().empty() || option->get_name() == "--help") continue;
    if (!with_methods && option->get_group().starts_with("Options of ")) continue;
    Entry entry;
    entry.names = option->get_positional() ? option->get_single_name() : option->get_name();
    entry.flag = option->get_items_expected_max() == 0;
    entry.value = entry.flag ? "" : readable(option->get_type_name());
    entry.choices = braced(entry.value);
    if (option->get_lnames() == std::vector<std::string>{"method"})
      for (const Method& method : methods()) entry.choices.push_back(method.name);
    entry.what = option->get_description();
    entry.group = option->get_group();
    entry.required = option->get_required();
    entry.preset = option->get_default_str();
    all.push_back(std::move(entry));
  }
  return all;
}

std::string summary(const Entry& e) {
  return e.what + (e.required ? " (required)" : "") + (e.preset.empty() || e.preset == "\"\"" ? "" : " [" + e.preset + "]");
}

// What roff would read as its own: backslashes, hyphens that must stay hyphens, a dot that begins a line.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else if (c == '\'') out += "\\(aq";
    else out += c;
  }
  return out.starts_with(".") ? "\\&" + out : out;
}

std::string man_page(const CLI::App& app) {
  std::string out = ".TH CMOE 1 \"\" \"cmoe " + std::string(version) + "\" \"User commands\"\n.SH NAME\ncmoe \\- continual learning of language models\n" +
                    ".SH SYNOPSIS\n.B cmoe\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n" + roff(app.get_description()) + "\n";
  const auto list = [&](const std::vector<Entry>& all) {
    std::string group = "Options";
    for (const Entry& e : all) {
      if (e.group != group) out += ".PP\n" + roff(group = e.group) + ":\n";
      out += ".TP\n\\fB" + roff(e.names) + "\\fR" + (e.value.empty() ? "" : " \\fI" + roff(e.value) + "\\fR") + "\n" + roff(summary(e)) + "\n";
    }
  };
  out += ".SH OPTIONS OF ALL COMMANDS\n";
  list(entries(app, true));
  out += ".SH COMMANDS\n";
  for (const CLI::App* command : shown_commands(app)) {
    out += ".SS " + roff(command->get_name()) + "\n" + roff(command->get_description()) + "\n";
    if (command->get_name() == "compare") out += ".PP\nAlso the options of the methods, as with learn.\n";
    list(entries(*command, command->get_name() != "compare"));
  }
  const auto table = [&](const char* title, const auto& rows) {
    out += std::string(".SH ") + title + "\n";
    for (const auto& row : rows) out += ".TP\n.B " + roff(row[0]) + "\n" + roff(row[1]) + "\n";
  };
  table("EXIT STATUS", statuses);
  table("ENVIRONMENT", variables);
  return out;
}

std::string cell(const std::string& text) {  // a bar would end the cell of a table, a brace or bracket would be a tag or a link
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : c == '<' ? std::string("&lt;") : std::string(1, c);
  return out;
}

std::string markdown_page(const CLI::App& app) {
  std::string out = "# The program\n\n<!-- made by cmoe manual markdown; a test compares it -->\n\n" + app.get_description() + "\n\n";
  const auto list = [&](const std::vector<Entry>& all) {
    std::string group;
    for (const Entry& e : all) {
      if (e.group != group) out += (e.group == "Options" ? "" : "\n" + e.group + ":\n") + "\n| option | value | what |\n|---|---|---|\n";
      group = e.group;
      out += "| `" + e.names + "` | " + (e.value.empty() ? "" : "`" + cell(e.value) + "`") + " | " + cell(summary(e)) + " |\n";
    }
  };
  out += "## Options of all commands\n";
  list(entries(app, true));
  for (const CLI::App* command : shown_commands(app)) {
    out += "\n## cmoe " + command->get_name() + "\n\n" + command->get_description() + "\n";
    if (command->get_name() == "compare") out += "\nAlso the options of the methods, as with `learn`.\n";
    list(entries(*command, command->get_name() != "compare"));
  }
  const auto table = [&](const char* title, const char* head, const auto& rows) {
    out += std::string("\n## ") + title + "\n\n| " + head + " | what |\n|---|---|\n";
    for (const auto& row : rows) out += std::string("| `") + row[0] + "` | " + cell(row[1]) + " |\n";
  };
  table("Exit status", "status", statuses);
  table("Environment", "variable", variables);
  out += "\nA file for `--config` has one option a line, as on the command line but without the dashes, and comments behind `#`;\n"
         "`cmoe manual config learn` writes one with everything in it. What the command line says too comes from there.\n"
         "`cmoe manual man` is this page for `man`, `cmoe manual completion` is for bash: `source <(cmoe manual completion)`.\n";
  return out;
}

std::string spaced(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

std::string bash_completion(const CLI::App& app) {
  const auto names = [](const CLI::App& command) {
    std::vector<std::string> all;
    for (const Entry& e : entries(command, true))
      for (std::size_t at = e.names.find("--"); at != std::string::npos; at = e.names.find("--", at + 2))
        all.push_back(e.names.substr(at, e.names.find(',', at) - at));
    all.push_back("--help");
    return spaced(all);
  };
  std::vector<std::string> known;
  for (const CLI::App* command : shown_commands(app)) known.push_back(command->get_name());
  std::string values, options;
  for (const CLI::App* command : shown_commands(app)) {
    options += "    " + command->get_name() + ") words=\"" + names(*command) + ' ' + names(app) + "\" ;;\n";
    for (const Entry& e : entries(*command, true))
      if (!e.choices.empty()) values += "    " + command->get_name() + ":" + e.names + ") words=\"" + spaced(e.choices) + "\" ;;\n";
  }
  std::string bars;
  for (const std::string& name : known) bars += (bars.empty() ? "" : "|") + name;
  return "# Completion of cmoe for bash: source <(cmoe manual completion)\n"
         "_cmoe() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=none words= i\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         "    case ${COMP_WORDS[i]} in " + bars + ") command=${COMP_WORDS[i]}; break ;; esac\n"
         "  done\n"
         "  COMPREPLY=()\n"
         "  case $command:$before in\n" + values + "  esac\n"
         "  if [[ -z $words && ( $word == -* || $command == none ) ]]; then\n"
         "    case $command in\n"
         "    none) words=\"" + spaced(known) + ' ' + names(app) + "\" ;;\n" + options + "    esac\n"
         "  fi\n"
         "  [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
         "}\n"
         "complete -o default -F _cmoe cmoe\n";
}

std::string config_file(const CLI::App& app, const std::string& command) {
  for (const CLI::App* found : shown_commands(app)) {
    if (found->get_name() != command) continue;
    std::string out = "# cmoe --config FILE " + command + ": " + found->get_description() + "\n# Take the # away from what shall differ.\n";
    std::string group = "Options";
    for (const Entry& e : entries(*found, true)) {
      if (!e.names.starts_with("--")) continue;
      if (e.group != group) out += "\n# --- " + (group = e.group) + " ---\n";
      const bool number = !e.preset.empty() && e.preset.find_first_not_of("0123456789.-+e") == std::string::npos;
      const std::string value = e.flag ? "false" : number ? e.preset : e.preset.starts_with("\"") ? e.preset : '"' + e.preset + '"';
      out += "\n# " + e.what + (e.required ? " (required)" : "") + (e.value.empty() ? "" : " (" + e.value + ")") + "\n# " +
             e.names.substr(2, e.names.find(',') - 2) + " = " + value + "\n";
    }
    return out;
  }
  std::string known;
  for (const CLI::App* each : shown_commands(app)) known += (known.empty() ? "" : ", ") + each->get_name();
  cmoe::fail(cmoe::ErrorKind::config, "manual: there is no command '", command, "' to configure; there are ", known);
}

}  // namespace

std::string manual(const CLI::App& app, const std::string& what, const std::string& command) {
  if (what == "man") return man_page(app);
  if (what == "markdown") return markdown_page(app);
  if (what == "completion") return bash_completion(app);
  return config_file(app, command);
}

void add_manual_command(CLI::App& app) {
  static std::string what = "man", of = "learn";
  CLI::App* command = app.add_subcommand("manual", "prints the manual: for man, as Markdown, for completion in bash, or as a file for --config");
  command->add_option("what", what, "the form")->capture_default_str()->check(CLI::IsMember({"man", "markdown", "completion", "config"}));
  command->add_option("command", of, "of config: the command")->capture_default_str();
  command->callback([&app] { std::fputs(manual(app, what, of).c_str(), stdout); });
}

}  // namespace program
