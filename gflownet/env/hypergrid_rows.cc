// The hypergrid one state at a time (core/fast_world.h).
#include "gflownet/env/hypergrid.h"

namespace gfn {

void Hypergrid::InitialRow(int32_t* row) const { std::fill(row, row + RowWords(), 0); }

void Hypergrid::LegalOfRow(const int32_t* row, bool* legal_A) const {
  for (int64_t i = 0; i < config_.dimensions; ++i) legal_A[i] = row[i] < config_.side - 1;
  legal_A[config_.dimensions] = true;
}

void Hypergrid::LegalBackOfRow(const int32_t* row, bool* legal_back) const {
  const bool done = RowIsDone(row);
  for (int64_t i = 0; i < config_.dimensions; ++i) legal_back[i] = !done && row[i] > 0;
  legal_back[config_.dimensions] = done;
}

int64_t Hypergrid::FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const {
  for (int64_t i = 0; i < config_.dimensions; ++i) {
    index[i] = static_cast<int32_t>(i * config_.side + row[i]);
    value[i] = 1;
  }
  return config_.dimensions;
}

State Hypergrid::StateOfRows(const int32_t* rows, int64_t num_rows) const {
  at::Tensor position_BD = at::empty({num_rows, config_.dimensions}, at::kLong), done_B = at::empty({num_rows}, at::kBool);
  int64_t* position = position_BD.mutable_data_ptr<int64_t>();
  bool* done = done_B.mutable_data_ptr<bool>();
  for (int64_t b = 0; b < num_rows; ++b, rows += RowWords(), position += config_.dimensions) {
    std::copy_n(rows, config_.dimensions, position);
    done[b] = RowIsDone(rows);
  }
  return State(std::move(done_B)).Set("position", std::move(position_BD));
}

void Hypergrid::RowsOfState(const State& state, int32_t* rows) const {
  const at::Tensor position_BD = Position(state).contiguous(), done_B = state.done_B().contiguous();
  const int64_t* position = position_BD.const_data_ptr<int64_t>();
  const bool* done = done_B.const_data_ptr<bool>();
  for (int64_t b = 0; b < state.batch_size(); ++b, rows += RowWords(), position += config_.dimensions) {
    std::copy_n(position, config_.dimensions, rows);
    rows[config_.dimensions] = done[b] ? 1 : 0;
  }
}

}  // namespace gfn
