#include "gflownet/core/fast_world.h"

namespace gfn {

const FastWorld* FastFace(const Environment& environment) {
  const EnvironmentSpec& spec = environment.Spec();
  if (spec.action != EnvironmentSpec::Action::kDiscrete || spec.is_stochastic) return nullptr;
  return dynamic_cast<const FastWorld*>(&environment);
}

at::Tensor RowFeatures(const FastWorld& world, const State& state) {
  const int64_t num_rows = state.batch_size(), num_features = world.NumRowFeatures(), words = world.RowWords();
  std::vector<int32_t> rows(static_cast<size_t>(num_rows * words)), index(world.MaxActive());
  std::vector<float> value(world.MaxActive());
  world.RowsOfState(state, rows.data());
  at::Tensor dense_BF = at::zeros({num_rows, num_features}, at::kFloat);
  float* out = dense_BF.mutable_data_ptr<float>();
  for (int64_t b = 0; b < num_rows; ++b) {
    const int64_t count = world.FeaturesOfRow(rows.data() + b * words, index.data(), value.data());
    for (int64_t i = 0; i < count; ++i) out[b * num_features + index[i]] = value[i];
  }
  return dense_BF;
}

}  // namespace gfn
