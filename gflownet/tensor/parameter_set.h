// The trainable tensors of a run: ordered, named leaves in named groups
// ("adapter", "log_z", "flow", ...) with one version. Adapters, log Z and flow
// heads are views into it; the optimiser and the checkpoint see nothing else.
//
// Whoever derives something from the values (a KV cache, a merged copy, a
// packed layout) records version() and compares it before use.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"
#include "gflownet/tensor/parametrisation.h"

namespace gfn {

// What a parameter's shape is to its model, and what follows from it.
struct ParameterTag {
  ParameterShape shape;
  ParameterFactors factors;
};

struct Parameter {
  std::string name;                 // unique in the set
  std::string group;                // learning rates and weight decay are per group
  at::Tensor value;                 // a leaf with requires_grad; updated in place
  std::optional<ParameterTag> tag;  // the optimiser refuses one without in a set that is not of the standard parametrisation
};

// Movable, not copyable: two sets that share leaves would both step them.
class ParameterSet {
 public:
  ParameterSet() = default;
  explicit ParameterSet(const Parametrisation& parametrisation) : parametrisation_(parametrisation) {}
  ParameterSet(ParameterSet&&) = default;
  ParameterSet& operator=(ParameterSet&&) = default;

  // Adds `tensor` (floating point, dense; its storage is kept, not copied) as
  // a leaf that requires a gradient. The reference stays valid as long as the
  // set. Aborts on an empty or repeated name: names are made by code.
  const at::Tensor& Add(std::string name, std::string group, const at::Tensor& tensor,
                        std::optional<ParameterTag> tag = std::nullopt);

  const Parametrisation& parametrisation() const { return parametrisation_; }
  // The tag of a parameter of this shape in this set.
  ParameterTag TagOf(const ParameterShape& shape) const { return {shape, FactorsOf(parametrisation_, shape)}; }

  // nullptr if there is no such parameter.
  const at::Tensor* Find(std::string_view name) const;
  // Aborts, with the names there are, if there is no such parameter.
  const at::Tensor& Get(std::string_view name) const;

  // In the order of Add.
  auto begin() const { return parameters_.begin(); }
  auto end() const { return parameters_.end(); }
  size_t size() const { return parameters_.size(); }
  bool empty() const { return parameters_.empty(); }
  const Parameter& operator[](size_t i) const { return parameters_[i]; }
  // Each group once, in order of first appearance.
  std::vector<std::string> Groups() const;

  int64_t num_elements() const;
  int64_t num_elements(std::string_view group) const;

  // Raised by every optimiser step and every load.
  uint64_t version() const { return version_; }
  void RaiseVersion() { ++version_; }

  // Drops every gradient (undefined afterwards, so an unused parameter is not
  // stepped).
  void ZeroGrad();
  // L2 norm over all gradients present, summed in double in fixed blocks: the
  // same number for every thread count. InvalidArgument naming the first
  // parameter (and element) with a NaN or infinite gradient.
  StatusOr<double> GradNorm() const;

  // One safetensors file of all values, in order, in their own dtypes. Its metadata tells the parametrisation, and the shape and
  // factors of every parameter, unless that is the standard one.
  Status Save(const std::string& path) const;
  // Strict: exactly these names, shapes and dtypes, all values finite, and
  // the parametrisation and factors that were saved, since with others the
  // same values are another function and go another way;
  // otherwise nothing is changed and the message lists every difference.
  // Values are copied into the existing leaves; raises the version.
  Status Load(const std::string& path);

 private:
  // What Save writes beside the values.
  std::map<std::string, std::string> Metadata() const;

  Parametrisation parametrisation_;
  std::deque<Parameter> parameters_;  // references stay valid on Add
  uint64_t version_ = 1;
};

}  // namespace gfn
