#include "gflownet/train/toy_loop.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gflownet/base/file_util.h"
#include "gflownet/base/phase.h"
#include "gflownet/tensor/random.h"

namespace gfn {

ToyLoop::ToyLoop(int64_t num_weights) {
  parameters_.Add("w", "model", at::zeros({num_weights}));
  OptimizerConfig config;
  config.learning_rate = 0.05;
  optimizer_ = std::make_unique<Optimizer>(Optimizer::Create(config, &parameters_).value());
}

StatusOr<StepMetrics> ToyLoop::Step() {
  const at::Tensor& w = parameters_.Get("w");
  parameters_.ZeroGrad();
  const uint64_t step = static_cast<uint64_t>(num_steps());
  const at::Tensor x = NormalTensor({1, RngPurpose::kData, step}, {4, w.size(0)});
  at::Tensor loss;
  {
    const Phase phase("forward");
    loss = (x.matmul(w) - x.sum(1)).pow(2).mean();  // the truth: all weights 1
    if (interrupt) interrupt(num_steps() + 1);
  }
  loss.backward();
  ASSIGN_OR_RETURN(const OptimizerStep taken, optimizer_->Step());
  return StepMetrics{{"loss", loss.item<double>()}, {"grad_norm", taken.grad_norm}};
}

Status ToyLoop::Save(const std::string& folder) const {
  RETURN_IF_ERROR(parameters_.Save(JoinPath(folder, "parameters.safetensors")));
  if (interrupt) interrupt(0);
  return optimizer_->Save(JoinPath(folder, "optimizer.safetensors"));
}

Status ToyLoop::Load(const std::string& folder) {
  RETURN_IF_ERROR(parameters_.Load(JoinPath(folder, "parameters.safetensors")));
  return optimizer_->Load(JoinPath(folder, "optimizer.safetensors"));
}

double ToyLoop::Score() const { return -(parameters_.Get("w").detach() - 1).pow(2).mean().item<double>(); }

std::string NewFolder(const std::string& name) {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::string path = testing::TempDir() + "/" + test->test_suite_name() + "." + test->name() + "." + name;
  EXPECT_TRUE(RemoveAll(path).ok());
  return path;
}

RunFolder NewRun(const std::string& name) {
  auto run = RunFolder::Create(NewFolder(name), "seed: 1\n");
  EXPECT_TRUE(run.ok()) << run.status();
  return *std::move(run);
}

std::string FolderContent(const std::string& folder) {
  std::string content;
  const auto names = ListFolder(folder);
  EXPECT_TRUE(names.ok()) << names.status();
  for (const std::string& name : *names) {
    if (name == "timing.jsonl" || name == "history.jsonl" || name == "lock") continue;
    const std::string path = JoinPath(folder, name);
    content += "== " + name + "\n";
    content += FolderExists(path) ? FolderContent(path) : ReadFile(path).value();
  }
  return content;
}

}  // namespace gfn
