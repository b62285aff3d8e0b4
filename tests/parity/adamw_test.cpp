#include "cmoe/train/adamw.hpp"
#include "cmoe/train/schedule.hpp"
#include "golden.hpp"

namespace cmoe::adamw_test {

using B = Cpu<double>;

TEST_CASE("AdamW with clipping and a cosine schedule walks torch's path") {
  const auto folder = shared_data("golden/optimizer");
  if (!folder) return;
  const SafeTensors file = SafeTensors::open(*folder / "adamw.safetensors");
  const Json json = read_json(*folder / "adamw.json");
  const auto number = [&](const char* key) { return required<double>(json, key, "adamw.json"); };
  const auto betas = required<std::vector<double>>(json, "betas", "adamw.json");
  const auto norms = required<std::vector<double>>(json, "norms_before_clipping", "adamw.json");
  const auto rates = required<std::vector<double>>(json, "learning_rates", "adamw.json");
  CHECK(required<std::string>(json, "schedule", "adamw.json") == "cosine");
  const Schedule schedule{.decay = Decay::cosine, .warmup = required<Index>(json, "warmup", "adamw.json")};
  const Index total = required<Index>(json, "total", "adamw.json");

  std::vector<Param<B>> params;
  for (Index i = 0; file.find("initial." + std::to_string(i)); ++i)
    params.emplace_back(golden::tensor<B>(file, "initial." + std::to_string(i)).value());
  REQUIRE(!params.empty());
  AdamW<B> optimizer({.lr = number("lr"),
                      .beta1 = betas[0],
                      .beta2 = betas[1],
                      .epsilon = number("eps"),
                      .weight_decay = number("weight_decay"),
                      .clip = number("clip")});
  for (std::size_t i = 0; i < params.size(); ++i) optimizer.add(std::to_string(i), params[i]);
  for (std::size_t step = 0; step < norms.size(); ++step) {
    CAPTURE(step);
    const std::string prefix = std::to_string(step) + ".";
    for (std::size_t i = 0; i < params.size(); ++i)
      params[i].slot().add(golden::tensor<B>(file, "grad." + prefix + std::to_string(i)).value());
    const double factor = schedule(static_cast<Index>(step), total);
    CHECK(std::abs(number("lr") * factor - rates[step]) < 1e-15);
    CHECK(std::abs(optimizer.step(factor) - norms[step]) < 1e-12 * norms[step]);
    for (std::size_t i = 0; i < params.size(); ++i)
      CHECK(golden::deviation(params[i].values(), file.at("value." + prefix + std::to_string(i)).values<double>()) < 1e-12);
  }
}

TEST_CASE("the linear schedule is the one of transformers") {
  const auto folder = shared_data("golden/optimizer");
  if (!folder) return;
  const auto expected = required<std::vector<double>>(read_json(*folder / "adamw.json"), "linear_warmup4_total20", "adamw.json");
  const Schedule schedule{.decay = Decay::linear, .warmup = 4};
  for (std::size_t step = 0; step < expected.size(); ++step)
    CHECK(schedule(static_cast<Index>(step), 20) == doctest::Approx(expected[step]).epsilon(1e-14));
}

}  // namespace cmoe::adamw_test
