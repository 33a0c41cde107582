#include "gflownet/env/bayes_net.h"

#include <array>

#include "gflownet/base/check.h"
#include "gflownet/base/csv.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/counting.h"
#include "gflownet/env/make_world.h"

namespace gfn {
namespace {

State MakeEdges(at::Tensor edges_BE, at::Tensor done_B) { return State(std::move(done_B)).Set("edges", std::move(edges_BE)); }

// bool [B, d, d]: is there a way from i to j; every node reaches itself. Squaring (I + A) doubles the length of the ways.
at::Tensor Reaches(const at::Tensor& edges_BE, int64_t num_nodes) {
  at::Tensor reach_Bdd = edges_BE.view({-1, num_nodes, num_nodes}).logical_or(at::eye(num_nodes, at::kBool)).to(at::kFloat);
  for (int64_t length = 1; length < num_nodes - 1; length *= 2) reach_Bdd = reach_Bdd.matmul(reach_Bdd).gt(0).to(at::kFloat);
  return reach_Bdd.gt(0);
}

// Labelled acyclic graphs: a(n) = sum_k (-1)^(k+1) C(n, k) 2^(k (n-k)) a(n-k) (Robinson 1973); fits up to 10 nodes.
int64_t CountAcyclicGraphs(int64_t num_nodes) {
  if (num_nodes > 10) return EnumerableEnvironment::kTooManyStates;
  std::array<__int128, 11> count = {1};
  for (int64_t n = 1; n <= num_nodes; ++n) {
    for (int64_t k = 1; k <= n; ++k) {
      const __int128 term = static_cast<__int128>(CountSubsets(n, k)) * (int64_t{1} << (k * (n - k))) * count[n - k];
      count[n] += k % 2 == 1 ? term : -term;
    }
  }
  return static_cast<int64_t>(count[num_nodes]);
}

// log Gamma_l(x) without its power of pi, which cancels in every ratio.
double LogMultivariateGamma(double x, int64_t l) {
  double sum = 0;
  for (int64_t i = 0; i < l; ++i) sum += std::lgamma(x - 0.5 * static_cast<double>(i));
  return sum;
}

}  // namespace

BayesNet::BayesNet(const BayesNetConfig& config) : num_nodes_(config.num_nodes) {
  spec_.name = "bayes_net";
  spec_.num_actions = num_nodes_ * num_nodes_ + 1;
  spec_.num_backward_actions = spec_.num_actions;
  spec_.max_steps = num_nodes_ * (num_nodes_ - 1) / 2 + 1;
  spec_.stop_actions = {num_nodes_ * num_nodes_};
  spec_.stops_everywhere = true;
}

State BayesNet::Initial(const std::vector<ConditionId>& conditions_B) const {
  const int64_t rows = static_cast<int64_t>(conditions_B.size());
  return MakeEdges(at::zeros({rows, num_nodes_ * num_nodes_}, at::kBool), at::zeros({rows}, at::kBool));
}

State BayesNet::Step(const State& state, const at::Tensor& actions_B, const at::Tensor&) const {
  const int64_t stop = num_nodes_ * num_nodes_;
  const at::Tensor added_BE = OneAt(actions_B, stop).logical_and(state.done_B().logical_not().unsqueeze(1));
  return MakeEdges(Edges(state).logical_or(added_BE), state.done_B().logical_or(actions_B.eq(stop)));
}

State BayesNet::Undo(const State& state, const at::Tensor& backward_actions_B) const {
  return MakeEdges(Edges(state).logical_and(OneAt(backward_actions_B, num_nodes_ * num_nodes_).logical_not()),
                   at::zeros_like(state.done_B()));
}

at::Tensor BayesNet::BackwardAction(const State&, const at::Tensor& actions_B, const at::Tensor&) const { return actions_B; }

Support BayesNet::ForwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_actions;
  support.stops_S = at::tensor(spec_.stop_actions, at::kLong);
  // i -> j closes a cycle exactly when j reaches i.
  const at::Tensor closes_BE = Reaches(Edges(state), num_nodes_).transpose(1, 2).flatten(1);
  const at::Tensor open_BE = closes_BE.logical_or(Edges(state)).logical_not();
  support.mask_BA = at::cat({open_BE, at::zeros({state.batch_size(), 1}, at::kBool)}, 1);
  support.done_B = state.done_B();
  return support;
}

Support BayesNet::BackwardSupport(const State& state) const {
  Support support;
  support.num_actions = spec_.num_backward_actions;
  const at::Tensor done_B1 = state.done_B().unsqueeze(1);
  support.mask_BA = at::cat({Edges(state).logical_and(done_B1.logical_not()), done_B1}, 1);
  support.done_B = IsInitial(state);
  return support;
}

at::Tensor BayesNet::IsInitial(const State& state) const { return Edges(state).any(1).logical_or(state.done_B()).logical_not(); }

std::string BayesNet::Format(const State& state, int64_t row) const {
  std::vector<std::string> edges;
  for (int64_t edge = 0; edge < num_nodes_ * num_nodes_; ++edge) {
    if (!Edges(state)[row][edge].item<bool>()) continue;
    edges.push_back(std::to_string(edge / num_nodes_) + "->" + std::to_string(edge % num_nodes_));
  }
  std::string text = "{";
  text += Join(edges, " ");
  text += state.done_B()[row].item<bool>() ? "} stop" : "}";
  return text;
}

std::string BayesNet::SupportDigest() const { return "bayes_net nodes=" + std::to_string(num_nodes_); }

int64_t BayesNet::NumStates() const { return CountAcyclicGraphs(num_nodes_); }

at::Tensor BayesNet::Key(const State& state) const {
  // The diagonal is always empty, so 7 nodes and more than can be listed have bits of their own.
  const at::Tensor bits_E = at::arange(num_nodes_ * num_nodes_, at::kLong).remainder(63);
  return Edges(state).to(at::kLong).bitwise_left_shift(bits_E).sum(1);
}

at::Tensor BayesNet::Features(const State& state) const { return Edges(state).to(at::kFloat); }

at::Tensor SampleBayesNetData(int64_t num_nodes, const BayesNetRewardConfig& config) {
  const RngKey key{static_cast<uint64_t>(config.seed), RngPurpose::kData, 0};
  const std::vector<int64_t> order = Permutation(key, num_nodes, /*stream=*/0);
  const double probability = num_nodes > 1 ? std::min(1.0, 2 * config.edges_per_node / static_cast<double>(num_nodes - 1)) : 0;
  const at::Tensor data_Sd = at::zeros({config.num_samples, num_nodes}, at::kDouble);
  for (int64_t place = 0; place < num_nodes; ++place) {
    const int64_t node = order[place];
    at::Tensor column_S = data_Sd.select(1, node);
    for (int64_t sample = 0; sample < config.num_samples; ++sample) {
      column_S.select(0, sample).fill_(config.noise * Normal(key, 2 + node, sample));
    }
    for (int64_t before = 0; before < place; ++before) {
      const uint64_t pair = place * num_nodes + before;
      if (Uniform(key, 1, 3 * pair) >= probability) continue;
      const double size = 0.5 + 1.5 * Uniform(key, 1, 3 * pair + 1), sign = Uniform(key, 1, 3 * pair + 2) < 0.5 ? -1 : 1;
      column_S += sign * size * data_Sd.select(1, order[before]);
    }
  }
  return data_Sd;
}

BayesNetReward::BayesNetReward(const BayesNet& world, const BayesNetRewardConfig& config)
    : BayesNetReward(world, SampleBayesNetData(world.num_nodes(), config), config.alpha_mu) {
  digest_ = "bayes_net bge alpha_mu=" + FormatReal(config.alpha_mu) + " samples=" + std::to_string(config.num_samples) +
            " edges_per_node=" + FormatReal(config.edges_per_node) + " noise=" + FormatReal(config.noise) +
            " seed=" + std::to_string(config.seed);
}

BayesNetReward::BayesNetReward(const BayesNet& world, const at::Tensor& data_Sd, double alpha_mu)
    : StateReward(world), num_nodes_(world.num_nodes()) {
  const int64_t d = num_nodes_, num_subsets = int64_t{1} << d;
  GFN_CHECK(data_Sd.dim() == 2 && data_Sd.size(1) == d && data_Sd.scalar_type() == at::kDouble);
  const at::Tensor bytes = data_Sd.contiguous();
  digest_ = "bayes_net bge alpha_mu=" + FormatReal(alpha_mu) +
            " data=" + HashCondition(std::string_view(static_cast<const char*>(bytes.data_ptr()), bytes.nbytes())).ToString();

  // R = T + scatter + (S alpha_mu / (S + alpha_mu)) mean mean^T
  const double samples = static_cast<double>(data_Sd.size(0)), alpha_w = static_cast<double>(d) + 2;
  const double t = alpha_mu * (alpha_w - static_cast<double>(d) - 1) / (alpha_mu + 1);
  const at::Tensor mean_d = samples > 0 ? data_Sd.mean(0) : at::zeros({d}, at::kDouble);
  const at::Tensor centred_Sd = data_Sd - mean_d;
  const at::Tensor r_dd = t * at::eye(d, at::kDouble) + centred_Sd.t().matmul(centred_Sd) +
                          samples * alpha_mu / (samples + alpha_mu) * mean_d.outer(mean_d);

  // log p(data of the variables Q) for every Q, then differences.
  std::vector<double> log_marginal(num_subsets, 0.0);
  for (int64_t subset = 1; subset < num_subsets; ++subset) {
    std::vector<int64_t> members;
    for (int64_t i = 0; i < d; ++i) {
      if ((subset >> i) & 1) members.push_back(i);
    }
    const int64_t l = static_cast<int64_t>(members.size());
    const at::Tensor rows_l = at::tensor(members, at::kLong);
    const double log_det_r =
        at::linalg_cholesky(r_dd.index_select(0, rows_l).index_select(1, rows_l)).diagonal().log().sum().item<double>() * 2;
    const double prior = alpha_w - static_cast<double>(d - l), posterior = prior + samples;
    log_marginal[subset] = 0.5 * static_cast<double>(l) * (std::log(alpha_mu / (samples + alpha_mu)) - samples * std::log(M_PI)) +
                           LogMultivariateGamma(posterior / 2, l) - LogMultivariateGamma(prior / 2, l) +
                           prior / 2 * static_cast<double>(l) * std::log(t) - posterior / 2 * log_det_r;
  }
  local_ = at::zeros({d, num_subsets}, at::kDouble);
  auto local = local_.accessor<double, 2>();
  for (int64_t node = 0; node < d; ++node) {
    for (int64_t parents = 0; parents < num_subsets; ++parents) {
      local[node][parents] = log_marginal[parents | (int64_t{1} << node)] - log_marginal[parents];
    }
  }
}

at::Tensor BayesNetReward::LogRewardOf(const State& objects) const {
  const at::Tensor bits_d = at::arange(num_nodes_, at::kLong).view({1, num_nodes_, 1});
  const at::Tensor edges_Bdd = BayesNet::Edges(objects).view({-1, num_nodes_, num_nodes_}).to(at::kLong);
  const at::Tensor parents_Bd = edges_Bdd.bitwise_left_shift(bits_d).sum(1);  // over i of the edges i -> j
  return local_.index({at::arange(num_nodes_, at::kLong).unsqueeze(0), parents_Bd}).sum(1);
}

std::string BayesNetReward::Digest() const { return digest_; }

StatusOr<at::Tensor> ReadBayesNetData(const std::string& path, int64_t num_nodes) {
  ASSIGN_OR_RETURN(const CsvFile file, CsvFile::Read(path));
  const CsvFile::Row& names = file.rows().front();
  if (static_cast<int64_t>(file.num_fields()) != num_nodes) {
    return file.Error(
        names, "expected " + std::to_string(num_nodes) + " columns (task.num_nodes), found " + std::to_string(file.num_fields()));
  }
  for (const std::string& name : names.fields) {
    if (name.empty() || ParseReal(name).has_value())
      return file.Error(names, "expected the names of the variables in the first line, found '" + name + "'");
  }
  std::vector<double> values;
  for (size_t i = 1; i < file.rows().size(); ++i) {
    for (size_t j = 0; j < file.num_fields(); ++j) {
      ASSIGN_OR_RETURN(const double value, file.Real(file.rows()[i], j, names.fields[j]));
      values.push_back(value);
    }
  }
  if (values.empty()) return file.Error(names, "expected samples below the names, found none");
  return at::tensor(values, at::kDouble).view({-1, num_nodes});
}

std::string WriteBayesNetData(const at::Tensor& data_Sd) {
  std::string text;
  for (int64_t j = 0; j < data_Sd.size(1); ++j) text.append(j == 0 ? "x" : ",x").append(std::to_string(j));
  text += "\n";
  const auto data = data_Sd.accessor<double, 2>();
  for (int64_t i = 0; i < data_Sd.size(0); ++i) {
    for (int64_t j = 0; j < data_Sd.size(1); ++j) text.append(j == 0 ? "" : ",").append(FormatReal(data[i][j]));
    text += "\n";
  }
  return text;
}

StatusOr<RewardedWorld> CreateWorld(const BayesNetConfig& config) {
  if (config.reward.data.empty()) return BuildWorld<BayesNet, BayesNetReward>(config);
  return BuildWorldWith<BayesNet>(config, BayesNetConfig::kKind, [&](const BayesNet& world) -> StatusOr<std::unique_ptr<Reward>> {
    ASSIGN_OR_RETURN(const at::Tensor data_Sd, ReadBayesNetData(config.reward.data, config.num_nodes));
    return std::make_unique<BayesNetReward>(world, data_Sd, config.reward.alpha_mu);
  });
}

}  // namespace gfn
