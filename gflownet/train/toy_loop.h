// A small TrainingLoop for the tests of the driver: a linear model fitted by Optimizer to addressed random data. The step
// is a pure function of the state, as the contract asks; and it can be made to fail.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "gflownet/train/optimizer.h"
#include "gflownet/train/run_folder.h"
#include "gflownet/train/training_loop.h"

namespace gfn {

class ToyLoop : public TrainingLoop {
 public:
  explicit ToyLoop(int64_t num_weights = 32);

  StatusOr<StepMetrics> Step() override;
  int64_t num_steps() const override { return optimizer_->num_steps(); }
  Status Save(const std::string& folder) const override;
  Status Load(const std::string& folder) override;

  // Called in the middle of step n, with n, and in the middle of Save, with 0: may throw, wait or raise a signal.
  std::function<void(int64_t)> interrupt;
  // The mean square of what the weights are away from the truth, negated.
  double Score() const;

 private:
  ParameterSet parameters_;
  std::unique_ptr<Optimizer> optimizer_;
};

// A new folder for one test.
std::string NewFolder(const std::string& name);
RunFolder NewRun(const std::string& name);
// Everything in the folder as one text, but for files with the clock in them and the lock.
std::string FolderContent(const std::string& folder);

}  // namespace gfn
