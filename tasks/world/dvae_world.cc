#include "tasks/world/dvae_world.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "gflownet/base/digest.h"
#include "gflownet/core/condition_column.h"
#include "gflownet/core/rollout.h"
#include "gflownet/tensor/random.h"
#include "lvm/dvae/dvae_model.h"
#include "tasks/world/em_learner.h"
#include "tasks/world/idx_images.h"
#include "tasks/world/world.h"

namespace gfn {
namespace {

constexpr int64_t kMeasuredOneByOne = 8;  // test images that the metrics of all worlds look at
constexpr int64_t kDrawn = 8;             // images of a picture

// What a network for log Z reads of an image: the share of ink in each of at most 7 x 7 squares. float [G, F]
at::Tensor Ink(const DvaeModel& model, const std::vector<ConditionId>& ids) {
  const int64_t squares = std::min<int64_t>(7, model.side());
  return at::adaptive_avg_pool2d(model.ImagesOf(ConditionColumn(ids)), {squares, squares}).flatten(1);
}

class DvaeLearner : public EmLearner {
 public:
  // `model` is what is owned, under its own type.
  DvaeLearner(DvaeModel* model, std::unique_ptr<GenerativeModel> owned, const DvaeWorld& config, std::vector<ConditionId> test)
      : EmLearner(config.em, std::move(owned), model->world().NumObjects() <= kMostListed ? &model->world() : nullptr),
        config_(config),
        model_(model),
        test_(std::move(test)) {}

  // nll: mean over the test images of -log of the mean importance weight of nll_samples draws, an upper bound in expectation;
  // elbo_nll: that of one draw; log_likelihood = -nll.
  StatusOr<StepMetrics> Measure(const Policy& sampler, double) const override {
    const at::NoGradGuard no_grad;
    double bound = 0, elbo = 0;
    constexpr size_t kAtOnce = 50;
    for (size_t first = 0; first < test_.size(); first += kAtOnce) {
      const std::vector<ConditionId> some(test_.begin() + static_cast<int64_t>(first),
                                          test_.begin() + static_cast<int64_t>(std::min(first + kAtOnce, test_.size())));
      ASSIGN_OR_RETURN(const at::Tensor log_w_B, LogWeights(sampler, some, config_.nll_samples, first));
      const at::Tensor log_w_CS = log_w_B.view({static_cast<int64_t>(some.size()), -1});
      bound += (log_w_CS.logsumexp(1) - std::log(static_cast<double>(config_.nll_samples))).sum().item<double>();
      elbo += log_w_CS.mean(1).sum().item<double>();
    }
    const double num = static_cast<double>(test_.size());
    return StepMetrics({{"nll", -bound / num}, {"elbo_nll", -elbo / num}, {"log_likelihood", bound / num}});
  }

  // Test images, the decoder's means for codes drawn for them, and for codes of the prior: rows of one mosaic.
  StatusOr<nlohmann::json> Pictures(const Policy& sampler) const override {
    const at::NoGradGuard no_grad;
    const std::vector<ConditionId> some(test_.begin(), test_.begin() + std::min<int64_t>(kDrawn, std::ssize(test_)));
    ASSIGN_OR_RETURN(const TrajectoryBatch drawn, Draw(sampler, some, 2, 0));
    const at::Tensor decoded =
        model_->Decode(drawn.actions_BT).sigmoid().view({std::ssize(some), 2, model_->side(), model_->side()});
    const at::Tensor u =
        UniformTensor({1, RngPurpose::kSample, 0}, {std::ssize(some), model_->world().Spec().max_steps}, at::kDouble, 3);
    const at::Tensor prior = model_->Decode((u * static_cast<double>(config_.model.num_codes)).to(at::kLong)).sigmoid();
    nlohmann::json rows = nlohmann::json::array();
    const auto add = [&](const std::string& name, const at::Tensor& images_CSS) {
      const at::Tensor mosaic = images_CSS.permute({1, 0, 2}).contiguous().to(at::kDouble);
      std::vector<double> cells(mosaic.const_data_ptr<double>(), mosaic.const_data_ptr<double>() + mosaic.numel());
      for (double& cell : cells) cell = std::round(cell * 100) / 100;
      rows.push_back(
          {{"name", name}, {"cells", cells}, {"rows", model_->side()}, {"columns", model_->side() * std::ssize(some)}});
    };
    add("test images", model_->ImagesOf(ConditionColumn(some)).squeeze(1));
    add("from codes drawn for them", decoded.select(1, 0));
    add("from other codes drawn for them", decoded.select(1, 1));
    add("from codes of the prior", prior);
    return nlohmann::json{{"images", rows}};
  }

 private:
  static constexpr int64_t kMostListed = 4096;

  StatusOr<TrajectoryBatch> Draw(const Policy& sampler, const std::vector<ConditionId>& ids, int64_t samples,
                                 uint64_t first) const {
    return Rollout(model_->world(), sampler, RolloutRows(ids, samples, {}, first * static_cast<uint64_t>(samples)),
                   {static_cast<uint64_t>(config_.start_seed), RngPurpose::kEval, 2});
  }
  // log p(x, z) - log q(z | x), float64 [C * samples].
  StatusOr<at::Tensor> LogWeights(const Policy& sampler, const std::vector<ConditionId>& ids, int64_t samples,
                                  uint64_t first) const {
    ASSIGN_OR_RETURN(const TrajectoryBatch drawn, Draw(sampler, ids, samples, first));
    ASSIGN_OR_RETURN(const at::Tensor log_joint_B, model_->LogJoint(drawn));
    const TrajectoryScores scores = sampler.Score(drawn, {.needs = Need::kLogPf, .with_grad = false});
    return log_joint_B - scores.log_pf_BT.to(at::kDouble).sum(1);
  }

  DvaeWorld config_;
  DvaeModel* model_;
  std::vector<ConditionId> test_;
};

}  // namespace

StatusOr<std::unique_ptr<World>> MakeWorld(const DvaeWorld& config) {
  auto world = std::make_unique<World>();
  ASSIGN_OR_RETURN(const at::Tensor test, ReadIdxImages(config.test, config.test_images));
  ASSIGN_OR_RETURN(const at::Tensor train, ReadIdxImages(config.train, config.max_images));
  if (test.size(1) != train.size(1)) {
    return InvalidArgument("task.test: images of side " + std::to_string(test.size(1)) + ", but those of task.train have side " +
                           std::to_string(train.size(1)));
  }
  for (const auto& [key, path] : {std::pair{"task.train", config.train}, {"task.test", config.test}}) {
    ASSIGN_OR_RETURN(const uint64_t digest, FileDigest(path));
    world->identity[key] = DigestToHex(digest);
  }
  // Test images first: they are what the metrics of all worlds measure one by one.
  ASSIGN_OR_RETURN(auto made, DvaeModel::Create(config.model, at::cat({test, train}), static_cast<uint64_t>(config.start_seed)));
  DvaeModel* model = made.get();
  const std::vector<ConditionId>& ids = model->ids_of_images();
  const auto distinct = [](auto begin, auto end) {
    std::set<ConditionId> seen;
    std::vector<ConditionId> kept;
    for (auto id = begin; id != end; ++id) {
      if (seen.insert(*id).second) kept.push_back(*id);
    }
    return kept;
  };
  world->training_conditions = distinct(ids.begin() + test.size(0), ids.end());
  world->learner =
      std::make_unique<DvaeLearner>(model, std::move(made), config, distinct(ids.begin(), ids.begin() + test.size(0)));
  world->conditions = model->conditions();
  world->num_measured = std::min<int64_t>(kMeasuredOneByOne, test.size(0));
  world->reward = std::make_unique<ModelReward>(*model);
  auto rules = std::make_unique<CodeWorld>("dvae", config.model.grid * config.model.grid, config.model.num_codes);
  const CodeWorld* codes = rules.get();
  world->features = StateFeatures([codes](const State& state) { return codes->Features(state); });
  world->num_features = codes->NumFeatures();
  world->condition_features = [model](const std::vector<ConditionId>& some) { return Ink(*model, some); };
  const int64_t squares = std::min<int64_t>(7, train.size(1));
  world->num_condition_features = squares * squares;
  world->network = WorldNetwork{.make =
                                    [codes, model, encoder = config.encoder](ParameterSet& parameters, uint64_t seed) {
                                      return std::make_unique<DvaePolicy>(*codes, *model, encoder, parameters, seed);
                                    },
                                .num_parameters = DvaePolicy::NumParameters(config.model, train.size(1), config.encoder)};
  constexpr int64_t kMostExact = int64_t{1} << 16;
  if (codes->NumObjects() <= kMostExact) {
    world->enumerable = codes;
  } else {
    world->not_enumerable =
        std::to_string(config.model.num_codes) + "^" + std::to_string(config.model.grid * config.model.grid) + " codes";
  }
  world->facts = {
      {"images", std::to_string(world->training_conditions.size()) + " to train on, " + std::to_string(test.size(0)) +
                     " to test, side " + std::to_string(train.size(1))},
      {"codes", std::to_string(config.model.grid * config.model.grid) + " of " + std::to_string(config.model.num_codes)}};
  world->environment = std::move(rules);
  return world;
}

}  // namespace gfn
