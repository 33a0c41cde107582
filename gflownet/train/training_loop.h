// What can be trained: something that takes steps and can be saved and loaded exactly. Trainer (GFlowNet) and EmTrainer
// are loops; Drive (train/drive.h) runs one.
#pragma once

#include <cstdint>
#include <string>

#include "gflownet/base/status.h"
#include "gflownet/train/metrics.h"

namespace gfn {

class TrainingLoop {
 public:
  virtual ~TrainingLoop() = default;

  // Takes one step. After an error the state may be half changed: the loop must not be saved or stepped again. Nothing
  // that decides the step reads a clock or consumes a generator's state, so step n is a pure function of the state.
  virtual StatusOr<StepMetrics> Step() = 0;
  // Steps taken since the start of the run (not of this process).
  virtual int64_t num_steps() const = 0;

  // Writes everything the following steps depend on as files in `folder`, which exists and is empty.
  virtual Status Save(const std::string& folder) const = 0;
  // Reads what Save wrote; the loop was built from the same configuration.
  virtual Status Load(const std::string& folder) = 0;

 protected:
  TrainingLoop() = default;
  TrainingLoop(const TrainingLoop&) = default;
  TrainingLoop& operator=(const TrainingLoop&) = default;
};

}  // namespace gfn
