#include "gflownet/core/state.h"

#include "gflownet/base/check.h"
#include "gflownet/core/condition_column.h"

namespace gfn {

at::Tensor ConditionColumn(const std::vector<ConditionId>& conditions_B) {
  std::vector<int64_t> bits;
  bits.reserve(conditions_B.size());
  for (const ConditionId id : conditions_B) bits.push_back(static_cast<int64_t>(id.value));
  return at::tensor(bits, at::kLong);
}

State::State(at::Tensor done_B) { SetDone(std::move(done_B)); }

State& State::SetDone(at::Tensor done_B) {
  GFN_CHECK(done_B.defined() && done_B.dim() == 1 && done_B.scalar_type() == at::kBool) << "done must be bool [B]";
  done_B_ = std::move(done_B);
  return *this;
}

bool State::AllDone() const { return done_B_.all().item<bool>(); }

const at::Tensor& State::Get(const std::string& name) const {
  const auto place = tensors_.find(name);
  GFN_CHECK(place != tensors_.end()) << "no tensor '" << name << "' in this state";
  return place->second;
}

State& State::Set(const std::string& name, at::Tensor value_B) {
  GFN_CHECK(value_B.dim() >= 1 && value_B.size(0) == batch_size())
      << "tensor '" << name << "' must have " << batch_size() << " rows";
  tensors_[name] = std::move(value_B);
  return *this;
}

State State::Gather(const at::Tensor& rows_N) const {
  State result(done_B_.index_select(0, rows_N));
  for (const auto& [name, value] : tensors_) result.Set(name, value.index_select(0, rows_N));
  return result;
}

State State::Where(const at::Tensor& condition_B, const State& if_true, const State& if_false) {
  State result(at::where(condition_B, if_true.done_B_, if_false.done_B_));
  GFN_CHECK_EQ(if_true.tensors_.size(), if_false.tensors_.size());
  for (const auto& [name, value] : if_true.tensors_) {
    std::vector<int64_t> shape(value.dim(), 1);
    shape[0] = value.size(0);
    result.Set(name, at::where(condition_B.reshape(shape), value, if_false.Get(name)));
  }
  return result;
}

State State::Concatenate(const std::vector<State>& parts) {
  GFN_CHECK(!parts.empty());
  std::vector<at::Tensor> column;
  for (const State& part : parts) column.push_back(part.done_B_);
  State result(at::cat(column));
  for (const auto& [name, value] : parts.front().tensors_) {
    column.clear();
    for (const State& part : parts) column.push_back(part.Get(name));
    result.Set(name, at::cat(column));
  }
  return result;
}

std::vector<std::string> State::RowKeys() const {
  std::vector<std::string> keys(static_cast<size_t>(batch_size()));
  auto append = [&](const at::Tensor& value_B) {
    if (keys.empty()) return;
    const at::Tensor value = value_B.contiguous();
    const size_t bytes = static_cast<size_t>(value.numel() / value.size(0)) * value.element_size();
    for (size_t row = 0; row < keys.size(); ++row)
      keys[row].append(static_cast<const char*>(value.data_ptr()) + row * bytes, bytes);
  };
  append(done_B_);
  for (const auto& [name, value] : tensors_) append(value);
  return keys;
}

bool State::Equals(const State& other) const {
  if (!done_B_.equal(other.done_B_) || tensors_.size() != other.tensors_.size()) return false;
  for (const auto& [name, value] : tensors_) {
    const auto place = other.tensors_.find(name);
    if (place == other.tensors_.end() || !value.equal(place->second)) return false;
  }
  return true;
}

at::Tensor State::EqualRows(const State& other) const {
  at::Tensor equal_B = done_B_.eq(other.done_B_);
  for (const auto& [name, value] : tensors_) {
    const at::Tensor same = value.eq(other.Get(name));
    equal_B = equal_B.logical_and(same.dim() == 1 ? same : same.flatten(1).all(1));
  }
  return equal_B;
}

}  // namespace gfn
