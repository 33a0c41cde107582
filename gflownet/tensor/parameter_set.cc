#include "gflownet/tensor/parameter_set.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/safetensors_file.h"
#include "gflownet/base/text_util.h"
#include "gflownet/tensor/device.h"
#include "gflownet/tensor/safetensors_tensors.h"

namespace gfn {
namespace {

constexpr int64_t kSumBlock = 4096;  // elements summed at a time, whatever the number of threads

constexpr char kParametrisationKey[] = "parametrisation";  // metadata of the file; "<key>.<parameter>" of each

// Sum of squares in double, in an order that depends on the number of elements alone.
template <class T>
double SumOfSquares(const T* x, int64_t count) {
  const int64_t num_blocks = (count + kSumBlock - 1) / kSumBlock;
  std::vector<double> sums(num_blocks);
  at::parallel_for(0, num_blocks, 16, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; ++block) {
      const int64_t begin = block * kSumBlock;
      const int64_t end = std::min(count, begin + kSumBlock);
      double lanes[8] = {};
      int64_t i = begin;
      for (; i + 8 <= end; i += 8) {
        for (int lane = 0; lane < 8; ++lane) lanes[lane] += double{x[i + lane]} * double{x[i + lane]};
      }
      for (; i < end; ++i) lanes[0] += double{x[i]} * double{x[i]};
      double sum = 0;
      for (double lane : lanes) sum += lane;
      sums[block] = sum;
    }
  });
  double sum = 0;
  for (double block : sums) sum += block;
  return sum;
}

double SumOfSquares(const at::Tensor& gradient) {
  if (!gradient.is_cpu()) {
    const at::Tensor wide = gradient.to(at::kDouble);
    return wide.mul(wide).sum().item<double>();
  }
  if (gradient.scalar_type() == at::kDouble) {
    const at::Tensor dense = gradient.contiguous();
    return SumOfSquares(dense.const_data_ptr<double>(), dense.numel());
  }
  const at::Tensor dense = gradient.to(at::kFloat).contiguous();
  return SumOfSquares(dense.const_data_ptr<float>(), dense.numel());
}

// "element 17 is nan" of the first value that is not finite, "" if all are.
std::string FirstNonFinite(const at::Tensor& tensor) {
  const at::Tensor bad = tensor.detach().isfinite().logical_not().flatten().nonzero();
  if (bad.numel() == 0) return "";
  const int64_t index = bad[0].item<int64_t>();
  return "element " + std::to_string(index) + " is " + FormatReal(tensor.detach().flatten()[index].item<double>());
}

std::string ShapeText(at::IntArrayRef shape) {
  std::vector<std::string> sizes;
  for (int64_t size : shape) sizes.push_back(std::to_string(size));
  return std::string("[") + Join(sizes, ", ") + "]";
}

}  // namespace

const at::Tensor& ParameterSet::Add(std::string name, std::string group, const at::Tensor& tensor,
                                    std::optional<ParameterTag> tag) {
  GFN_CHECK(!name.empty() && !group.empty()) << "parameter '" << name << "' of group '" << group << "'";
  GFN_CHECK(Find(name) == nullptr) << "parameter '" << name << "' is there already";
  GFN_CHECK(tensor.defined() && tensor.is_floating_point() && tensor.layout() == at::kStrided && tensor.is_contiguous())
      << "parameter '" << name << "' must be a contiguous tensor of floating-point numbers";
  parameters_.push_back({std::move(name), std::move(group), tensor.detach().set_requires_grad(true), std::move(tag)});
  return parameters_.back().value;
}

const at::Tensor* ParameterSet::Find(std::string_view name) const {
  for (const Parameter& parameter : parameters_) {
    if (parameter.name == name) return &parameter.value;
  }
  return nullptr;
}

const at::Tensor& ParameterSet::Get(std::string_view name) const {
  const at::Tensor* found = Find(name);
  if (found == nullptr) {
    std::vector<std::string> names;
    for (const Parameter& parameter : parameters_) names.push_back(parameter.name);
    GFN_CHECK(false) << "no parameter '" << name << "'; there are: " << Join(names, ", ");
  }
  return *found;
}

std::vector<std::string> ParameterSet::Groups() const {
  std::vector<std::string> groups;
  for (const Parameter& parameter : parameters_) {
    if (std::find(groups.begin(), groups.end(), parameter.group) == groups.end()) groups.push_back(parameter.group);
  }
  return groups;
}

int64_t ParameterSet::num_elements() const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.value.numel();
  return count;
}

int64_t ParameterSet::num_elements(std::string_view group) const {
  int64_t count = 0;
  for (const Parameter& parameter : parameters_) {
    if (parameter.group == group) count += parameter.value.numel();
  }
  return count;
}

void ParameterSet::ZeroGrad() {
  for (Parameter& parameter : parameters_) parameter.value.mutable_grad() = at::Tensor();
}

StatusOr<double> ParameterSet::GradNorm() const {
  double sum = 0;
  for (const Parameter& parameter : parameters_) {
    const at::Tensor& gradient = parameter.value.grad();
    if (!gradient.defined()) continue;
    GFN_CHECK(gradient.layout() == at::kStrided) << "sparse gradient of '" << parameter.name << "'";
    const double squares = SumOfSquares(gradient);
    if (!std::isfinite(squares)) {
      const std::string place = FirstNonFinite(gradient);
      return InvalidArgument("gradient of parameter '" + parameter.name + "' (group '" + parameter.group + "', shape " +
                             ShapeText(gradient.sizes()) +
                             ") is not finite: " + (place.empty() ? "its sum of squares overflows" : place));
    }
    sum += squares;
  }
  return std::sqrt(sum);
}

Status ParameterSet::Save(const std::string& path) const {
  std::vector<NamedTensor> tensors;
  for (const Parameter& parameter : parameters_) tensors.push_back({parameter.name, parameter.value.detach()});
  return WriteTensors(path, tensors, Metadata());
}

std::map<std::string, std::string> ParameterSet::Metadata() const {
  std::map<std::string, std::string> metadata;
  if (parametrisation_.is_standard()) return metadata;
  metadata[kParametrisationKey] = Describe(parametrisation_);
  for (const Parameter& parameter : parameters_) {
    metadata[kParametrisationKey + ("." + parameter.name)] =
        parameter.tag.has_value() ? Describe(parameter.tag->shape) + "; " + Describe(parameter.tag->factors) : "none";
  }
  return metadata;
}

Status ParameterSet::Load(const std::string& path) {
  ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(path));
  // 1. Read everything and collect what does not fit, before anything is changed.
  std::vector<std::string> mistakes;
  std::vector<at::Tensor> values;
  for (const Parameter& parameter : parameters_) {
    const TensorView* view = file.Find(parameter.name);
    if (view == nullptr) {
      mistakes.push_back("no tensor '" + parameter.name + "'");
      continue;
    }
    if (at::IntArrayRef(view->shape) != parameter.value.sizes()) {
      mistakes.push_back("'" + parameter.name + "' has shape " + ShapeText(view->shape) + ", expected " +
                         ShapeText(parameter.value.sizes()));
      continue;
    }
    ASSIGN_OR_RETURN(at::Tensor value, ReadTensor(file, parameter.name));
    if (value.scalar_type() != parameter.value.scalar_type()) {
      mistakes.push_back("'" + parameter.name + "' is " + DtypeName(value.scalar_type()) + ", expected " +
                         DtypeName(parameter.value.scalar_type()));
    } else if (const std::string place = FirstNonFinite(value); !place.empty()) {
      mistakes.push_back("'" + parameter.name + "' is not finite: " + place);
    }
    values.push_back(std::move(value));
  }
  for (const TensorView& view : file.tensors()) {
    if (Find(view.name) == nullptr) mistakes.push_back("unknown tensor '" + view.name + "'");
  }
  const std::map<std::string, std::string> expected = Metadata();
  for (const auto& [key, text] : expected) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end()) {
      mistakes.push_back("no " + key + ", expected '" + text + "'");
    } else if (found->second != text) {
      mistakes.push_back(key + " is '" + found->second + "', expected '" + text + "'");
    }
  }
  for (const auto& [key, text] : file.metadata()) {
    if (key.starts_with(kParametrisationKey) && !expected.contains(key)) {
      mistakes.push_back(key + " is '" + text + "', expected the standard one");
    }
  }
  if (!mistakes.empty()) return DataLoss(path + ": does not hold these parameters: " + Join(mistakes, "; "));

  // 2. Everything fits.
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i) parameters_[i].value.copy_(values[i]);
  RaiseVersion();
  return OkStatus();
}

}  // namespace gfn
