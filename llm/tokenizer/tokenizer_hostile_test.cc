// Files that end too early. (Mutants of every format: tests/fuzz.)
#include <filesystem>

#include "gtest/gtest.h"
#include "llm/tokenizer/test_tokenizers.h"

namespace gfn::test {
namespace {

TEST(TokenizerHostile, EveryTruncationIsRefused) {
  for (const char* name : {"models/babyllama_tok105/tok105.model", "models/babyllama_tok105/tok105.bin"}) {
    if (!std::filesystem::exists(SharedPath(name))) GTEST_SKIP() << SharedPath(name) << " is not here";
    const std::string content = ReadAll(SharedPath(name));
    const TemporaryFolder folder;
    int num_loaded = 0;
    for (size_t size = 0; size < content.size(); ++size)
      num_loaded += LoadTokenizer(folder.Write("t", content.substr(0, size))).ok();
    // A file may end behind any whole entry and be a smaller vocabulary: neither format says how many there are.
    EXPECT_LE(num_loaded, 110) << name;
  }
}

}  // namespace
}  // namespace gfn::test
