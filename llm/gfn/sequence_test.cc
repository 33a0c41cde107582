// Token sequences as a world, the language model as its policy and its reward: the suites that every part passes, and what is
// special to text. tiny_llama in float64, so that equal means equal.
#include <ATen/ExpandUtils.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include "gflownet/core/rollout.h"
#include "gflownet/core/rollout_checks.h"
#include "gflownet/tensor/random.h"
#include "llm/gfn/device_rollout.h"
#include "llm/gfn/test_world.h"
#include "llm/gfn/toy_rules.h"
#include "tests/support/conformance.h"

namespace gfn {
namespace {

const std::string kTiny = std::string(GFN_SOURCE_DIR) + "/tests/golden/models/tiny_llama";
const std::vector<int64_t> kLegal = {5, 6, 9, 20, 33};  // illegal ids between them

std::vector<SequenceCondition> Conditions() {
  return {{.prompt = {4, 30, 47}, .x = {30, 47, 2}, .y = {11, 12, 13}},
          {.prompt = {4, 30, 48, 7}, .x = {8}, .y = {14}},
          {.prompt = {50}, .x = {50}, .y = {}}};  // a continuation
}

struct Case {
  std::string name;
  std::vector<int64_t> stops;
  int64_t min_len, max_len;
  std::vector<int64_t> illegal_last = {};
  TestWorld::MakeRules rules = {};  // instead of a support
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

// Tokens are forced: by what stands before them, and by the step.
Case Forcing() {
  return {"forced_tokens", {}, 1, 5, {}, [](int64_t vocab_size) { return std::make_unique<ToyRules>(vocab_size, 1, 5); }};
}
Case Frame() {
  return {"forced_frame", {}, 4, 4, {}, [](int64_t vocab_size) { return std::make_unique<FrameRules>(vocab_size, kLegal, 10); }};
}

class Sequences : public testing::TestWithParam<Case> {
 protected:
  static TestWorld MakeWorld(ModelDtype dtype) {
    if (GetParam().rules) return TestWorld(kTiny, dtype, Conditions(), GetParam().rules);
    return TestWorld(kTiny, dtype, Conditions(), kLegal, GetParam().stops, GetParam().min_len, GetParam().max_len,
                     GetParam().illegal_last);
  }
  // Is there one object alone?
  static bool IsCertain() { return GetParam().max_len == 0 && GetParam().stops.size() == 1; }
  static constexpr ConformanceOptions kOptions{.rollouts = 5, .seed = 1, .tolerance = kTinyModelTolerance};
  TestWorld world_ = MakeWorld(ModelDtype::kFloat64);
};
INSTANTIATE_TEST_SUITE_P(Supports, Sequences,
                         testing::Values(Forcing(), Frame(), Case{"without_stop", {}, 3, 3},
                                         Case{"without_stop_other_last_place", {}, 3, 3, {5, 9}}, Case{"one_token", {}, 1, 1},
                                         Case{"forced_stop", {10}, 2, 4}, Case{"several_stops", {3, 10, 21}, 1, 3},
                                         Case{"empty_object", {10, 3}, 0, 3}, Case{"fixed_length", {10}, 3, 3},
                                         Case{"other_last_place", {10}, 1, 3, {6, 20, 33}},
                                         Case{"fixed_length_other_last_place", {10, 3}, 2, 2, {5}},
                                         Case{"empty_object_alone", {10}, 0, 0}, Case{"several_empty_objects", {10, 3}, 0, 0}),
                         [](const auto& info) { return info.param.name; });

// Float64 values that behave as after training.
std::unique_ptr<TestSampler> Trained(const TestWorld& world, uint64_t seed, bool share_prefixes = true) {
  auto sampler = std::make_unique<TestSampler>(world, LoraConfig{.rank = 3, .alpha = 6, .targets = {}}, seed, share_prefixes);
  const at::NoGradGuard no_grad;
  uint64_t stream = 0;
  for (const Parameter& parameter : sampler->parameters) {
    at::Tensor(parameter.value)
        .copy_(NormalTensor({seed, RngPurpose::kTest, 3}, parameter.value.sizes(), at::kFloat, stream++) * 0.3);
  }
  sampler->parameters.RaiseVersion();
  return sampler;
}

TEST_P(Sequences, Environment) { CheckEnvironment(*world_.environment, world_.conditions, kOptions); }

// In float64, as all that keeps rewards does.
TEST_P(Sequences, Reward) {
  CheckReward(*world_.environment, *world_.reward, world_.conditions, kOptions);
  TrajectoryBatch batch = RandomTrajectories(*world_.environment, world_.conditions, kOptions);
  const RewardValueAlong along = world_.reward->LogRewardAlong(batch).value();
  EXPECT_EQ(along.log_reward_along_BT.scalar_type(), at::kDouble);
  for (const auto& [name, value_B] : along.terms) EXPECT_EQ(value_B.scalar_type(), at::kDouble) << name;
}

TEST_P(Sequences, Policy) {
  const auto sampler = Trained(world_, 1), other = Trained(world_, 2);
  CheckPolicy(*world_.environment, *sampler->policy, world_.conditions, kOptions);
  if (IsCertain()) return;  // there is nothing to learn
  CheckPolicyParameters(*world_.environment, {*sampler->policy, sampler->parameters}, {*other->policy, other->parameters},
                        world_.conditions, kOptions);
}

TEST_P(Sequences, PolicyInFp32) {
  const TestWorld world = MakeWorld(ModelDtype::kFloat32);
  const auto sampler = Trained(world, 1);
  ConformanceOptions options = kOptions;
  options.tolerance = kTokenLogProbTolerance;
  CheckPolicy(*world.environment, *sampler->policy, world.conditions, options);
}

// The road of the kernels: a session's hidden states are the scorer's, bit for bit, whatever leaves on the way.
TEST_P(Sequences, SessionAndScorerComputeTheSameBits) {
  for (const ModelDtype dtype : {ModelDtype::kFloat32, ModelDtype::kBFloat16}) {
    const TestWorld world = MakeWorld(dtype);
    ASSERT_TRUE(world.model->KeepsBits());
    const auto sampler = Trained(world, 1), other = Trained(world, 2);
    const TrajectoryBatch batch = RandomTrajectories(*world.environment, world.conditions, kOptions);
    const auto scored = [&](const TestSampler& by, bool with_grad) {
      return by.policy->Score(batch, {.needs = Need::kFingerprint | Need::kLogPf, .with_grad = with_grad}).fingerprint_BT;
    };
    const Replay said = ReplayThroughSession(*world.environment, *sampler->policy, batch);
    const at::Tensor expected = scored(*sampler, false);
    const at::Tensor computed = expected.ne(0);
    EXPECT_TRUE(said.fingerprint_BT.where(computed, 0).equal(expected));
    EXPECT_TRUE(scored(*sampler, true).equal(expected)) << "with a tape";
    if (IsCertain()) continue;
    EXPECT_FALSE(scored(*other, false).eq(expected).logical_and(computed).any().item<bool>()) << "another adapter, other bits";
    EXPECT_LT(said.log_pf_BT.sum(1).max().item<double>(), 0);
  }
}

// What LibTorch has no shape function of, without its Python part.
at::Tensor IndexSelectOnMeta(const at::Tensor& x, int64_t dim, const at::Tensor& index) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape[at::maybe_wrap_dim(dim, x.dim())] = index.numel();
  return at::empty(shape, x.options());
}
std::vector<int64_t> ShapeOfWhere(const at::Tensor& condition, const at::Tensor& yes, const at::Tensor& no) {
  for (const at::Tensor& x : {condition, yes, no}) TORCH_CHECK(x.is_meta() || x.dim() == 0, "two devices meet");
  return at::infer_size(condition.sizes(), at::infer_size(yes.sizes(), no.sizes()));
}
at::Tensor WhereOnMeta(const at::Tensor& condition, const at::Tensor& yes, const at::Tensor& no) {
  return at::empty(ShapeOfWhere(condition, yes, no), at::TensorOptions().dtype(at::result_type(yes, no)).device(at::kMeta));
}
at::Tensor& WhereOutOnMeta(const at::Tensor& condition, const at::Tensor& yes, const at::Tensor& no, at::Tensor& out) {
  out.resize_(ShapeOfWhere(condition, yes, no));
  return out;
}
at::Tensor& UnaryOutOnMeta(const at::Tensor& x, at::Tensor& out) {
  out.resize_(x.sizes());
  return out;
}
at::Tensor& BinaryOutOnMeta(const at::Tensor& x, const at::Tensor& y, at::Tensor& out) {
  TORCH_CHECK(x.is_meta() && (y.is_meta() || y.dim() == 0), "two devices meet");
  out.resize_(at::infer_size(x.sizes(), y.sizes()));
  return out;
}
TORCH_LIBRARY_IMPL(aten, Meta, library) {
  for (const char* name : {"abs.out", "logical_not.out"}) library.impl(name, &UnaryOutOnMeta);
  for (const char* name : {"logical_and.out", "logical_or.out"}) library.impl(name, &BinaryOutOnMeta);
  library.impl("index_select", &IndexSelectOnMeta);
  library.impl("where.self", &WhereOnMeta);
  library.impl("where.self_out", &WhereOutOnMeta);
}

// Scores are where the model computes. A device of type meta computes nothing, but knows where everything is.
TEST_P(Sequences, ScoresAreOnTheDeviceOfTheModel) {
  const auto model = LanguageModel::Load(*world_.source, {ModelDtype::kFloat32, at::kMeta}).value();
  const SequencePolicy policy(*model, nullptr, nullptr, *world_.environment);
  const TrajectoryBatch batch = RandomTrajectories(*world_.environment, world_.conditions, kOptions);
  const TrajectoryScores scores = policy.Score(batch, {.needs = policy.Provides(), .with_grad = false});
  EXPECT_EQ(scores.log_pf_BT.device(), at::Device(at::kMeta));
  ExpectOneDevice(scores);
}

TEST_P(Sequences, PolicyIsADistributionOverTheObjects) {
  const auto sampler = Trained(world_, 1);
  for (const ConditionId id : world_.conditions) {
    const auto objects = world_.Objects(id);
    const auto texts = ScoreTexts(*world_.environment, *sampler->policy, *world_.reward,
                                  Repeat(id, static_cast<int64_t>(objects.size())), objects);
    ASSERT_TRUE(texts.ok()) << texts.status();
    double total = 0;
    for (const SampledText& text : *texts) total += std::exp(text.log_q);
    EXPECT_NEAR(total, 1, 1e-9);
  }
}

// Plain evaluation: one sequence at a time, the full softmax, every token's log-probability added up by hand.
double PlainLogLikelihood(const LanguageModel& model, const SequenceCondition& condition, const std::vector<int32_t>& z_stop) {
  std::vector<int32_t> tokens = condition.x;
  tokens.insert(tokens.end(), z_stop.begin(), z_stop.end());
  tokens.insert(tokens.end(), condition.y.begin(), condition.y.end());
  Forest forest;
  forest.AddRoot(tokens);
  std::vector<int64_t> rows;
  for (size_t i = condition.x.size(); i < tokens.size(); ++i) rows.push_back(static_cast<int64_t>(i) - 1);
  const at::Tensor log_p = model.Logits(model.Forward(PackForest(forest), rows, {})).log_softmax(-1);
  double sum = 0;
  for (size_t r = 0; r < rows.size(); ++r) sum += log_p[static_cast<int64_t>(r)][tokens[rows[r] + 1]].item<double>();
  return sum;
}

// The road of devices, which nobody waits for, on the CPU.
class DeviceRollouts : public Sequences {
 protected:
  DeviceRollouts() {
    rows_[1].exploration = {.temperature = 1.7};
    rows_[2].exploration = {.epsilon = 0.3};
    rows_[8].exploration = {.temperature = 0.5, .top_k = 2};
  }
  StatusOr<WholeRollout> Sample(const TestSampler& sampler) const {
    std::vector<std::vector<int32_t>> prompts;
    std::vector<int32_t> prompt_of_row;
    for (const ConditionId id : world_.conditions) prompts.push_back(sampler.policy->Prompt(id));
    for (size_t row = 0; row < rows_.size(); ++row) prompt_of_row.push_back(static_cast<int32_t>(row / kRows));
    DecodeSession decoder(*world_.model, &sampler.adapter, prompts, prompt_of_row, static_cast<int32_t>(GetParam().max_len));
    return SampleOnDevice(decoder, *world_.environment, rows_, kKey);
  }
  static constexpr int64_t kRows = 5;  // of each condition
  static constexpr RngKey kKey{7, RngPurpose::kRollout, 2};
  std::vector<RolloutRow> rows_ = RolloutRows(world_.conditions, kRows);
};
INSTANTIATE_TEST_SUITE_P(Supports, DeviceRollouts,
                         testing::Values(Frame(), Case{"without_stop", {}, 3, 3}, Case{"forced_stop", {10}, 2, 4},
                                         Case{"several_stops", {3, 10, 21}, 1, 3}, Case{"empty_object", {10, 3}, 0, 3},
                                         Case{"other_last_place", {10}, 1, 3, {6, 20, 33}}),
                         [](const auto& info) { return info.param.name; });

TEST_P(DeviceRollouts, AreThoseOfTheHost) {
  const auto sampler = Trained(world_, 1);
  const auto host = Rollout(*world_.environment, *sampler->policy, rows_, kKey);
  const auto whole = Sample(*sampler);
  ASSERT_TRUE(host.ok() && whole.ok()) << Message(host.status()) << Message(whole.status());
  const TrajectoryBatch* device = &whole->batch;
  ASSERT_TRUE(device->Check().ok()) << Message(device->Check());
  EXPECT_EQ(device->condition_ids, host->condition_ids);
  EXPECT_TRUE(at::equal(device->lengths_B, host->lengths_B));
  EXPECT_TRUE(at::equal(device->actions_BT, host->actions_BT));
  ASSERT_EQ(device->stop_legal_BT.defined(), host->stop_legal_BT.defined());
  if (host->stop_legal_BT.defined()) {
    EXPECT_TRUE(at::equal(device->stop_legal_BT, host->stop_legal_BT));
  }
  if (GetParam().min_len < GetParam().max_len) {
    EXPECT_GT(host->lengths_B.max().item<int64_t>(), host->lengths_B.min().item<int64_t>()) << "rows end at different steps";
  }
  // log q is the policy's own, also of the rows that explored.
  const TrajectoryScores scores = sampler->policy->Score(*device, {.needs = Need::kLogPf, .with_grad = false});
  ExpectClose(whole->log_q_BT, scores.log_pf_BT, kTinyModelTolerance, "log q of the device's road against Score");
}

TEST_P(DeviceRollouts, RefuseLogitsThatAreNotFinite) {
  const auto sampler = Trained(world_, 1);
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : sampler->parameters) at::Tensor(parameter.value).fill_(NAN);
  const auto batch = Sample(*sampler);
  ASSERT_FALSE(batch.ok());
  EXPECT_NE(Message(batch.status()).find("NaN"), std::string::npos) << Message(batch.status());
}

TEST_P(Sequences, RewardAtEveryPrefixIsPlainEvaluation) {
  TrajectoryBatch batch = RandomTrajectories(*world_.environment, world_.conditions, kOptions);
  const bool has_stops = batch.stop_legal_BT.defined();
  ASSERT_TRUE(EvaluateReward(*world_.reward, batch, /*along=*/has_stops).ok());
  int64_t num_prefixes = 0;
  const auto expect_plain = [&](int64_t b, const std::vector<int32_t>& tokens, double found) {
    const double plain = PlainLogLikelihood(*world_.model, world_.table.Get(batch.condition_ids[b]), tokens);
    EXPECT_NEAR(found, plain, kTinyModelTolerance.value * std::abs(plain)) << "row " << b << " prefix " << tokens.size();
    ++num_prefixes;
  };
  for (int64_t b = 0; b < batch.size(); ++b) {
    const int64_t length = batch.lengths_B[b].item<int64_t>();
    std::vector<int32_t> z;
    for (int64_t k = 0; k < length; ++k) {
      if (has_stops && batch.stop_legal_BT[b][k].item<bool>()) {
        std::vector<int32_t> stopped = z;
        stopped.push_back(static_cast<int32_t>(batch.actions_BT[b][length - 1].item<int64_t>()));
        expect_plain(b, stopped, batch.log_reward_along_BT[b][k].item<double>());
      }
      z.push_back(static_cast<int32_t>(batch.actions_BT[b][k].item<int64_t>()));
    }
    if (!has_stops) expect_plain(b, z, batch.log_reward_B[b].item<double>());
    double terms = 0;
    for (const auto& [name, value_B] : batch.reward_terms) terms += value_B[b].item<double>();
    EXPECT_NEAR(terms, batch.log_reward_B[b].item<double>(), kTinyModelTolerance.value);
  }
  EXPECT_GE(num_prefixes, batch.size());
}

TEST_P(Sequences, SharingPrefixesChangesNothing) {
  const auto shared = Trained(world_, 1, true), separate = Trained(world_, 1, false);
  TrajectoryBatch batch = RandomTrajectories(*world_.environment, world_.conditions, kOptions);
  const ScoreOptions options{.needs = shared->policy->Provides(), .with_grad = false};
  const TrajectoryScores a = shared->policy->Score(batch, options), b = separate->policy->Score(batch, options);
  ExpectClose(a.log_pf_BT, b.log_pf_BT, kTinyModelTolerance, "log_pf");
  if (a.log_stop_BT.defined()) ExpectClose(a.log_stop_BT, b.log_stop_BT, kTinyModelTolerance, "log_stop");
  const LikelihoodReward plain(*world_.model, *world_.environment, "plain", {.share_prefixes = false, .max_positions = 1});
  TrajectoryBatch again = batch;
  const bool along = batch.stop_legal_BT.defined();
  ASSERT_TRUE(EvaluateReward(*world_.reward, batch, along).ok());
  ASSERT_TRUE(EvaluateReward(plain, again, along).ok());
  ExpectClose(batch.log_reward_B, again.log_reward_B, kTinyModelTolerance, "log R, also in passes of one condition each");
  if (batch.log_reward_along_BT.defined())
    ExpectClose(batch.log_reward_along_BT, again.log_reward_along_BT, kTinyModelTolerance, "log R of prefixes");
}

// No vocabulary limit of the sampler enters the reward, and the reward's adapter is its own.
TEST(LikelihoodReward, IsOfTheFullSoftmaxAndOfItsOwnAdapter) {
  const TestWorld narrow(kTiny, ModelDtype::kFloat64, Conditions(), kLegal, {10}, 1, 3);
  const TestWorld wide(kTiny, ModelDtype::kFloat64, Conditions(), {5, 6, 7, 8, 9, 20, 33, 50}, {10, 11}, 0, 5);
  TrajectoryBatch a = RandomTrajectories(*narrow.environment, narrow.conditions), b = a;
  ASSERT_TRUE(CompleteBatch(*wide.environment, b).ok());
  ASSERT_TRUE(EvaluateReward(*narrow.reward, a).ok());
  ASSERT_TRUE(EvaluateReward(*wide.reward, b).ok());
  ExpectClose(a.log_reward_B, b.log_reward_B, kTinyModelTolerance, "log R over two supports");
  const auto sampler = Trained(narrow, 4);
  const LikelihoodReward adapted(*narrow.model, *narrow.environment, "adapted", {.adapter = &sampler->adapter});
  TrajectoryBatch c = a;
  ASSERT_TRUE(EvaluateReward(adapted, c).ok());
  EXPECT_GT((c.log_reward_B - a.log_reward_B).abs().min().item<double>(), 1e-3);
}

// Two conditions that differ in the prompt alone have the same reward; the left-context policy cannot tell them apart.
TEST(SequencePolicy, ReadsItsPromptOrOnlyX) {
  const TestWorld world(kTiny, ModelDtype::kFloat64, {{{4, 30}, {8, 9}, {14}}, {{5, 31}, {8, 9}, {14}}}, kLegal, {10}, 1, 3);
  std::vector<std::vector<int32_t>> objects = {{5, 6, 10}, {5, 6, 10}};
  const SequencePolicy prompt(*world.model, nullptr, nullptr, *world.environment),
      x(*world.model, nullptr, nullptr, *world.environment, PromptSource::kX);
  const auto by_prompt = ScoreTexts(*world.environment, prompt, *world.reward, world.conditions, objects).value();
  const auto by_x = ScoreTexts(*world.environment, x, *world.reward, world.conditions, objects).value();
  EXPECT_GT(std::abs(by_prompt[0].log_q - by_prompt[1].log_q), 1e-3);
  EXPECT_NEAR(by_x[0].log_q, by_x[1].log_q, 1e-12);
  EXPECT_NEAR(by_prompt[0].log_reward, by_prompt[1].log_reward, kTinyModelTolerance.value);
}

TEST(SequenceEnvironment, RefusesSupportsWithoutSense) {
  const SequenceConditionTable table;
  const auto message = [&](SequenceSupport support) {
    const auto made = SequenceEnvironment::Create(std::move(support), table, "d", {});
    return made.ok() ? std::string("accepted") : std::string(Message(made.status()));
  };
  const SequenceSupport good{4, {true, true, false, false}, {2}, 1, 3};
  EXPECT_EQ(message(good), "accepted");
  const auto changed = [&](auto change) {
    SequenceSupport support = good;
    change(support);
    return message(std::move(support));
  };
  EXPECT_THAT(changed([](auto& s) { s.stop_ids = {}; }), testing::HasSubstr("no stop"));
  EXPECT_THAT(changed([](auto& s) { s.stop_ids = {4}; }), testing::HasSubstr("outside the vocabulary of 4"));
  EXPECT_THAT(changed([](auto& s) { s.stop_ids = {2, 2}; }), testing::HasSubstr("twice"));
  EXPECT_THAT(changed([](auto& s) { s.min_len = 4; }), testing::HasSubstr("min_len 4 and max_len 3"));
  EXPECT_THAT(changed([](auto& s) { s.legal = {false, false, true, false}; }), testing::HasSubstr("no legal token"));
  EXPECT_THAT(changed([](auto& s) { s.legal.pop_back(); }), testing::HasSubstr("another size"));
  EXPECT_THAT(changed([](auto& s) { s.illegal_last = {true, true, false}; }), testing::HasSubstr("another size"));
  EXPECT_THAT(changed([](auto& s) {
                s.illegal_last = {true, true, false, false};
              }),
              testing::HasSubstr("no legal token for the last place"));
  const auto by_length = [&](auto change) {
    return changed([&](auto& s) {
      s.ends_by_length = true;
      s.stop_ids = {};
      s.min_len = 3;
      change(s);
    });
  };
  EXPECT_EQ(by_length([](auto&) {}), "accepted");
  EXPECT_THAT(by_length([](auto& s) { s.stop_ids = {2}; }), testing::HasSubstr("there are stop tokens"));
  EXPECT_THAT(by_length([](auto& s) { s.min_len = 2; }), testing::HasSubstr("found min_len 2 and max_len 3"));
  EXPECT_THAT(by_length([](auto& s) { s.min_len = s.max_len = 0; }), testing::HasSubstr("max_len >= 1"));
}

}  // namespace
}  // namespace gfn
