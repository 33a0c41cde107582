#include "gflownet/env/string_table.h"

#include <algorithm>
#include <cmath>

#include "gflownet/base/check.h"
#include "gflownet/base/csv.h"
#include "gflownet/base/digest.h"
#include "gflownet/base/text_util.h"
#include "gflownet/env/counting.h"

namespace gfn {
namespace {

// The number of a string; -1 where a character is no symbol.
int64_t NumberOf(std::string_view text, std::string_view alphabet) {
  int64_t number = 0;
  for (const char symbol : text) {
    const size_t digit = alphabet.find(symbol);
    if (digit == alphabet.npos) return -1;
    number = number * static_cast<int64_t>(alphabet.size()) + static_cast<int64_t>(digit);
  }
  return number;
}

std::string StringOf(int64_t number, std::string_view alphabet, int64_t length) {
  std::string text(static_cast<size_t>(length), ' ');
  for (auto symbol = text.rbegin(); symbol != text.rend(); ++symbol, number /= static_cast<int64_t>(alphabet.size()))
    *symbol = alphabet[static_cast<size_t>(number % static_cast<int64_t>(alphabet.size()))];
  return text;
}

EnvironmentSpec SpecOf(const StringTableConfig& config) {
  const auto num_symbols = static_cast<int64_t>(config.alphabet.size());
  EnvironmentSpec spec{.name = "string_table", .num_actions = num_symbols, .is_tree = true, .max_steps = config.length};
  if (config.order == StringOrder::kBothEnds) {
    spec.is_tree = false;
    spec.num_actions = 2 * num_symbols;
    spec.num_backward_actions = 2;
  }
  return spec;
}

}  // namespace

void StringTableConfig::Validate(ConfigErrors& errors) const {
  for (size_t i = 0; i < alphabet.size(); ++i) {
    const char symbol = alphabet[i];
    if (symbol <= ' ' || symbol > '~' || symbol == ',' || symbol == '#' || symbol == '"')
      errors.Add("alphabet", "holds a character that is no symbol: expected printable ASCII but space, comma, # and quotes");
    if (alphabet.find(symbol, i + 1) != alphabet.npos) errors.Add("alphabet", std::string("holds '") + symbol + "' twice");
  }
  if (CountPower(static_cast<int64_t>(alphabet.size()), length) > kMaxStrings)
    errors.Add("length", std::to_string(alphabet.size()) + "^" + std::to_string(length) + " strings are more than 2^22");
  if (reward.scale == TableScale::kLinear && reward.least.has_value() && *reward.least <= 0)
    errors.Add("reward.least", "has to be above 0 on the linear scale, found " + FormatReal(*reward.least));
}

StatusOr<std::vector<double>> ReadStringTable(const StringTableConfig& config) {
  const StringTableRewardConfig& reward = config.reward;
  ASSIGN_OR_RETURN(const CsvFile file, CsvFile::Read(reward.file));
  if (file.num_fields() != 2)
    return file.Error(file.rows().front(),
                      "expected two fields, a string and its value, found " + std::to_string(file.num_fields()));
  const auto size = static_cast<size_t>(CountPower(static_cast<int64_t>(config.alphabet.size()), config.length));
  std::vector<double> values(size, NAN);
  std::vector<int64_t> lines(size, 0);
  const auto log_of = [&](double value) {
    if (reward.least.has_value()) value = std::max(value, *reward.least);
    return reward.beta * (reward.scale == TableScale::kLog ? value : std::log(value));
  };
  for (const CsvFile::Row& row : file.rows()) {
    if (&row == &file.rows().front() && !ParseReal(row.fields[1]).has_value()) continue;  // the heading
    const std::string& text = row.fields[0];
    const int64_t number = NumberOf(text, config.alphabet);
    if (static_cast<int64_t>(text.size()) != config.length || number < 0) {
      return file.Error(row, "expected a string of " + std::to_string(config.length) + " symbols of '" + config.alphabet +
                                 "', found '" + text + "'");
    }
    ASSIGN_OR_RETURN(const double value, file.Real(row, 1, "value"));
    const auto place = static_cast<size_t>(number);
    if (lines[place] != 0) return file.Error(row, "'" + text + "' was given in line " + std::to_string(lines[place]));
    lines[place] = row.line;
    values[place] = log_of(value);
    if (!std::isfinite(values[place])) {
      return file.Error(
          row, "the reward of '" + text + "' is " + row.fields[1] + ", expected one above 0 (task.reward.least takes its place)");
    }
  }
  const auto absent = static_cast<size_t>(std::find(lines.begin(), lines.end(), 0) - lines.begin());
  if (absent == size) return values;
  if (!reward.missing.has_value()) {
    return DataLoss(reward.file + ": " + std::to_string(std::count(lines.begin(), lines.end(), 0)) + " of " +
                    std::to_string(size) + " strings are missing, the first is '" +
                    StringOf(static_cast<int64_t>(absent), config.alphabet, config.length) +
                    "' (task.reward.missing gives them a value)");
  }
  const double missing = log_of(*reward.missing);
  if (!std::isfinite(missing))
    return InvalidArgument("task.reward.missing: a reward of " + FormatReal(*reward.missing) + ", expected one above 0");
  for (size_t i = 0; i < size; ++i) values[i] = lines[i] == 0 ? missing : values[i];
  return values;
}

StringTable::StringTable(const StringTableConfig& config, std::vector<double> log_reward_X)
    : RowWorld(SpecOf(config), config.length, static_cast<int64_t>(config.alphabet.size())),
      alphabet_(config.alphabet),
      num_symbols_(static_cast<int64_t>(config.alphabet.size())),
      length_(config.length),
      log_reward_X_(std::move(log_reward_X)) {
  GFN_CHECK_EQ(NumObjects(), CountPower(num_symbols_, length_));
}

int64_t StringTable::LengthOf(const int32_t* row) const { return std::find(row, row + length_, -1) - row; }

bool StringTable::IsAll(const int32_t* row, int32_t symbol) const {
  const int64_t length = LengthOf(row);
  return length > 0 && std::all_of(row, row + length, [symbol](int32_t word) { return word == symbol; });
}

bool StringTable::IsLegal(const int32_t* row, int64_t action) const {
  // In front of the empty string, and of one of the same symbols, it would be appending.
  return action < num_symbols_ || (row[0] >= 0 && !IsAll(row, static_cast<int32_t>(action - num_symbols_)));
}

void StringTable::StepRow(int32_t* row, int64_t action) const {
  const int64_t length = LengthOf(row);
  if (action < num_symbols_) {
    row[length] = static_cast<int32_t>(action);
    return;
  }
  std::copy_backward(row, row + length, row + length + 1);
  row[0] = static_cast<int32_t>(action - num_symbols_);
}

void StringTable::UndoRow(int32_t* row, int64_t backward_action) const {
  const int64_t length = LengthOf(row);
  if (backward_action == 1) std::copy(row + 1, row + length, row);
  row[length - 1] = -1;
}

int64_t StringTable::BackwardActionOfRow(const int32_t*, int64_t action) const { return action < num_symbols_ ? 0 : 1; }

bool StringTable::IsLegalBack(const int32_t* row, int64_t backward_action) const {
  return backward_action == 0 || !IsAll(row, row[0]);
}

int64_t StringTable::Number(const int32_t* row) const {
  int64_t number = 0;
  for (int64_t i = 0; i < length_; ++i) number = number * num_symbols_ + row[i];
  return number;
}

at::Tensor StringTable::NumbersOf(const State& objects) const {
  const at::Tensor words_BW = objects.Get("words").to(at::kLong);
  at::Tensor number_B = at::zeros({objects.batch_size()}, at::kLong);
  for (int64_t i = 0; i < length_; ++i) number_B = number_B * num_symbols_ + words_BW.select(1, i);
  return number_B;
}

std::string StringTable::Format(const State& state, int64_t row) const {
  std::vector<int32_t> words(static_cast<size_t>(length_));
  RowsOfState(state.Gather(at::full({1}, row, at::kLong)), words.data());
  std::string text;
  for (const int32_t word : words) text += word < 0 ? '.' : alphabet_[static_cast<size_t>(word)];
  return text;
}

int64_t StringTable::NumStates() const {
  int64_t count = 0;
  for (int64_t length = 0; length < length_; ++length) count += CountPower(num_symbols_, length);
  return count;
}

// Words read in base K + 1.
at::Tensor StringTable::Key(const State& state) const {
  const at::Tensor words_BW = state.Get("words").to(at::kLong);
  at::Tensor key_B = at::zeros({state.batch_size()}, at::kLong);
  for (int64_t i = 0; i < length_; ++i) key_B = key_B * (num_symbols_ + 1) + words_BW.select(1, i) + 1;
  return key_B;
}

std::string StringTable::WriteTable() const {
  std::string text = "string,log_reward\n";
  for (int64_t number = 0; number < NumObjects(); ++number)
    text += StringOf(number, alphabet_, length_) + "," + FormatReal(log_reward_X_[static_cast<size_t>(number)]) + "\n";
  return text;
}

StatusOr<RewardedWorld> CreateWorld(const StringTableConfig& config) {
  RETURN_IF_ERROR(CheckConfig(config, std::string(StringTableConfig::kKind)));
  ASSIGN_OR_RETURN(std::vector<double> log_reward_X, ReadStringTable(config));
  const auto bytes = std::as_bytes(std::span(log_reward_X));
  const std::string digest = "string_table alphabet=" + config.alphabet + " length=" + std::to_string(config.length) + " " +
                             std::string(EnumName(config.order)) + " rewards=" + DigestToHex(HashBytes(bytes));
  return WithRowReward(std::make_unique<StringTable>(config, std::move(log_reward_X)), digest);
}

}  // namespace gfn
