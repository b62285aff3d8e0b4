// A router of your own: the nearest of E places. A token goes to the experts whose place is nearest to it, and the places learn.
#include <cstdio>

#include "cmoe/cpu/cpu.hpp"
#include "letters.hpp"

using namespace cmoe;
using B = Cpu<float>;

// z_e = −‖x − p_e‖² / C; without ‖x‖², which is the same for all experts and which softmax does not see: (2 x·p_e − ‖p_e‖²) / C.
struct NearestPlaces {
  struct Config {
    Index experts = 8;
    Index chosen = 2;
  };

  template <class B>
  struct On {
    Param<B> places;  // (E,C)
    Index chosen = 1;

    On(Index width, const Config& config, const Rng& rng) : places(init::normal<B>({config.experts, width}, 0.5, rng)), chosen(config.chosen) {}
    Index experts() const { return places.shape()[0]; }

    // x (n,C); choose() takes the k largest and returns the whole decision, which balance losses read
    Routing<B> operator()(const Tensor<B>& x, const Flow<B>& = {}) const {
      const auto sharpness = 1 / static_cast<typename B::Scalar>(x.shape().cols());
      return choose((matmul_transposed(x, places) * 2 - sum_last(square(places))) * sharpness, chosen);
    }

    using Backend = B;
    static void visit(auto& self, auto&& v) { v("places", self.places); }
  };
};
static_assert(Router<NearestPlaces, B>);  // says what is missing

using MyModuleFormer = ModularDecoder<ModularBlock<MixtureOfAttention<StickBreaking, TopK>, MixtureOfExperts<NearestPlaces>>>;

int main() {
  MyModuleFormer::Config config{.vocabulary = 8, .width = 24, .layers = 2};
  config.block.mix = {.size = 24, .heads = 2, .router = {.experts = 4, .chosen = 2}};
  config.block.feed = {.hidden = 16, .router = {.experts = 4, .chosen = 2}};
  MyModuleFormer::On<B> model(config, Rng(3));
  const double before = letters::learn<B>(model, 0), after = letters::learn<B>(model, 200);
  std::printf("next letters right: %s before, %s after\n", before < 30 ? "hardly any" : "many", after > 90 ? "nearly all" : "few");
}
