#include "gflownet/base/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"

namespace gfn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Csv : public testing::Test {
 protected:
  StatusOr<CsvFile> Read(const std::string& text) {
    const std::string path = JoinPath(folder_.path(), "a.csv");
    EXPECT_TRUE(WriteFileAtomic(path, text).ok());
    return CsvFile::Read(path);
  }
  std::string Mistake(const std::string& text) { return Message(Read(text).status()); }

 private:
  TestFolder folder_;
};

TEST_F(Csv, RowsFieldsAndLines) {
  const auto file = Read("\xEF\xBB\xBF# heading\r\nx, y \r\n\r\n1,-2.5e1\r\n7,8");
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->rows().size(), 3u);
  EXPECT_EQ(file->num_fields(), 2u);
  EXPECT_THAT(file->rows()[0].fields, ElementsAre("x", "y"));
  EXPECT_EQ(file->rows()[1].line, 4);
  EXPECT_EQ(*file->Real(file->rows()[1], 1, "y"), -25);
  EXPECT_EQ(*file->Whole(file->rows()[2], 0, "x", 0, 7), 7);
  EXPECT_THAT(Message(file->Whole(file->rows()[2], 0, "x", 0, 6).status()),
              HasSubstr("a.csv:5: x: expected a whole number from 0 to 6, found '7'"));
  EXPECT_THAT(Message(file->Real(file->rows()[0], 1, "y").status()),
              HasSubstr("a.csv:2: y: expected a finite number, found 'y'"));
}

TEST_F(Csv, MistakesNameTheirLine) {
  EXPECT_THAT(Mistake("1,2\n\n3\n"), HasSubstr("a.csv:3: expected 2 fields as in line 1, found 1"));
  EXPECT_THAT(Mistake("1,2\n3,\"4\"\n"), HasSubstr("a.csv:2: a quote"));
  EXPECT_THAT(Mistake("1,2\n\xff,3\n"), HasSubstr("a.csv:2: not a text file"));
  EXPECT_THAT(Mistake("\n# nothing\n"), HasSubstr("at least one line"));
  EXPECT_FALSE(CsvFile::Read("no/such.csv").ok());
  const auto file = Read("1,nan\n2,inf\n3,1e999\n4,\n");
  ASSERT_TRUE(file.ok());
  for (const CsvFile::Row& row : file->rows()) EXPECT_FALSE(file->Real(row, 1, "value").ok()) << row.line;
}

}  // namespace
}  // namespace gfn
