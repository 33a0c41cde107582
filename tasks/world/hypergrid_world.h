// The hypergrid (gflownet/env/hypergrid.h) as a task.
#pragma once

#include <memory>
#include <string_view>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/status.h"
#include "gflownet/env/hypergrid.h"

namespace gfn {

struct World;

struct HypergridWorld {
  static constexpr std::string_view kKind = "hypergrid";
  HypergridConfig grid;
  HypergridRewardConfig reward;

  template <class V>
  void Visit(V& v) {
    grid.Visit(v);
    v("reward", reward, "R(x)");
  }
  void Validate(ConfigErrors& errors) const { grid.Validate(errors); }
};

StatusOr<std::unique_ptr<World>> MakeWorld(const HypergridWorld& config);

}  // namespace gfn
