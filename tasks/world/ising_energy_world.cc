#include "tasks/world/ising_energy_world.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "gflownet/base/digest.h"
#include "gflownet/base/file_util.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/env/state_graph.h"
#include "tasks/world/energy_learner.h"
#include "tasks/world/world.h"

namespace gfn {
namespace {

using Bonds = std::vector<std::pair<int64_t, int64_t>>;

// From each site to its right and its lower neighbour; each pair once (on side 2 both would name the same).
Bonds BondsOf(int64_t side) {
  Bonds bonds;
  for (int64_t row = 0; row < side; ++row) {
    for (int64_t column = 0; column < side; ++column) {
      const int64_t site = row * side + column;
      for (const int64_t other : {row * side + (column + 1) % side, (row + 1) % side * side + column}) {
        const std::pair<int64_t, int64_t> bond = {std::min(site, other), std::max(site, other)};
        if (std::find(bonds.begin(), bonds.end(), bond) == bonds.end()) bonds.push_back(bond);
      }
    }
  }
  return bonds;
}

StatusOr<at::Tensor> ReadSpins(const std::string& path, int64_t num_spins) {
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  std::vector<double> spins;
  nlohmann::json line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) break;
    const std::string text = line.contains("text") && line["text"].is_string() ? line["text"].get<std::string>() : "";
    if (static_cast<int64_t>(text.size()) != num_spins || text.find_first_not_of("+-") != std::string::npos) {
      return InvalidArgument(reader.Where() + ": expected \"text\" with " + std::to_string(num_spins) + " signs + or -, found " +
                             line.dump());
    }
    for (const char sign : text) spins.push_back(sign == '+' ? 1 : -1);
  }
  if (spins.empty()) return InvalidArgument(path + ": expected at least one line, found none");
  return at::tensor(spins, at::kDouble).view({-1, num_spins});
}

// Couplings drawn at random, and exact samples of the energy that they make.
StatusOr<at::Tensor> Simulate(const SpinSimulationConfig& config, const Ising& rules, EnergyLearner& model) {
  if (const Status status = CheckListable(rules); !status.ok())
    return Annotate(status, "task.data is needed: simulated spins are drawn exactly, from all objects");
  const at::NoGradGuard no_grad;
  const uint64_t seed = static_cast<uint64_t>(config.seed);
  model.true_couplings_M = at::empty_like(model.couplings_M);
  for (int64_t m = 0; m < model.true_couplings_M.numel(); ++m) {
    model.true_couplings_M.data_ptr<double>()[m] =
        config.coupling_spread * Normal({seed, RngPurpose::kData, 0}, 0, static_cast<uint64_t>(m));
  }
  const at::Tensor spins_XV = Ising::Spins(rules.ObjectsAt(at::arange(rules.NumObjects(), at::kLong), Unconditional()));
  at::Tensor(model.couplings_M).copy_(model.true_couplings_M);
  const at::Tensor cumulative_X = model.graph.LogScore(spins_XV).softmax(0).cumsum(0).contiguous();
  at::Tensor(model.couplings_M).zero_();
  const double* begin = cumulative_X.const_data_ptr<double>();
  std::vector<int64_t> rows(static_cast<size_t>(config.num));
  for (size_t i = 0; i < rows.size(); ++i) {
    const double u = Uniform({seed, RngPurpose::kData, 1}, 0, i);
    rows[i] = std::min<int64_t>(std::upper_bound(begin, begin + cumulative_X.numel(), u) - begin, cumulative_X.numel() - 1);
  }
  return spins_XV.index_select(0, at::tensor(rows, at::kLong));
}

}  // namespace

StatusOr<std::unique_ptr<World>> MakeWorld(const IsingEnergyWorld& config) {
  auto world = std::make_unique<World>();
  RETURN_IF_ERROR(world->conditions.Insert("").status());
  ASSIGN_OR_RETURN(RewardedWorld lattice, CreateWorld(IsingConfig{.side = config.side, .order = config.order}));
  const auto& rules = dynamic_cast<const Ising&>(*lattice.environment);
  auto model = std::make_unique<EnergyLearner>();
  const Bonds bonds = BondsOf(config.side);
  model->graph.Add(std::make_unique<PairModule>("couplings", bonds, model->parameters));
  model->graph.Add(std::make_unique<FieldModule>("field", rules.num_sites(), model->parameters));
  model->training = config.energy;
  model->optimizer = config.energy_optimizer;
  model->couplings_M = model->parameters.Get("couplings");
  if (config.data.empty()) {
    ASSIGN_OR_RETURN(model->data_NV, Simulate(config.simulation, rules, *model));
  } else {
    ASSIGN_OR_RETURN(model->data_NV, ReadSpins(config.data, rules.num_sites()));
    ASSIGN_OR_RETURN(const uint64_t digest, FileDigest(config.data));
    world->identity["task.data"] = DigestToHex(digest);
  }
  world->reward = std::make_unique<FactorGraphReward>(rules, model->graph, &Ising::Spins);
  if (const Status listable = CheckListable(rules); listable.ok()) {
    world->enumerable = &rules;
  } else {
    world->not_enumerable = Message(listable);
  }
  world->features = lattice.features;
  world->num_features = lattice.num_features;
  world->facts = {
      {"couplings, fields", std::to_string(bonds.size()) + ", " + std::to_string(rules.num_sites())},
      {"data", std::to_string(model->data_NV.size(0)) + (config.data.empty() ? " exact samples of known couplings" : " lines")}};
  world->environment = std::move(lattice.environment);
  world->learner = std::move(model);
  return world;
}

}  // namespace gfn
