// Files that end too early. (Mutants of every format: tests/fuzz.)
#include "gtest/gtest.h"
#include "llm/tokenizer/test_tokenizers.h"

namespace gfn::test {
namespace {

// Among the first entries and in what follows the last one.
TEST(TokenizerHostile, EveryTruncationIsRefused) {
  for (const char* name : {"llama/tokenizer.model", "unigram.model", "tok512.bin"}) {
    const std::string content = ReadAll(SmallPath(name));
    const TemporaryFolder folder;
    int num_loaded = 0, num_tried = 0;
    for (size_t size = 0; size < content.size(); ++size) {
      if (size > 800 && size + 300 < content.size()) continue;
      // A file of its own each: some disks write a file that is replaced at once.
      num_loaded += LoadTokenizer(folder.Write(std::to_string(size), content.substr(0, size))).ok();
      ++num_tried;
    }
    // A file may end behind any whole entry and be a smaller vocabulary: neither format says how many there are. A score, a
    // length and a text take 9 bytes or more.
    EXPECT_LE(9 * num_loaded, num_tried) << name;
  }
}

}  // namespace
}  // namespace gfn::test
