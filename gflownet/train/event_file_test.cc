// The bytes of an event file; the golden ones were read back by TensorBoard's own reader (tools/check_event_file.py).
#include "gflownet/train/event_file.h"

#include <gtest/gtest.h>

#include <cmath>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"

namespace gfn {
namespace {

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const unsigned char byte : bytes) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

TEST(EventFile, IsWhatTensorBoardReads) {
  const TestFolder folder;
  std::string path;
  {
    auto file = EventFile::Create(folder.path(), 1700000000.5, 3);
    ASSERT_TRUE(file.ok()) << file.status();
    path = (*file)->path();
    ASSERT_TRUE((*file)->Append(300, "train", {{"loss", 0.25}, {"bad", NAN}, {"elbo", -51.5}}, 1700000001).ok());
  }
  EXPECT_NE(path.find("events.out.tfevents.1700000000."), std::string::npos);
  EXPECT_EQ(Hex(ReadFile(path).value()),
            "1800000000000000a37f4b220900002040fc54d9411a0d627261696e2e4576656e743a322b3531100f000000000000006d53"
            "2b090900002040fc54d94110033a02080120ab681c34000000000000005e33175c0900004040fc54d94110ac022a260a110a"
            "0a747261696e2f6c6f7373150000803e0a110a0a747261696e2f656c626f1500004ec226853cfb");
}

TEST(EventFile, AFolderThatCannotBeWrittenIsNamed) {
  const auto file = EventFile::Create("/no/such/folder", 1, 0);
  ASSERT_FALSE(file.ok());
  EXPECT_NE(Message(file.status()).find("/no/such/folder"), std::string::npos);
}

}  // namespace
}  // namespace gfn
