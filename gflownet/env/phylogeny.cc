#include "gflownet/env/phylogeny.h"

#include <bit>

#include "gflownet/base/check.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/counting.h"
#include "gflownet/env/make_world.h"

namespace gfn {
namespace {

State MakeClades(const at::Tensor& clades_BC) {
  const at::Tensor sorted_BC = std::get<0>(clades_BC.sort(1));
  return State(sorted_BC.ne(0).all(1)).Set("clades", sorted_BC);
}

// 1 * 3 * .. * n; 1 below.
int64_t CountDoubleFactorial(int64_t n) { return n <= 1 ? 1 : CountProduct(n, CountDoubleFactorial(n - 2)); }

int64_t CountForests(int64_t num_species, int64_t num_trees) {
  return CountProduct(CountSubsets(2 * num_species - num_trees - 1, num_trees - 1),
                      CountDoubleFactorial(2 * (num_species - num_trees) - 1));
}

// "((0,1),2)" of the clade `tree`, whose parts are among `clades`.
std::string Newick(int64_t tree, const std::vector<int64_t>& clades) {
  if (std::popcount(static_cast<uint64_t>(tree)) == 1) return std::to_string(std::countr_zero(static_cast<uint64_t>(tree)));
  // The child with the lowest species is the largest clade inside that holds it, or the species alone.
  const int64_t lowest = tree & -tree;
  int64_t child = lowest;
  for (const int64_t clade : clades) {
    if (clade != tree && (clade & ~tree) == 0 && (clade & lowest) != 0 && (child & ~clade) == 0) child = clade;
  }
  std::string text = "(";
  return text += Newick(child, clades) + "," + Newick(tree & ~child, clades) + ")";
}

struct Lineage {
  int64_t species;            // bits
  std::vector<uint8_t> sets;  // possible nucleotides of each site, as bits
};

// Joins the two lineages that make up a clade; returns the mutations it costs.
int64_t Join(std::vector<Lineage>& lineages, int64_t clade) {
  std::vector<Lineage> others, parts;
  for (Lineage& lineage : lineages) ((lineage.species & clade) != 0 ? parts : others).push_back(std::move(lineage));
  GFN_CHECK_EQ(parts.size(), 2u);
  int64_t mutations = 0;
  Lineage joined{clade, parts[0].sets};
  for (size_t site = 0; site < joined.sets.size(); ++site) {
    const uint8_t common = parts[0].sets[site] & parts[1].sets[site];
    mutations += common == 0;
    joined.sets[site] = common != 0 ? common : parts[0].sets[site] | parts[1].sets[site];
  }
  others.push_back(std::move(joined));
  lineages = std::move(others);
  return mutations;
}

// Species i branches off an earlier one, and its sites mutate from there on. Draws at (seed, species, 2 site) and beside.
Alignment SimulateSpecies(int64_t num_species, const PhylogenyRewardConfig& config) {
  Alignment alignment;
  const RngKey key{static_cast<uint64_t>(config.seed), RngPurpose::kData, 0};
  for (int64_t species = 0; species < num_species; ++species) {
    std::vector<uint8_t> sites(config.num_sites, 1);
    if (species > 0) sites = alignment.sites[UniformInt(key, num_species + species, 0, species)];
    for (int64_t site = 0; site < config.num_sites; ++site) {
      if (Uniform(key, species, 2 * site) < config.mutation) sites[site] = 1 << UniformInt(key, species, 2 * site + 1, 4);
    }
    alignment.names.push_back("species_" + std::to_string(species));
    alignment.sites.push_back(std::move(sites));
  }
  return alignment;
}

}  // namespace

Phylogeny::Phylogeny(const PhylogenyConfig& config) : num_species_(config.num_species) {
  const at::Tensor pairs_2A = at::triu_indices(num_species_, num_species_, 1);
  first_A_ = pairs_2A[0].contiguous();
  second_A_ = pairs_2A[1].contiguous();
  spec_.name = "phylogeny";
  spec_.num_actions = first_A_.numel();
  spec_.num_backward_actions = num_species_;
  spec_.max_steps = num_species_ - 1;
}

State Phylogeny::Initial(const std::vector<ConditionId>& conditions_B) const {
  return MakeClades(at::zeros({static_cast<int64_t>(conditions_B.size()), num_species_ - 1}, at::kLong));
}

at::Tensor Phylogeny::Trees(const State& state) const {
  const at::Tensor species_n = at::arange(num_species_, at::kLong);
  at::Tensor trees_Bn =
      at::ones_like(species_n).bitwise_left_shift(species_n).unsqueeze(0).expand({state.batch_size(), num_species_});
  for (int64_t i = 0; i < num_species_ - 1; ++i) {
    const at::Tensor clade_B1 = Clades(state).select(1, i).unsqueeze(1);
    const at::Tensor inside_Bn = clade_B1.bitwise_right_shift(species_n).bitwise_and(1).ne(0);
    trees_Bn = at::where(inside_Bn, trees_Bn.bitwise_or(clade_B1), trees_Bn);
  }
  return trees_Bn;
}

at::Tensor Phylogeny::IsLowest(const at::Tensor& trees_Bn) const {
  const at::Tensor below_n = at::ones({num_species_}, at::kLong).bitwise_left_shift(at::arange(num_species_, at::kLong)) - 1;
  return trees_Bn.bitwise_and(below_n).eq(0);
}

State Phylogeny::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const at::Tensor trees_Bn = Trees(state);
  const at::Tensor left_B = trees_Bn.gather(1, first_A_.index_select(0, actions_B).unsqueeze(1)).squeeze(1);
  const at::Tensor right_B = trees_Bn.gather(1, second_A_.index_select(0, actions_B).unsqueeze(1)).squeeze(1);
  at::Tensor clades_BC = Clades(state).clone();  // ascending: a free place comes first
  clades_BC.select(1, 0).copy_(at::where(state.done_B(), clades_BC.select(1, 0), left_B.bitwise_or(right_B)));
  return MakeClades(clades_BC);
}

State Phylogeny::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  const at::Tensor tree_B1 = Trees(state).gather(1, backward_actions_B.unsqueeze(1));
  return MakeClades(Clades(state).masked_fill(Clades(state).eq(tree_B1), 0));
}

at::Tensor Phylogeny::BackwardAction(const State&, const at::Tensor& actions_B, const at::Tensor&) const {
  return first_A_.index_select(0, actions_B);
}

Support Phylogeny::ForwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_actions;
  const at::Tensor lowest_Bn = IsLowest(Trees(state));
  support.mask_BA = lowest_Bn.index_select(1, first_A_).logical_and(lowest_Bn.index_select(1, second_A_));
  support.done_B = state.done_B();
  return support;
}

Support Phylogeny::BackwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_backward_actions;
  const at::Tensor trees_Bn = Trees(state);
  const at::Tensor is_joined_Bn = trees_Bn.bitwise_and(trees_Bn - 1).ne(0);
  support.mask_BA = IsLowest(trees_Bn).logical_and(is_joined_Bn);
  support.done_B = IsInitial(state);
  return support;
}

at::Tensor Phylogeny::IsInitial(const State& state) const { return Clades(state).eq(0).all(1); }

std::string Phylogeny::Format(const State& state, int64_t row) const {
  std::vector<int64_t> clades;
  for (int64_t i = 0; i < num_species_ - 1; ++i) clades.push_back(Clades(state)[row][i].item<int64_t>());
  const at::Tensor trees_n = Trees(state)[row];
  std::vector<std::string> forest;
  for (int64_t i = 0; i < num_species_; ++i) {
    const int64_t tree = trees_n[i].item<int64_t>();
    if ((tree & -tree) == int64_t{1} << i) forest.push_back(Newick(tree, clades));
  }
  return gfn::Join(forest, " ");
}

std::string Phylogeny::SupportDigest() const { return "phylogeny species=" + std::to_string(num_species_); }

int64_t Phylogeny::NumStates() const {
  int64_t count = 0;
  for (int64_t trees = 2; trees <= num_species_; ++trees) count = CountSum(count, CountForests(num_species_, trees));
  return count;
}

int64_t Phylogeny::NumObjects() const { return CountForests(num_species_, 1); }

// A polynomial in the sorted clades, wrapped to 64 bits: the listing would not find as many states as there are if two were
// equal.
at::Tensor Phylogeny::Key(const State& state) const {
  at::Tensor key_B = at::zeros({state.batch_size()}, at::kLong);
  for (int64_t i = 0; i < num_species_ - 1; ++i) key_B = key_B * 6364136223846793005 + Clades(state).select(1, i);
  return key_B;
}

at::Tensor Phylogeny::Features(const State& state) const {
  const at::Tensor species_n = at::arange(num_species_, at::kLong);
  const at::Tensor inside_BCn = Clades(state).unsqueeze(2).bitwise_right_shift(species_n).bitwise_and(1).to(at::kFloat);
  return inside_BCn.transpose(1, 2).matmul(inside_BCn).flatten(1);
}

PhylogenyReward::PhylogenyReward(const Phylogeny& world, const PhylogenyRewardConfig& config)
    : PhylogenyReward(world, SimulateSpecies(world.num_species(), config), config.beta) {
  digest_ = "phylogeny sites=" + std::to_string(config.num_sites) + " mutation=" + FormatReal(config.mutation) +
            " beta=" + FormatReal(config.beta) + " seed=" + std::to_string(config.seed);
}

PhylogenyReward::PhylogenyReward(const Phylogeny& world, Alignment species, double beta)
    : StateReward(world), num_species_(world.num_species()), beta_(beta), species_(std::move(species)) {
  GFN_CHECK_EQ(static_cast<int64_t>(species_.sites.size()), num_species_);
  digest_ = "phylogeny alignment=" + HashCondition(WriteAlignment(species_)).ToString() + " beta=" + FormatReal(beta);
}

at::Tensor PhylogenyReward::NumMutations(const State& objects) const {
  const at::Tensor clades_BC = Phylogeny::Clades(objects).contiguous();
  const at::Tensor mutations_B = at::zeros({objects.batch_size()}, at::kLong);
  for (int64_t row = 0; row < objects.batch_size(); ++row) {
    const int64_t* first = clades_BC.data_ptr<int64_t>() + row * (num_species_ - 1);
    std::vector<int64_t> clades(first, first + num_species_ - 1);
    std::sort(clades.begin(), clades.end(), [](int64_t a, int64_t b) {
      return std::popcount(static_cast<uint64_t>(a)) < std::popcount(static_cast<uint64_t>(b));
    });
    std::vector<Lineage> lineages;
    for (int64_t species = 0; species < num_species_; ++species)
      lineages.push_back({int64_t{1} << species, species_.sites[species]});
    for (const int64_t clade : clades) mutations_B.data_ptr<int64_t>()[row] += Join(lineages, clade);
  }
  return mutations_B;
}

at::Tensor PhylogenyReward::LogRewardOf(const State& objects) const { return NumMutations(objects).to(at::kDouble) * -beta_; }

StatusOr<RewardedWorld> CreateWorld(const PhylogenyConfig& config) {
  if (config.reward.alignment.empty()) return BuildWorld<Phylogeny, PhylogenyReward>(config);
  return BuildWorldWith<Phylogeny>(
      config, PhylogenyConfig::kKind, [&](const Phylogeny& world) -> StatusOr<std::unique_ptr<Reward>> {
        ASSIGN_OR_RETURN(Alignment species, ReadAlignment(config.reward.alignment));
        const auto found = static_cast<int64_t>(species.names.size());
        if (found != config.num_species) {
          return InvalidArgument(config.reward.alignment + ": " + std::to_string(found) + " sequences, but task.num_species is " +
                                 std::to_string(config.num_species));
        }
        return std::make_unique<PhylogenyReward>(world, std::move(species), config.reward.beta);
      });
}

}  // namespace gfn
