// The optimiser's state on the disk: "<parameter>.mean", ".square", ".steps" (int64 scalar), ".master" where there is
// one, and the number of steps of the whole as "num_steps".
#include <ATen/ATen.h>

#include "gflownet/base/text_util.h"
#include "gflownet/tensor/safetensors_tensors.h"
#include "gflownet/train/optimizer.h"

namespace gfn {
namespace {

constexpr char kNumSteps[] = "num_steps";

at::Tensor Scalar(int64_t value) { return at::scalar_tensor(value, at::kLong); }

}  // namespace

Status Optimizer::Save(const std::string& path) const {
  std::vector<NamedTensor> tensors = {{kNumSteps, Scalar(num_steps_)}};
  for (size_t i = 0; i < slots_.size(); ++i) {
    const std::string& name = (*parameters_)[i].name;
    const Slot& slot = slots_[i];
    tensors.push_back({name + ".mean", slot.mean});
    tensors.push_back({name + ".square", slot.square});
    tensors.push_back({name + ".steps", Scalar(slot.num_steps)});
    if (slot.master.defined()) tensors.push_back({name + ".master", slot.master});
  }
  return WriteTensors(path, tensors);
}

Status Optimizer::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  // 1. Read everything into a copy of the slots; `expected` counts what the file must hold and nothing else.
  std::vector<std::string> mistakes;
  size_t expected = 0;
  const auto read = [&](const std::string& name, const at::Tensor& like) -> at::Tensor {
    ++expected;
    StatusOr<at::Tensor> tensor = ReadTensor(file, name);
    if (!tensor.ok()) {
      mistakes.push_back(Message(tensor.status()));
    } else if (tensor->sizes() != like.sizes() || tensor->scalar_type() != like.scalar_type()) {
      mistakes.push_back("'" + name + "' has another shape or type than its parameter");
    } else if (!tensor->isfinite().all().item<bool>()) {
      mistakes.push_back("'" + name + "' holds values that are not finite");
    } else {
      return tensor->to(like.device());
    }
    return like;
  };
  const at::Tensor any_count = Scalar(0);
  const auto read_count = [&](const std::string& name) {
    const int64_t count = read(name, any_count).item<int64_t>();
    if (count < 0) mistakes.push_back("'" + name + "' is negative");
    return count;
  };
  std::vector<Slot> slots = slots_;
  const int64_t num_steps = read_count(kNumSteps);
  for (size_t i = 0; i < slots.size(); ++i) {
    const std::string& name = (*parameters_)[i].name;
    slots[i].mean = read(name + ".mean", slots[i].mean);
    slots[i].square = read(name + ".square", slots[i].square);
    slots[i].num_steps = read_count(name + ".steps");
    if (slots[i].master.defined()) slots[i].master = read(name + ".master", slots[i].master);
  }
  if (mistakes.empty() && file.tensors().size() != expected) {
    mistakes.push_back("holds " + std::to_string(file.tensors().size()) + " tensors, expected " + std::to_string(expected));
  }
  if (!mistakes.empty()) return DataLoss(path + ": not the state of this optimiser: " + Join(mistakes, "; "));

  // 2. Everything fits.
  slots_ = std::move(slots);
  num_steps_ = num_steps;
  return OkStatus();
}

}  // namespace gfn
