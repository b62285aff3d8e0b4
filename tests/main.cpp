// The entry point that the test executables share. Besides what doctest does: a test without its reference data is named and the run
// counts as skipped (exit code 77), not passed; a run whose filter chooses no test fails.
#define DOCTEST_CONFIG_IMPLEMENT
#include "shared_data.hpp"

#include <cstdio>

namespace {

unsigned chosen = 0;

struct CountChosen : doctest::IReporter {
  explicit CountChosen(const doctest::ContextOptions&) {}
  void test_run_end(const doctest::TestRunStats& run) override { chosen = run.numTestCasesPassingFilters; }
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("chosen", 1, CountChosen);

}  // namespace

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int result = context.run();
  for (const std::string& name : skipped_tests()) std::printf("skipped: %s\n", name.c_str());
  if (result != 0 || context.shouldExit()) return result;
  if (chosen == 0) {
    std::printf("no test was chosen\n");
    return 1;
  }
  return skipped_tests().empty() ? 0 : 77;
}
