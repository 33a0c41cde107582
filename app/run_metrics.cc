#include "app/run_metrics.h"

#include <nlohmann/json.hpp>

namespace gfn {

std::map<std::string, double> MetricsOfEvaluation(const nlohmann::json& numbers) {
  std::map<std::string, double> metrics;
  const bool is_text = numbers.contains("samplers");
  const nlohmann::json& list = is_text                       ? numbers["samplers"]["trained"]
                               : numbers.contains("metrics") ? numbers["metrics"]
                                                             : numbers;
  for (const auto& [name, value] : list.items()) {
    const nlohmann::json& number = is_text ? value["mean"] : value;
    if (number.is_number()) metrics[name] = number.get<double>();
  }
  return metrics;
}

}  // namespace gfn
