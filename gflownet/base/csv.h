// Comma-separated values as the data files of worlds are: one row a line, fields between commas, without quotes. Blank lines and
// lines that begin with # are skipped. Mistakes are named by file and line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

class CsvFile {
 public:
  struct Row {
    int64_t line = 0;  // from 1
    std::vector<std::string> fields;
  };

  // At least one row, all with as many fields as the first. DataLoss otherwise.
  static StatusOr<CsvFile> Read(const std::string& path);

  const std::vector<Row>& rows() const { return rows_; }
  size_t num_fields() const { return rows_.front().fields.size(); }
  // "data.csv:3: what"
  Status Error(const Row& row, std::string_view what) const;
  // The field as a finite number, or as a whole one within limits; `name` stands for it in messages.
  StatusOr<double> Real(const Row& row, size_t field, std::string_view name) const;
  StatusOr<int64_t> Whole(const Row& row, size_t field, std::string_view name, int64_t least, int64_t most) const;

 private:
  std::string path_;
  std::vector<Row> rows_;
};

}  // namespace gfn
