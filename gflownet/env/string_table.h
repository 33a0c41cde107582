// Strings of a fixed length whose rewards stand in a table: benchmarks such as TFBind8 (8 nucleotides, 65,536 measured bindings)
// and QM9 as strings of blocks (5 of 11), as Shen et al. 2305.07170 pose them. A string grows at its end (a tree) or at both ends
// (a DAG). A state is its symbols from the left, -1 behind them. Actions: k appends symbol k, K + k puts it in front. Backward
// actions: 0 takes the last symbol off, 1 the first; where all symbols are the same both lead to one parent, and only 0 is legal.
// Shapes: X objects, K symbols.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/config_errors.h"
#include "gflownet/base/config_rules.h"
#include "gflownet/base/enum_table.h"
#include "gflownet/base/status.h"
#include "gflownet/env/row_world.h"

namespace gfn {

enum class StringOrder { kAppend, kBothEnds };
GFN_ENUM_TABLE(StringOrder, {StringOrder::kAppend, "append", "symbols are written from left to right: a tree"},
               {StringOrder::kBothEnds, "both_ends", "a symbol is appended or put in front: a DAG"})
enum class TableScale { kLinear, kLog };
GFN_ENUM_TABLE(TableScale, {TableScale::kLinear, "linear", "the file holds R"}, {TableScale::kLog, "log", "the file holds log R"})

struct StringTableRewardConfig {
  std::string file = "";
  TableScale scale = TableScale::kLinear;
  double beta = 1;
  std::optional<double> least = std::nullopt, missing = std::nullopt;
  int64_t num_modes = 0;
  template <class V>
  void Visit(V& v) {
    v("file", file, "CSV file: a string and its value a line; a first line without a number is a heading", Required{},
      NonEmpty{});
    v("scale", scale, "what the values are");
    v("beta", beta, "the reward is R^beta", Positive());
    v("least", least,
      "smaller values count as this one, which has to be above 0 on the linear scale; null: they are refused there");
    v("missing", missing, "value of strings that the file does not have; null: it has to have all");
    v("num_modes", num_modes, "so many strings of the highest rewards are counted as modes when they are drawn; 0: none are",
      NonNegative());
  }
};

struct StringTableConfig {
  static constexpr std::string_view kKind = "string_table";
  static constexpr int64_t kMaxStrings = int64_t{1} << 22;
  std::string alphabet = "ACGT";
  int64_t length = 8;
  StringOrder order = StringOrder::kAppend;
  StringTableRewardConfig reward{};
  template <class V>
  void Visit(V& v) {
    v("alphabet", alphabet, "the symbols, a printable ASCII character each", NonEmpty{});
    v("length", length, "symbols of a string; alphabet^length is at most 2^22", Between(1, 22));
    v("order", order, "where a string grows");
    v("reward", reward, "R(x) of every string");
  }
  void Validate(ConfigErrors& errors) const;
};

// log R of every string, float64 [X], by its number in base K, the first symbol being the most significant. DataLoss with file
// and line.
StatusOr<std::vector<double>> ReadStringTable(const StringTableConfig& config);

class StringTable : public RowWorld {
 public:
  // `log_reward_X`: as ReadStringTable has it.
  StringTable(const StringTableConfig& config, std::vector<double> log_reward_X);
  bool RowIsDone(const int32_t* row) const override { return row[length_ - 1] >= 0; }
  bool IsLegal(const int32_t* row, int64_t action) const override;
  void StepRow(int32_t* row, int64_t action) const override;
  void UndoRow(int32_t* row, int64_t backward_action) const override;
  int64_t BackwardActionOfRow(const int32_t* row, int64_t action) const override;
  bool IsLegalBack(const int32_t* row, int64_t backward_action) const override;
  double LogRewardOfRow(const int32_t* row) const override { return log_reward_X_[static_cast<size_t>(Number(row))]; }
  std::string Format(const State& state, int64_t row) const override;
  int64_t NumStates() const override;
  int64_t NumObjects() const override { return static_cast<int64_t>(log_reward_X_.size()); }

  // The string's number, of finished rows.
  int64_t Number(const int32_t* row) const;
  at::Tensor NumbersOf(const State& objects) const;  // int64 [B]
  // float64 [X]
  const std::vector<double>& log_rewards() const { return log_reward_X_; }
  // The table as a file on the log scale.
  std::string WriteTable() const;

 protected:
  at::Tensor Key(const State& state) const override;

 private:
  int64_t LengthOf(const int32_t* row) const;
  // Whether the row is not empty and all its symbols are `symbol`.
  bool IsAll(const int32_t* row, int32_t symbol) const;

  std::string alphabet_;
  int64_t num_symbols_, length_;
  std::vector<double> log_reward_X_;
};

StatusOr<RewardedWorld> CreateWorld(const StringTableConfig& config);

}  // namespace gfn
