#include "gflownet/base/csv.h"

#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r";
  const size_t begin = text.find_first_not_of(kSpaces);
  return begin == text.npos ? "" : text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

}  // namespace

StatusOr<CsvFile> CsvFile::Read(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string content, ReadFile(path));
  CsvFile file;
  file.path_ = path;
  std::string_view rest = content;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);  // as spreadsheets write it
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view text = Trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (text.empty() || text.starts_with('#')) continue;
    Row row{line, {}};
    if (FindInvalidUtf8(text).has_value()) return file.Error(row, "not a text file (no valid UTF-8)");
    if (text.find('"') != text.npos) return file.Error(row, "a quote; expected plain fields between commas");
    for (size_t begin = 0, comma = 0; comma != text.npos; begin = comma + 1) {
      comma = text.find(',', begin);
      row.fields.emplace_back(Trimmed(text.substr(begin, comma == text.npos ? text.npos : comma - begin)));
    }
    if (!file.rows_.empty() && row.fields.size() != file.num_fields()) {
      return file.Error(row, "expected " + std::to_string(file.num_fields()) + " fields as in line " +
                                 std::to_string(file.rows_.front().line) + ", found " + std::to_string(row.fields.size()));
    }
    file.rows_.push_back(std::move(row));
  }
  if (file.rows_.empty()) return DataLoss(path + ": expected at least one line of values, found none");
  return file;
}

Status CsvFile::Error(const Row& row, std::string_view what) const {
  return DataLoss(path_ + ":" + std::to_string(row.line) + ": " + std::string(what));
}

StatusOr<double> CsvFile::Real(const Row& row, size_t field, std::string_view name) const {
  if (const auto value = ParseReal(row.fields[field]); value.has_value()) return *value;
  return Error(row, std::string(name) + ": expected a finite number, found '" + row.fields[field] + "'");
}

StatusOr<int64_t> CsvFile::Whole(const Row& row, size_t field, std::string_view name, int64_t least, int64_t most) const {
  const auto value = ParseInt(row.fields[field]);
  if (value.has_value() && *value >= least && *value <= most) return *value;
  return Error(row, std::string(name) + ": expected a whole number from " + std::to_string(least) + " to " +
                        std::to_string(most) + ", found '" + row.fields[field] + "'");
}

}  // namespace gfn
