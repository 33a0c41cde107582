// A discrete VAE (lvm/dvae) of binary images: the images are the conditions, EM fits the decoder while the sampler learns the
// posterior of the codes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "lvm/dvae/dvae_policy.h"
#include "lvm/em_config.h"

namespace gfn {

struct World;

struct DvaeWorld {
  static constexpr std::string_view kKind = "dvae";
  DvaeConfig model;
  DvaePolicyConfig encoder;
  std::string train;
  std::string test;
  int64_t max_images = 0;
  int64_t test_images = 100;
  int64_t nll_samples = 20;
  int64_t start_seed = 1;
  EmConfig em;

  template <class V>
  void Visit(V& v) {
    model.Visit(v);
    v("encoder", encoder, "the network of q(z | x), in place of task.policy");
    v("train", train, "idx file of images (gzip or plain), pixels at least 128 are 1", Required{}, NonEmpty{});
    v("test", test, "idx file of other images, on which the likelihood is measured", Required{}, NonEmpty{});
    v("max_images", max_images, "the first so many images to train on; 0: all", NonNegative());
    v("test_images", test_images, "the first so many of the test file", AtLeast(1));
    v("nll_samples", nll_samples, "samples of each test image for the bound of its likelihood", AtLeast(1));
    v("start_seed", start_seed, "of the decoder's first parameters", NonNegative());
    v("em", em, "how the decoder is fitted");
  }
};

StatusOr<std::unique_ptr<World>> MakeWorld(const DvaeWorld& config);

}  // namespace gfn
