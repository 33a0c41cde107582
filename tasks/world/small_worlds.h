// The worlds of gflownet/env as tasks: their own config structs, each with its reward.
#pragma once

#include <memory>

#include "gflownet/base/status.h"
#include "gflownet/env/bayes_net.h"
#include "gflownet/env/bit_sequence.h"
#include "gflownet/env/box.h"
#include "gflownet/env/ising.h"
#include "gflownet/env/layered_graph.h"
#include "gflownet/env/phylogeny.h"
#include "gflownet/env/prefix_tree.h"
#include "gflownet/env/string_table.h"
#include "gflownet/env/subset.h"
#include "gflownet/env/windy_grid.h"

namespace gfn {

struct World;

StatusOr<std::unique_ptr<World>> MakeWorld(const BayesNetConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const BitSequenceConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const BoxConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const IsingConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const LayeredGraphConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const PhylogenyConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const PrefixTreeConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const StringTableConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const SubsetConfig& config);
StatusOr<std::unique_ptr<World>> MakeWorld(const WindyGridConfig& config);

}  // namespace gfn
