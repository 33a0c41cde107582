#include "gflownet/env/ising.h"

#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/csv.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/counting.h"
#include "gflownet/env/fast_features.h"
#include "gflownet/env/make_world.h"

namespace gfn {
namespace {

constexpr int64_t kMaxTransferSide = 10;

// J of the torus. Bond 2 i goes right from site i, bond 2 i + 1 down; its deviation is drawn at (seed, 0, bond).
at::Tensor TorusCouplings(int64_t side, const IsingRewardConfig& config) {
  const int64_t num_sites = side * side;
  at::Tensor couplings_NN = at::zeros({num_sites, num_sites}, at::kDouble);
  auto couplings = couplings_NN.accessor<double, 2>();
  const RngKey key{static_cast<uint64_t>(config.seed), RngPurpose::kData, 0};
  for (int64_t site = 0; site < num_sites; ++site) {
    const int64_t row = site / side, column = site % side;
    const int64_t neighbours[2] = {row * side + (column + 1) % side, (row + 1) % side * side + column};
    for (int64_t direction = 0; direction < 2; ++direction) {
      const int64_t other = neighbours[direction];
      const double value = config.coupling + config.coupling_spread * Normal(key, 0, 2 * site + direction);
      couplings[site][other] += value;
      couplings[other][site] += value;
    }
  }
  return couplings_NN;
}

}  // namespace

at::Tensor Ising::Features(const State& state) const {
  const at::Tensor& values = Values(state);
  return at::where(values.ge(0), 2 * values - 1, 0).to(at::kFloat);
}

int64_t Ising::FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const {
  int64_t count = 0;
  for (int64_t i = 0; i < num_sites(); ++i) {
    if (row[i] < 0) continue;
    index[count] = static_cast<int32_t>(i);
    value[count++] = static_cast<float>(2 * row[i] - 1);
  }
  return count;
}

// A digest of settings is the same on every machine; drawn couplings may differ in their last bits.
IsingReward::IsingReward(const Ising& world, const IsingRewardConfig& config)
    : IsingReward(world, config.beta, TorusCouplings(world.side(), config),
                  at::full({world.num_sites()}, config.field, at::kDouble)) {
  digest_ = "ising beta=" + FormatReal(config.beta) + " coupling=" + FormatReal(config.coupling) +
            " spread=" + FormatReal(config.coupling_spread) + " field=" + FormatReal(config.field) +
            " seed=" + std::to_string(config.seed);
}

IsingReward::IsingReward(const Ising& world, double beta, at::Tensor couplings_NN, at::Tensor field_N)
    : StateReward(world), side_(world.side()), beta_(beta), couplings_NN_(std::move(couplings_NN)), field_N_(std::move(field_N)) {
  GFN_CHECK(couplings_NN_.sizes() == (at::IntArrayRef{world.num_sites(), world.num_sites()}) &&
            field_N_.numel() == world.num_sites());
  GFN_CHECK(couplings_NN_.equal(couplings_NN_.t())) << "couplings are symmetric";
  const at::Tensor all = at::cat({couplings_NN_.flatten(), field_N_}).contiguous();
  digest_ = "ising beta=" + FormatReal(beta) +
            " energy=" + HashCondition(std::string_view(static_cast<const char*>(all.data_ptr()), all.nbytes())).ToString();
}

at::Tensor IsingReward::LogRewardOf(const State& objects) const {
  const at::Tensor spins_BN = Ising::Spins(objects);
  return beta_ * (0.5 * (spins_BN.matmul(couplings_NN_) * spins_BN).sum(1) + spins_BN.matmul(field_N_));
}

std::optional<double> IsingReward::LogSumBelow(const State& state, double temperature) const {
  if (side_ > kMaxTransferSide) return std::nullopt;
  const at::Tensor blocks = couplings_NN_.view({side_, side_, side_, side_});  // row, column, row, column
  auto block = [&](int64_t row, int64_t other) { return blocks.select(0, row).select(1, other % side_); };
  for (int64_t row = 0; row < side_; ++row) {
    for (int64_t apart = 2; apart < side_ - 1; ++apart) {
      if (block(row, row + apart).any().item<bool>()) return std::nullopt;
    }
  }
  // Rows of the lattice as states of a chain: half of a row's own energy goes to each of the two products it is in. [S, side]
  const MixedRadix rows(std::vector<int64_t>(side_, 2));
  const at::Tensor values_Ss = rows.Digits(at::arange(rows.Count(), at::kLong)), spins_Ss = (2 * values_Ss - 1).to(at::kDouble);
  const at::Tensor given_rs = Ising::Values(state)[0].view({side_, side_}), field_rs = field_N_.view({side_, side_});
  std::vector<at::Tensor> own_S, differs_S;  // from the spins that are given
  for (int64_t row = 0; row < side_; ++row) {
    own_S.push_back(0.5 * (spins_Ss.matmul(block(row, row)) * spins_Ss).sum(1) + spins_Ss.mv(field_rs[row]));
    differs_S.push_back(given_rs[row].ge(0).logical_and(values_Ss.ne(given_rs[row])).any(1));
  }
  at::Tensor product_SS;
  double log_scale = 0;
  for (int64_t row = 0; row < side_; ++row) {
    const int64_t next = (row + 1) % side_;
    at::Tensor energy_SS = 0.5 * (own_S[row].unsqueeze(1) + own_S[next].unsqueeze(0));
    // Of two rows the one block holds the bonds of both directions.
    if (side_ > 2 || row == 0) energy_SS = energy_SS + spins_Ss.matmul(block(row, next)).matmul(spins_Ss.t());
    const at::Tensor log_transfer_SS =
        (beta_ / temperature * energy_SS)
            .masked_fill(differs_S[row].unsqueeze(1).logical_or(differs_S[next].unsqueeze(0)), -INFINITY);
    const at::Tensor high = log_transfer_SS.max();
    const at::Tensor transfer_SS = (log_transfer_SS - high).exp();
    product_SS = row == 0 ? transfer_SS : product_SS.matmul(transfer_SS);
    const double scale = product_SS.max().item<double>();
    product_SS = product_SS / scale;
    log_scale += high.item<double>() + std::log(scale);
  }
  const double log_sum = product_SS.trace().log().item<double>() + log_scale;
  return std::isfinite(log_sum) ? std::optional<double>(log_sum) : std::nullopt;
}

StatusOr<double> IsingLogZ(const IsingConfig& config) {
  ASSIGN_OR_RETURN(const RewardedWorld world, CreateWorld(config));
  if (const auto log_z = world.reward->LogSumBelow(world.environment->Initial({Unconditional()}), 1)) return *log_z;
  return InvalidArgument("ising: log Z is exact for side <= " + std::to_string(kMaxTransferSide) + "; side is " +
                         std::to_string(config.side));
}

StatusOr<IsingEnergy> ReadIsingEnergy(const std::string& path, int64_t num_sites) {
  ASSIGN_OR_RETURN(const CsvFile file, CsvFile::Read(path));
  if (file.num_fields() != 3) {
    return file.Error(file.rows().front(),
                      "expected three fields i,j,J (i,i,h for a field), found " + std::to_string(file.num_fields()));
  }
  IsingEnergy energy{at::zeros({num_sites, num_sites}, at::kDouble), at::zeros({num_sites}, at::kDouble)};
  auto couplings = energy.couplings_NN.accessor<double, 2>();
  std::vector<int64_t> lines(static_cast<size_t>(num_sites * num_sites), 0);
  for (const CsvFile::Row& row : file.rows()) {
    ASSIGN_OR_RETURN(const int64_t i, file.Whole(row, 0, "i", 0, num_sites - 1));
    ASSIGN_OR_RETURN(const int64_t j, file.Whole(row, 1, "j", 0, num_sites - 1));
    ASSIGN_OR_RETURN(const double value, file.Real(row, 2, i == j ? "h" : "J"));
    int64_t& line = lines[static_cast<size_t>(std::min(i, j) * num_sites + std::max(i, j))];
    if (line != 0)
      return file.Error(
          row, "spins " + std::to_string(i) + " and " + std::to_string(j) + " were given in line " + std::to_string(line));
    line = row.line;
    if (i == j) {
      energy.field_N.mutable_data_ptr<double>()[i] = value;
    } else {
      couplings[i][j] = couplings[j][i] = value;
    }
  }
  return energy;
}

std::string WriteIsingEnergy(const at::Tensor& couplings_NN, const at::Tensor& field_N) {
  std::string text = "# i,j,J of bonds; i,i,h of fields\n";
  const auto couplings = couplings_NN.accessor<double, 2>();
  for (int64_t i = 0; i < field_N.numel(); ++i) {
    for (int64_t j = i; j < field_N.numel(); ++j) {
      const double value = i == j ? field_N[i].item<double>() : couplings[i][j];
      if (value != 0) text += std::to_string(i) + "," + std::to_string(j) + "," + FormatReal(value) + "\n";
    }
  }
  return text;
}

StatusOr<RewardedWorld> CreateWorld(const IsingConfig& config) {
  if (config.reward.couplings.empty()) return WithFastFeatures(BuildWorld<Ising, IsingReward>(config));
  return WithFastFeatures(
      BuildWorldWith<Ising>(config, IsingConfig::kKind, [&](const Ising& world) -> StatusOr<std::unique_ptr<Reward>> {
        ASSIGN_OR_RETURN(const IsingEnergy energy, ReadIsingEnergy(config.reward.couplings, world.num_sites()));
        return std::make_unique<IsingReward>(world, config.reward.beta, energy.couplings_NN, energy.field_N);
      }));
}

}  // namespace gfn
