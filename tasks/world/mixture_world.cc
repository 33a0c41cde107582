#include "tasks/world/mixture_world.h"

#include <nlohmann/json.hpp>

#include "gflownet/base/digest.h"
#include "gflownet/base/jsonl.h"
#include "gflownet/base/text_util.h"
#include "lvm/mixture/mixture_model.h"
#include "tasks/world/em_learner.h"
#include "tasks/world/world.h"

namespace gfn {
namespace {

constexpr int64_t kMostDrawn = 1000;   // points of the picture
constexpr int64_t kMostMeasured = 16;  // points whose posterior is measured one by one

StatusOr<at::Tensor> ReadPoints(const std::string& path) {
  ASSIGN_OR_RETURN(JsonlReader reader, JsonlReader::Open(path));
  std::vector<double> numbers;
  nlohmann::json line;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, reader.Next(&line));
    if (!more) break;
    const nlohmann::json point = line.value("x", nlohmann::json());
    if (!point.is_array() || point.size() != 2 || !point[0].is_number() || !point[1].is_number()) {
      return InvalidArgument(reader.Where() + ": expected {\"x\": [number, number]}, found " + line.dump());
    }
    for (const auto& number : point) numbers.push_back(number.get<double>());
  }
  if (numbers.empty()) return InvalidArgument(path + ": expected at least one line, found none");
  return at::tensor(numbers, at::kDouble).view({-1, 2});
}

class MixtureLearner : public EmLearner {
 public:
  // `model` is what is owned, under its own type.
  MixtureLearner(MixtureModel* model, std::unique_ptr<GenerativeModel> owned, const EmConfig& em, bool simulated)
      : EmLearner(em, std::move(owned), &model->world()), model_(model), simulated_(simulated) {}

  // log_likelihood: mean log p(x), exact; true_log_likelihood: of the means that made the data; posterior_tv: distance of
  // q(z | x) from the posterior, mean over all points; mean_k_0 and mean_k_1: the means.
  StatusOr<StepMetrics> Measure(const Policy& sampler, double) const override {
    StepMetrics metrics;
    metrics.Set("log_likelihood", model_->MeanLogLikelihood());
    if (simulated_) {
      metrics.Set("true_log_likelihood", model_->MeanLogLikelihood(MixtureModel::TrueMeans(model_->num_groups())));
    }
    const at::Tensor distance_C = (LogQ(sampler).exp() - model_->LogJointTable().softmax(1)).abs().sum(1) / 2;
    metrics.Set("posterior_tv", distance_C.mean().item<double>());
    for (int64_t k = 0; k < model_->num_groups(); ++k) {
      for (const int64_t axis : {0, 1}) {
        metrics.Set("mean_" + std::to_string(k) + "_" + std::to_string(axis), model_->means()[k][axis].item<double>());
      }
    }
    return metrics;
  }

  // Of some points: where they are, and the likeliest group of each under the sampler.
  StatusOr<nlohmann::json> Pictures(const Policy& sampler) const override {
    const int64_t stride = std::max<int64_t>(1, model_->data().size(0) / kMostDrawn), groups = model_->num_groups();
    const at::Tensor group_C = LogQ(sampler).exp().view({-1, groups, groups}).sum(2).argmax(1);
    nlohmann::json points = nlohmann::json::array(), means = nlohmann::json::array();
    for (int64_t row = 0; row < model_->data().size(0); row += stride) {
      const at::Tensor x = model_->data()[row];
      points.push_back({x[0].item<double>(), x[1].item<double>(), group_C[row].item<int64_t>()});
    }
    for (int64_t k = 0; k < groups; ++k)
      means.push_back({model_->means()[k][0].item<double>(), model_->means()[k][1].item<double>()});
    return nlohmann::json{{"mixture", {{"points", points}, {"means", means}}}};
  }

 private:
  // log q(z | x) of every point and component, float64 [C, X].
  at::Tensor LogQ(const Policy& sampler) const {
    const at::NoGradGuard no_grad;
    const TrajectoryBatch all = model_->world().EveryObject(model_->conditions().ids());
    const TrajectoryScores scores = sampler.Score(all, {.needs = Need::kLogPf, .with_grad = false});
    return scores.log_pf_BT.to(at::kDouble).sum(1).view({model_->conditions().size(), -1});
  }

  MixtureModel* model_;
  bool simulated_;
};

}  // namespace

StatusOr<std::unique_ptr<World>> MakeWorld(const MixtureWorld& config) {
  auto world = std::make_unique<World>();
  const bool simulated = config.data.empty();
  at::Tensor data_C2;
  if (simulated) {
    data_C2 = MixtureModel::Simulate(MixtureModel::TrueMeans(config.num_groups), config.sigma, config.simulation.num,
                                     static_cast<uint64_t>(config.simulation.seed));
  } else {
    ASSIGN_OR_RETURN(data_C2, ReadPoints(config.data));
    ASSIGN_OR_RETURN(const uint64_t digest, FileDigest(config.data));
    world->identity["task.data"] = DigestToHex(digest);
  }
  if (data_C2.size(0) < config.num_groups) {
    return InvalidArgument("task.data: " + std::to_string(data_C2.size(0)) + " points are fewer than the " +
                           std::to_string(config.num_groups) + " groups, whose means begin at points");
  }
  std::vector<int64_t> rows(static_cast<size_t>(data_C2.size(0)));
  std::iota(rows.begin(), rows.end(), 0);
  Shuffle({static_cast<uint64_t>(config.start_seed), RngPurpose::kInit, 2}, std::span<int64_t>(rows), 0);
  rows.resize(static_cast<size_t>(config.num_groups));
  ASSIGN_OR_RETURN(auto made, MixtureModel::Create(config.sigma, data_C2, data_C2.index_select(0, at::tensor(rows, at::kLong))));
  MixtureModel* model = made.get();
  world->learner = std::make_unique<MixtureLearner>(model, std::move(made), config.em, simulated);
  world->conditions = model->conditions();
  world->num_measured = kMostMeasured;
  world->reward = config.floor ? std::make_unique<ModelReward>(*model, *config.floor) : std::make_unique<ModelReward>(*model);
  world->features = StateFeatures([model](const State& state) { return model->Features(state); });
  world->num_features = model->NumFeatures();
  world->condition_features = [model](const std::vector<ConditionId>& ids) { return model->PointsOf(ids).to(at::kFloat); };
  world->num_condition_features = 2;
  auto rules = std::make_unique<CodeWorld>("mixture", 2, config.num_groups);
  world->enumerable = rules.get();
  world->facts = {{"points", std::to_string(model->data().size(0)) + (simulated ? ", simulated" : " distinct ones")},
                  {"components", std::to_string(rules->NumObjects())}};
  world->environment = std::move(rules);
  return world;
}

}  // namespace gfn
