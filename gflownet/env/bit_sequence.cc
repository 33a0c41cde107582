#include "gflownet/env/bit_sequence.h"

#include <set>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/fast_features.h"
#include "gflownet/env/make_world.h"

namespace gfn {
namespace {

// The octets of 2201.13259, appendix: modes are made of them.
constexpr std::array<std::string_view, 5> kOctets = {"00000000", "11111111", "11110000", "00001111", "00111100"};

// Mode m cut to n bits. The octet at position i of attempt a is drawn at (seed, a, i).
std::string DrawMode(int64_t num_bits, const RngKey& key, uint64_t attempt) {
  std::string bits;
  for (uint64_t i = 0; static_cast<int64_t>(bits.size()) < num_bits; ++i)
    bits += kOctets[UniformInt(key, attempt, i, kOctets.size())];
  bits.resize(num_bits);
  return bits;
}

// Distinct modes; short sequences have fewer than asked for, which this many attempts find.
at::Tensor DrawModes(int64_t num_bits, const BitSequenceRewardConfig& config) {
  const RngKey key{static_cast<uint64_t>(config.mode_seed), RngPurpose::kData, 0};
  std::set<std::string> known;
  std::vector<int64_t> bits;
  for (int64_t attempt = 0; attempt < 100 * config.num_modes && static_cast<int64_t>(known.size()) < config.num_modes;
       ++attempt) {
    const std::string mode = DrawMode(num_bits, key, static_cast<uint64_t>(attempt));
    if (!known.insert(mode).second) continue;
    for (const char bit : mode) bits.push_back(bit - '0');
  }
  return at::tensor(bits, at::kLong).view({static_cast<int64_t>(known.size()), num_bits});
}

}  // namespace

void BitSequenceConfig::Validate(ConfigErrors& errors) const {
  if (num_bits % word_bits != 0) {
    errors.Add("word_bits", "is " + std::to_string(word_bits) + ", but must divide num_bits (" + std::to_string(num_bits) + ")");
  }
}

BitSequence::BitSequence(const BitSequenceConfig& config)
    : AssignmentWorld("bit_sequence", config.num_bits / config.word_bits, int64_t{1} << config.word_bits, config.order),
      config_(config) {
  GFN_CHECK_EQ(config.num_bits % config.word_bits, 0);
}

at::Tensor BitSequence::Bits(const State& objects) const {
  const at::Tensor shifts_k = at::arange(config_.word_bits - 1, -1, -1, at::kLong);
  return Values(objects).unsqueeze(2).bitwise_right_shift(shifts_k).bitwise_and(1).flatten(1);
}

int64_t BitSequence::FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const {
  const int64_t k = config_.word_bits;
  int64_t count = 0;
  for (int64_t i = 0; i < num_sites(); ++i) {
    if (row[i] < 0) continue;
    index[count] = static_cast<int32_t>(i * (k + 1));
    value[count++] = 1;
    for (int64_t bit = 0; bit < k; ++bit) {
      index[count] = static_cast<int32_t>(i * (k + 1) + 1 + bit);
      value[count++] = (row[i] >> (k - 1 - bit)) & 1 ? 1.0f : -1.0f;
    }
  }
  return count;
}

at::Tensor BitSequence::Features(const State& state) const {
  const at::Tensor written_BW1 = Values(state).ge(0).unsqueeze(2).to(at::kFloat);
  const at::Tensor bits_BWk = Bits(state).view({state.batch_size(), num_sites(), config_.word_bits}).to(at::kFloat);
  return at::cat({written_BW1, (2 * bits_BWk - 1) * written_BW1}, 2).flatten(1);
}

std::string BitSequence::FormatSite(int64_t value) const {
  std::string text(config_.word_bits, '_');
  for (int64_t i = 0; value >= 0 && i < config_.word_bits; ++i) text[i] = (value >> (config_.word_bits - 1 - i)) & 1 ? '1' : '0';
  return text;
}

BitSequenceReward::BitSequenceReward(const BitSequence& world, const BitSequenceRewardConfig& config)
    : StateReward(world), world_(world), config_(config), modes_Mn_(DrawModes(world.config().num_bits, config)) {}

at::Tensor BitSequenceReward::Distances(const State& objects) const {
  // sum |x - m| = sum x + sum m - 2 sum x m, exact in float64.
  const at::Tensor bits_Bn = world_.Bits(objects).to(at::kDouble), modes_Mn = modes_Mn_.to(at::kDouble);
  return (bits_Bn.sum(1, true) + modes_Mn.sum(1).unsqueeze(0) - 2 * bits_Bn.matmul(modes_Mn.t())).to(at::kLong);
}

at::Tensor BitSequenceReward::LogRewardOf(const State& objects) const {
  return Distances(objects).amin(1).to(at::kDouble) * -config_.beta;
}

std::string BitSequenceReward::Digest() const {
  return "bit_sequence modes=" + std::to_string(config_.num_modes) + " mode_seed=" + std::to_string(config_.mode_seed) +
         " beta=" + FormatReal(config_.beta);
}

StatusOr<RewardedWorld> CreateWorld(const BitSequenceConfig& config) {
  return WithFastFeatures(BuildWorld<BitSequence, BitSequenceReward>(config));
}

}  // namespace gfn
