// An energy that is learned from data while a GFlowNet samples from it (gflownet/estimate/energy_training.h), as part of a world.
// Shapes: N data rows, V variables, M couplings.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "gflownet/estimate/energy_training.h"
#include "gflownet/estimate/factor_graph.h"
#include "gflownet/tensor/parameter_set.h"
#include "gflownet/train/optimizer.h"

namespace gfn {

struct EnergyModel {
  ParameterSet parameters;  // of the graph's modules
  FactorGraph graph;
  EnergyTrainingConfig training;
  OptimizerConfig optimizer;
  at::Tensor data_NV;                // float64
  at::Tensor couplings_M;            // those of `parameters` that are compared,
  at::Tensor true_couplings_M = {};  // with these, float64; undefined where the data's origin is unknown
};

}  // namespace gfn
