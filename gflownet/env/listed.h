// Numbering by walking: a base for worlds whose states have no formula. All states are found layer by layer from the initial one
// at the first question, so that parents come before children. For worlds without conditions in which every way to a state has
// the same number of actions.
// Shapes: B batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <mutex>

#include "gflownet/core/environment.h"

namespace gfn {

class ListedEnvironment : public EnumerableEnvironment {
 public:
  ListedEnvironment();
  ~ListedEnvironment() override;

  // Within a layer, in the order of Key. More than kMaxListed states or objects are a programmer error: ask NumStates first.
  static constexpr int64_t kMaxListed = int64_t{1} << 22;
  bool ObjectsNeedStates() const override { return true; }
  State StatesAt(const at::Tensor& index_B, ConditionId condition) const override;
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override;
  at::Tensor StateIndex(const State& state) const override;
  at::Tensor ObjectIndex(const State& state) const override;

 protected:
  // int64 [B]: different for different states, and for different objects, of a world that can be listed.
  virtual at::Tensor Key(const State& state) const = 0;

 private:
  struct Listing;
  const Listing& GetListing() const;

  mutable std::once_flag once_;
  mutable std::unique_ptr<const Listing> listing_;
};

}  // namespace gfn
