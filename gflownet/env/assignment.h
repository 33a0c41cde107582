// A base for worlds whose objects are assignments: each of N sites gets one of K values, from left to right (a tree) or at any
// position (a DAG: an assignment has as many parents as assigned sites). The last assignment finishes the object.
// Shapes: B batch, N sites. Actions: left to right, the value; any position, site * K + value. Backward actions: the site to
// clear.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/enum_table.h"
#include "gflownet/core/fast_world.h"
#include "gflownet/env/listed.h"

namespace gfn {

enum class AssignmentOrder { kLeftToRight, kAnyPosition };
GFN_ENUM_TABLE(AssignmentOrder, {AssignmentOrder::kLeftToRight, "left_to_right", "sites are assigned in order: a tree"},
               {AssignmentOrder::kAnyPosition, "any_position", "any open site may be next: a DAG"})

class AssignmentWorld : public ListedEnvironment, public FastWorld {
 public:
  const EnvironmentSpec& Spec() const override { return spec_; }
  State Initial(const std::vector<ConditionId>& conditions_B) const override;
  using Environment::Step;
  State Step(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  State Undo(const State& state, const at::Tensor& backward_actions_B) const override;
  using Environment::BackwardAction;
  at::Tensor BackwardAction(const State& state, const at::Tensor& actions_B, const at::Tensor& outcome_B) const override;
  Support ForwardSupport(const State& state) const override;
  Support BackwardSupport(const State& state) const override;
  at::Tensor IsInitial(const State& state) const override;
  at::Tensor IsBelow(const State& state, const State& root) const override;
  std::string Format(const State& state, int64_t row) const override;
  std::string SupportDigest() const override;

  int64_t NumStates() const override;
  int64_t NumObjects() const override;
  // Objects are numbered by their values in base K, the first site being the most significant: no list is made for them.
  bool ObjectsNeedStates() const override { return false; }
  State ObjectsAt(const at::Tensor& index_B, ConditionId condition) const override;
  at::Tensor ObjectIndex(const State& state) const override;

  // int64 [B, N], -1 where nothing is assigned yet.
  static const at::Tensor& Values(const State& state) { return state.Get("values"); }
  // One-hot, nothing and each value: float [B, N * (K + 1)].
  virtual at::Tensor Features(const State& state) const;
  virtual int64_t NumFeatures() const { return num_sites_ * (num_values_ + 1); }

  // Rows are the values and the number of those assigned; features are as above.
  int64_t RowWords() const override { return num_sites_ + 1; }
  void InitialRow(int32_t* row) const override;
  bool RowIsDone(const int32_t* row) const override { return row[num_sites_] == num_sites_; }
  void StepRow(int32_t* row, int64_t action) const override;
  int64_t BackwardActionOfRow(const int32_t* row, int64_t action) const override;
  void LegalOfRow(const int32_t* row, bool* legal_A) const override;
  void LegalBackOfRow(const int32_t* row, bool* legal_back) const override;
  int64_t NumRowFeatures() const override { return NumFeatures(); }
  int64_t MaxActive() const override { return num_sites_; }
  int64_t FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const override;
  State StateOfRows(const int32_t* rows, int64_t num_rows) const override;
  void RowsOfState(const State& state, int32_t* rows) const override;

  int64_t num_sites() const { return num_sites_; }
  int64_t num_values() const { return num_values_; }

 protected:
  AssignmentWorld(const std::string& name, int64_t num_sites, int64_t num_values, AssignmentOrder order);
  // How a site is printed; the value is -1 where nothing is assigned.
  virtual std::string FormatSite(int64_t value) const = 0;
  at::Tensor Key(const State& state) const override;

 private:
  // The site that an action assigns. int64 [B]
  at::Tensor SiteOf(const State& state, const at::Tensor& actions_B) const;

  int64_t num_sites_, num_values_;
  AssignmentOrder order_;
  EnvironmentSpec spec_;
};

}  // namespace gfn
