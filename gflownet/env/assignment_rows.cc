// Assignment worlds one state at a time (core/fast_world.h): the N values, -1 where nothing is assigned, and their number.
#include "gflownet/env/assignment.h"

namespace gfn {

void AssignmentWorld::InitialRow(int32_t* row) const {
  std::fill(row, row + num_sites_, -1);
  row[num_sites_] = 0;
}

void AssignmentWorld::StepRow(int32_t* row, int64_t action) const {
  const int64_t site = spec_.is_tree ? row[num_sites_] : action / num_values_;
  row[site] = static_cast<int32_t>(spec_.is_tree ? action : action % num_values_);
  ++row[num_sites_];
}

int64_t AssignmentWorld::BackwardActionOfRow(const int32_t*, int64_t action) const {
  return spec_.is_tree ? 0 : action / num_values_;
}

void AssignmentWorld::LegalOfRow(const int32_t* row, bool* legal_A) const {
  if (spec_.is_tree) {
    std::fill(legal_A, legal_A + num_values_, true);
    return;
  }
  for (int64_t i = 0; i < num_sites_; ++i) std::fill_n(legal_A + i * num_values_, num_values_, row[i] < 0);
}

void AssignmentWorld::LegalBackOfRow(const int32_t* row, bool* legal_back) const {
  for (int64_t i = 0; i < num_sites_; ++i) legal_back[i] = row[i] >= 0;
}

int64_t AssignmentWorld::FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const {
  for (int64_t i = 0; i < num_sites_; ++i) {
    index[i] = static_cast<int32_t>(i * (num_values_ + 1) + row[i] + 1);
    value[i] = 1;
  }
  return num_sites_;
}

State AssignmentWorld::StateOfRows(const int32_t* rows, int64_t num_rows) const {
  at::Tensor values_BN = at::empty({num_rows, num_sites_}, at::kLong), done_B = at::empty({num_rows}, at::kBool);
  int64_t* values = values_BN.mutable_data_ptr<int64_t>();
  bool* done = done_B.mutable_data_ptr<bool>();
  for (int64_t b = 0; b < num_rows; ++b, rows += RowWords(), values += num_sites_) {
    std::copy_n(rows, num_sites_, values);
    done[b] = RowIsDone(rows);
  }
  return State(std::move(done_B)).Set("values", std::move(values_BN));
}

void AssignmentWorld::RowsOfState(const State& state, int32_t* rows) const {
  const at::Tensor values_BN = Values(state).contiguous();
  const int64_t* values = values_BN.const_data_ptr<int64_t>();
  for (int64_t b = 0; b < state.batch_size(); ++b, rows += RowWords(), values += num_sites_) {
    std::copy_n(values, num_sites_, rows);
    rows[num_sites_] = static_cast<int32_t>(std::count_if(values, values + num_sites_, [](int64_t value) { return value >= 0; }));
  }
}

}  // namespace gfn
