// Numbering by walking: a base for worlds whose states have no formula. All states are found from the initial one at the first
// question, each in the layer of the longest way to it, so that parents come before children. For worlds without conditions and
// without chance.
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

  // The numbers as they are found by walking, kTooManyStates where there are more than kMaxWalked steps. A world with a formula
  // says them without: then more than kMaxListed states or objects are a programmer error (ask NumStates first).
  static constexpr int64_t kMaxListed = int64_t{1} << 22, kMaxWalked = int64_t{1} << 20;
  int64_t NumStates() const override;
  int64_t NumObjects() const override;
  // Of a world that is walked to know its numbers: too many states, a way of more than max_steps actions (a cycle has one), or a
  // state that is not finished and allows nothing.
  Status ListingStatus() const override;

  // Within a layer, in the order of Key.
  bool ObjectsNeedStates() const override { return true; }
  State StatesAt(const at::Tensor& index_B, ConditionId condition) const override;
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override;
  at::Tensor StateIndex(const State& state) const override;
  at::Tensor ObjectIndex(const State& state) const override;

 protected:
  // int64 [B]: different for different states, and for different objects, of a world that can be listed. The default is a hash of
  // all tensors of the state, in which a pair of a million different states is the same with probability 3e-8.
  virtual at::Tensor Key(const State& state) const;

 private:
  struct Listing;
  const Listing& GetListing() const;
  const Listing& Walked() const;  // to know the numbers
  std::unique_ptr<const Listing> Walk(int64_t max_steps) const;

  mutable std::once_flag once_, walked_once_;
  mutable std::unique_ptr<const Listing> listing_;
  mutable bool is_walked_ = false;
};

}  // namespace gfn
