// Permutations of n items, with R = exp(-theta * inversions) (Mallows 1957): a world of one's own with the whole command line.
// Position after position gets an item, so every state has one parent: a tree.
#include <algorithm>

#include "app/run_main.h"
#include "gflownet/env/row_world.h"

struct PermutationsConfig {
  static constexpr std::string_view kKind = "permutations";
  int64_t items = 5;
  double theta = 1;
  template <class V>
  void Visit(V& v) {
    v("items", items, "how many items are put in order", gfn::Between(2, 8));
    v("theta", theta, "log R = -theta * number of inversions", gfn::NonNegative());
  }
};

class Permutations : public gfn::RowWorld {
 public:
  explicit Permutations(const PermutationsConfig& config)
      : RowWorld({.name = "permutations", .num_actions = config.items, .is_tree = true, .max_steps = config.items},
                 /*num_words=*/config.items, /*num_values=*/config.items),
        n_(config.items),
        theta_(config.theta) {}
  bool RowIsDone(const int32_t* row) const override { return row[n_ - 1] >= 0; }
  bool IsLegal(const int32_t* row, int64_t item) const override { return std::find(row, row + n_, item) == row + n_; }
  void StepRow(int32_t* row, int64_t item) const override { *std::find(row, row + n_, -1) = static_cast<int32_t>(item); }
  void UndoRow(int32_t* row, int64_t) const override { *(std::find(row, row + n_, -1) - 1) = -1; }
  double LogRewardOfRow(const int32_t* row) const override {
    int64_t inversions = 0;
    for (int64_t i = 0; i < n_; ++i) inversions += std::count_if(row + i + 1, row + n_, [&](int32_t x) { return x < row[i]; });
    return -theta_ * static_cast<double>(inversions);
  }

 private:
  int64_t n_;
  double theta_;
};

int main(int argc, char** argv) { return gfn::RunMain(argc, argv, gfn::BuildRowWorld<Permutations, PermutationsConfig>); }
