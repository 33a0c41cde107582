// An optional second face of a discrete, deterministic world without conditions: one state at a time, as a row of int32 words, in
// plain C++. Rollouts and scores of a policy that knows it (env/state_policies.h: MlpPolicy, where it reads the features of this
// face) then need no tensor operation a step. An Environment implements it beside its tensor methods; the conformance suite
// compares the two.
#pragma once

#include <cstdint>

#include "gflownet/core/environment.h"
#include "gflownet/core/state.h"

namespace gfn {

class FastWorld {
 public:
  virtual ~FastWorld() = default;

  virtual int64_t RowWords() const = 0;
  virtual void InitialRow(int32_t* row) const = 0;
  virtual bool RowIsDone(const int32_t* row) const = 0;
  // Takes a legal action; the row is not done.
  virtual void StepRow(int32_t* row, int64_t action) const = 0;
  // The backward action that undoes `action` taken in `row`; 0 for a tree.
  virtual int64_t BackwardActionOfRow(const int32_t* row, int64_t action) const = 0;
  // Legal forward actions [A] of a row that is not done, and backward actions [A_back] (none in the initial state).
  virtual void LegalOfRow(const int32_t* row, bool* legal_A) const = 0;
  virtual void LegalBackOfRow(const int32_t* row, bool* legal_back) const = 0;

  // What a network reads: value[i] at index[i] < NumRowFeatures(), 0 elsewhere; at most MaxActive() of them. Returns their
  // number.
  virtual int64_t NumRowFeatures() const = 0;
  virtual int64_t MaxActive() const = 0;
  virtual int64_t FeaturesOfRow(const int32_t* row, int32_t* index, float* value) const = 0;

  // The same states as tensors, [num_rows][RowWords()].
  virtual State StateOfRows(const int32_t* rows, int64_t num_rows) const = 0;
  virtual void RowsOfState(const State& state, int32_t* rows) const = 0;
};

// The fast face of a world, or null.
const FastWorld* FastFace(const Environment& environment);

// The features of a batch of states as a dense tensor, float [B, NumRowFeatures()].
at::Tensor RowFeatures(const FastWorld& world, const State& state);

}  // namespace gfn
