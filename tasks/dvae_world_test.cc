// A discrete VAE behind the interface of all tasks: images of idx files, a decoder fitted by EM, a checkpoint of all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "tasks/build.h"
#include "tasks/training.h"
#include "tasks/world/idx_images.h"

namespace gfn {
namespace {

using testing::AllOf;
using testing::HasSubstr;

void Append(std::string& bytes, int64_t number) {
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<char>(number >> shift & 255));
}

// Bars at one of four places, with some noise: few codes say what they are.
std::string Bars(int64_t num, int64_t side, uint64_t seed) {
  std::string bytes;
  for (const int64_t number : {int64_t{0x0803}, num, side, side}) Append(bytes, number);
  const RngKey key{seed, RngPurpose::kTest, 0};
  for (int64_t n = 0; n < num; ++n) {
    const auto stream = static_cast<uint64_t>(n);
    const int64_t place = UniformInt(key, stream, 0, 4), upright = UniformInt(key, stream, 1, 2);
    for (int64_t k = 0; k < side * side; ++k) {
      const int64_t along = upright == 1 ? k % side : k / side;
      const bool ink = along * 4 / side == place, flip = Uniform(key, stream, static_cast<uint64_t>(k + 2)) < 0.02;
      bytes.push_back(static_cast<char>(ink != flip ? 200 : 20));
    }
  }
  return bytes;
}

void WriteGzip(const std::string& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())), static_cast<int>(bytes.size()));
  gzclose(file);
}

class DvaeWorldTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteGzip(folder_ / "train.gz", Bars(200, 8, 1));
    ASSERT_TRUE(WriteFileAtomic(folder_ / "test", Bars(20, 8, 2)).ok());
  }
  std::string Text(const std::string& more = "") const {
    return "threads: 1\ntask: {kind: dvae, grid: 2, num_codes: 4, channels: 8, residual_blocks: 1, train: " +
           (folder_ / "train.gz") + ", test: " + (folder_ / "test") +
           ", encoder: {encoded: 16, width: 32}, em: {e_step: {kind: sampler, max_updates: 1, sleep: {every: 2, rows: 32}}, "
           "m_step: "
           "{kind: gradient, optimizer: {learning_rate: 0.003}}, m_conditions: 32}, log_z: {kind: network, width: 16, depth: 1}" +
           more +
           "}\nobjective: {kind: tb}\ntrain: {conditions_per_step: 32, rollouts: 1}\n"
           "optimizer: {learning_rate: 0.003, groups: [{group: log_z, learning_rate_scale: 10}]}\nevaluation: {samples: 16}\n";
  }
  StatusOr<TrainingParts> Make(const std::string& text) {
    ASSIGN_OR_RETURN(const RunConfig config, ReadRunConfigText(text, "test.yaml"));
    ASSIGN_OR_RETURN(task_, BuildTask(config, {}));
    ASSIGN_OR_RETURN(const TrainingData data, task_->LoadTraining(RunPaths{"."}, {}));
    return MakeTraining(config, *task_, data, "");
  }
  std::string Refused(const std::string& text) {
    const auto made = Make(text);
    return made.ok() ? "accepted" : std::string(Message(made.status()));
  }

  TestFolder folder_;
  std::unique_ptr<Task> task_;
};

TEST_F(DvaeWorldTest, EmFitsItAndACheckpointHoldsAll) {
  auto training = Make(Text());
  ASSERT_TRUE(training.ok()) << training.status();
  const auto before = task_->Validate();
  ASSERT_TRUE(before.ok()) << before.status();
  for (int step = 0; step < 350; ++step) {
    const auto metrics = training->loop().Step();
    ASSERT_TRUE(metrics.ok()) << metrics.status();
  }
  const auto after = task_->Validate();
  ASSERT_TRUE(after.ok()) << after.status();
  const auto nll = [](const Evaluation& evaluation) { return *evaluation.metrics.Find("nll"); };
  EXPECT_LT(nll(*after), nll(*before) - 8);
  EXPECT_LE(nll(*after), *after->metrics.Find("elbo_nll"));
  EXPECT_EQ(after->score, -nll(*after));
  ASSERT_TRUE(training->loop().Save(folder_ / "").ok());
  const auto next = training->loop().Step();
  auto resumed = Make(Text());
  ASSERT_TRUE(resumed.ok() && resumed->loop().Load(folder_ / "").ok());
  EXPECT_EQ(nll(*task_->Validate()), nll(*after));
  EXPECT_EQ(*resumed->loop().Step(), *next);
}

TEST_F(DvaeWorldTest, FilesThatAreNoImages) {
  const std::string path = folder_ / "images";
  const auto read = [&](const std::string& bytes) {
    EXPECT_TRUE(WriteFileAtomic(path, bytes).ok());
    const auto images = ReadIdxImages(path, 0);
    return images.ok() ? "accepted" : std::string(Message(images.status()));
  };
  const std::string good = Bars(3, 4, 1);
  EXPECT_EQ(read(good), "accepted");
  EXPECT_EQ(ReadIdxImages(path, 2)->sizes(), (std::vector<int64_t>{2, 4, 4}));
  EXPECT_THAT(read(good.substr(0, good.size() - 1)), AllOf(HasSubstr(path), HasSubstr("image 2 of 3"), HasSubstr("ends early")));
  EXPECT_THAT(read(good.substr(0, 9)), HasSubstr("ends early"));
  EXPECT_THAT(read("no images at all, but some text"), HasSubstr("another kind of file"));
  std::string huge;
  for (const int64_t number : {int64_t{0x0803}, int64_t{0x7fffffff}, int64_t{4096}, int64_t{4096}}) Append(huge, number);
  EXPECT_THAT(read(huge), HasSubstr("ends early")) << "nothing of the size that it claims is allocated";
  WriteGzip(path, good);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_FALSE(ReadIdxImages(path, 0).ok());
  EXPECT_THAT(Message(ReadIdxImages(folder_ / "none", 0).status()), HasSubstr("none: No such file"));
}

TEST_F(DvaeWorldTest, WhatDoesNotFit) {
  EXPECT_EQ(Refused(Text()), "accepted");
  EXPECT_THAT(Refused(Text(", policy: {kind: tabular}")), HasSubstr("network of its own"));
  std::string text = Text();
  text.replace(text.find("grid: 2"), 7, "grid: 3");
  EXPECT_THAT(Refused(text), AllOf(HasSubstr("grid of 3"), HasSubstr("side 8")));
  text = Text();
  text.replace(text.find("{kind: tb}"), 10, "{kind: db}");
  EXPECT_THAT(Refused(text), HasSubstr("log F(s)"));
  ASSERT_TRUE(WriteFileAtomic(folder_ / "test", Bars(5, 4, 2)).ok());
  EXPECT_THAT(Refused(Text()), AllOf(HasSubstr("side 4"), HasSubstr("side 8")));
}

}  // namespace
}  // namespace gfn
