// Bit sequences of Malkin et al. 2201.13259: n bits written in words of k, from left to right or, as in Tiapkin et al.
// 2310.12934, at any position. The reward falls with the Hamming distance to the nearest of a set of hidden modes. Shapes: B
// batch, W = n / k words, M modes. The value of a word is its bits read as a binary number.
#pragma once

#include <cstdint>
#include <string>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/status.h"
#include "gflownet/core/reward.h"
#include "gflownet/env/assignment.h"
#include "gflownet/env/world.h"

namespace gfn {

struct BitSequenceRewardConfig {
  int64_t num_modes = 60;
  int64_t mode_seed = 1;
  double beta = 1;
  template <class V>
  void Visit(V& v) {
    v("num_modes", num_modes, "hidden modes; each is a row of the octets 00000000, 11111111, 11110000, 00001111 and 00111100",
      Between(1, 65536));
    v("mode_seed", mode_seed, "which modes", NonNegative());
    v("beta", beta, "log R = -beta * distance to the nearest mode", NonNegative());
  }
};

struct BitSequenceConfig {
  static constexpr std::string_view kKind = "bit_sequence";
  int64_t num_bits = 16;
  int64_t word_bits = 4;
  AssignmentOrder order = AssignmentOrder::kAnyPosition;
  BitSequenceRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("num_bits", num_bits, "length of a sequence", Between(1, 4096));
    v("word_bits", word_bits, "bits written by one action; divides num_bits", Between(1, 12));
    v("order", order, "left_to_right or any_position");
    v("reward", reward, "modes and how fast the reward falls");
  }
  void Validate(ConfigErrors& errors) const;
};

class BitSequence : public AssignmentWorld {
 public:
  explicit BitSequence(const BitSequenceConfig& config);

  // The bits of finished sequences, the first word first: int64 [B, n].
  at::Tensor Bits(const State& objects) const;
  // Of each word, whether it is written and its bits as -1 or 1: float [B, W * (k + 1)].
  at::Tensor Features(const State& state) const override;
  int64_t NumFeatures() const override { return num_sites() * (config_.word_bits + 1); }
  int64_t MaxActive() const override { return NumFeatures(); }
  int64_t FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const override;
  const BitSequenceConfig& config() const { return config_; }

 protected:
  std::string FormatSite(int64_t value) const override;

 private:
  BitSequenceConfig config_;
};

class BitSequenceReward : public StateReward {
 public:
  BitSequenceReward(const BitSequence& world, const BitSequenceRewardConfig& config);
  at::Tensor LogRewardOf(const State& objects) const override;
  std::string Digest() const override;

  // int64 [M, n]: distinct unless the length allows fewer.
  const at::Tensor& modes() const { return modes_Mn_; }
  // Hamming distance to every mode, int64 [B, M]. A mode is found by a batch when some distance in its column is small enough.
  at::Tensor Distances(const State& objects) const;

 private:
  const BitSequence& world_;
  BitSequenceRewardConfig config_;
  at::Tensor modes_Mn_;
};

StatusOr<RewardedWorld> CreateWorld(const BitSequenceConfig& config);

}  // namespace gfn
