#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "cmoe/autograd/gradcheck.hpp"
#include "gradient_table.hpp"

namespace cmoe::gradient_table_test {

using namespace table;

namespace {

constexpr double tolerance = 2e-7;  // of max(1, |difference|): far inside atol 1e-5, rtol 1e-3
constexpr int shapes = 100;

std::vector<Line> all_lines() {
  std::vector<Line> lines = elementwise_lines();
  for (const auto& part : {structured_lines(), routed_lines()}) lines.insert(lines.end(), part.begin(), part.end());
  return lines;
}

// The names of the functions in a header that make a step of a tape: the last function begun at the margin before each call.
std::set<std::string> recording_functions(std::istream& header) {
  std::set<std::string> names;
  std::string line, function;
  while (std::getline(header, line)) {
    const std::size_t bracket = line.find('(');
    if (!line.empty() && std::isalpha(static_cast<unsigned char>(line[0])) && bracket != std::string::npos) {
      const std::size_t begin = line.find_last_of(" >&*", bracket) + 1;
      function = line.substr(begin, bracket - begin);
    }
    if (line.find("Tape<B>::record") != std::string::npos && line.find("recording()") == std::string::npos)
      names.insert(function);
  }
  return names;
}

std::set<std::string> covered_functions() {
  std::set<std::string> covered;
  for (const Line& line : all_lines()) {
    std::istringstream words(line.recorded);
    for (std::string word; words >> word;) covered.insert(word);
  }
  return covered;
}

// A product whose derivative by the second factor has the wrong sign.
struct WrongProduct {
  static auto f(const auto& a, const auto& b) { return a * b; }
  static auto da(const auto&, const auto& b, const auto&) { return b; }
  static auto db(const auto& a, const auto&, const auto&) { return -a; }
};
T wrong_product(const T& a, const T& b) {
  Array<B> y(a.shape());
  for (Index i = 0; i < a.size(); ++i) y.data()[i] = WrongProduct::f(a.data()[i], b.data()[i]);
  return Tape<B>::record(y, {&a, &b}, [a, b](const Array<B>& dy) {
    Array<B> ga(a.shape()), gb(b.shape());
    for (Index i = 0; i < a.size(); ++i) {
      ga.data()[i] = dy.data()[i] * WrongProduct::da(a.data()[i], b.data()[i], 0.0);
      gb.data()[i] = dy.data()[i] * WrongProduct::db(a.data()[i], b.data()[i], 0.0);
    }
    a.slot().add(std::move(ga));
    b.slot().add(std::move(gb));
  });
}

}  // namespace

TEST_CASE("every operation's gradient equals central differences on random shapes") {
  for (const Line& line : all_lines()) {
    GradientDeviation worst;
    int empty = 0;
    for (int i = 0; i < shapes; ++i) {
      Draw d{Rng(7).fork(line.name).fork(static_cast<std::uint64_t>(i))};
      const Case one = line.draw(d);
      for (const T& x : one.inputs) empty += x.size() == 0;
      const GradientDeviation found = gradcheck(one.f, one.inputs, 1e-6, 24);
      if (found.worst >= worst.worst) worst = found;
    }
    INFO(line.name, ": ", worst.where, ", ", empty, " inputs were empty");
    CHECK(worst.worst < tolerance);
  }
}

TEST_CASE("every function that records on the tape has a line in the gradient table") {
  const std::set<std::string> covered = covered_functions();
  std::set<std::string> found;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::filesystem::path(CMOE_SOURCE_DIR) / "include/cmoe")) {
    if (entry.path().extension() != ".hpp" || entry.path().filename() == "tape.hpp") continue;
    std::ifstream header(entry.path());
    for (const std::string& name : recording_functions(header)) {
      found.insert(name);
      CAPTURE(entry.path().string());
      CAPTURE(name);
      CHECK(covered.count(name) == 1);
    }
  }
  CHECK(found.size() >= 30);
  for (const std::string& name : covered) CHECK_MESSAGE(found.count(name) == 1, name << " is in the table but in no header");
}

TEST_CASE("an operation that is not in the table would be noticed") {
  std::istringstream header(
      "template <class B>\nTensor<B> new_op(const Tensor<B>& x) {\n  Array<B> y(x.shape());\n  return Tape<B>::record(y, {&x}, "
      "0);\n}\n");
  CHECK(recording_functions(header) == std::set<std::string>{"new_op"});
  CHECK(covered_functions().count("new_op") == 0);
}

TEST_CASE("a wrong derivative is caught, and the place is named") {
  Draw d{Rng(1)};
  const std::vector<T> inputs = {d.tensor({2, 3}), d.tensor({2, 3})};
  const GradientDeviation found = gradcheck([](const auto& x) { return wrong_product(x[0], x[1]); }, inputs);
  CHECK(found.worst > 1e-2);
  CHECK(found.where.rfind("input 1 (2,3) at ", 0) == 0);
  const GradientDeviation first =
      gradcheck([&](const auto& x) { return wrong_product(x[0], inputs[1]); }, std::vector<T>{inputs[0]});
  CHECK(first.worst < tolerance);
}

TEST_CASE("a gradient that never arrives and one that is not a number are caught") {
  Draw d{Rng(2)};
  const std::vector<T> one = {d.tensor({3})};
  const auto lost = [](const auto& x) { return Tape<B>::record(x[0].value(), {&x[0]}, [](const Array<B>&) {}); };
  CHECK(gradcheck(lost, one).worst > 1e-2);
  const auto broken = [](const auto& x) {
    return Tape<B>::record(x[0].value(), {&x[0]}, [x](const Array<B>& dy) {
      x[0].slot().add(Array<B>(dy.shape(), std::numeric_limits<double>::quiet_NaN()));
    });
  };
  CHECK(gradcheck(broken, one).worst == std::numeric_limits<double>::infinity());
}

}  // namespace cmoe::gradient_table_test
