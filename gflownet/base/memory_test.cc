#include "gflownet/base/memory.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>

#include "gflownet/base/check.h"
#include "gflownet/base/test_folder.h"
#include "gtest/gtest.h"

namespace gfn {
namespace {

constexpr int64_t kMiB = int64_t{1} << 20;

// Pages of their own, which go back to the system at once (an allocator may keep what is freed).
class TouchedPages {
 public:
  explicit TouchedPages(size_t size) : size_(size) {
    address_ = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    GFN_CHECK(address_ != MAP_FAILED);
    std::memset(address_, 1, size);
  }
  ~TouchedPages() { ::munmap(address_, size_); }

 private:
  void* address_;
  size_t size_;
};

TEST(MemoryTest, RssGrowsWithWhatIsTouched) {
  const int64_t before = CurrentRssBytes();
  ASSERT_GT(before, kMiB);
  EXPECT_GE(PeakRssBytes(), before);
  {
    const TouchedPages pages(64 * kMiB);
    EXPECT_GT(CurrentRssBytes(), before + 50 * kMiB);
  }
  EXPECT_LT(CurrentRssBytes(), before + 50 * kMiB);
  EXPECT_GT(PeakRssBytes(), before + 50 * kMiB);
}

TEST(MemoryTest, ThePeakCanBeReset) {
  { const TouchedPages pages(64 * kMiB); }
  const int64_t peak = PeakRssBytes();
  if (!ResetPeakRss()) GTEST_SKIP() << "/proc/self/clear_refs cannot be written here";
  EXPECT_LT(PeakRssBytes(), peak - 50 * kMiB);
}

TEST(MemoryTest, ALimitMakesAllocationsFail) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer has an allocator of its own";
#endif
  EXPECT_EQ(LimitMemory(kMiB).code(), absl::StatusCode::kResourceExhausted) << "the process is larger than that";
  EXPECT_EXIT(
      {
        // In a process of its own: the limit stays.
        if (!LimitMemory(CurrentRssBytes() + 64 * kMiB).ok()) std::exit(3);
        void* small = std::malloc(16 * kMiB);
        void* large = std::malloc(256 * kMiB);
        std::exit(small == nullptr ? 4 : large == nullptr ? 0 : 77);
      },
      [](int status) { return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77); }, "")
      << "77: this system ignores RLIMIT_DATA";
}

TEST(MemoryTest, ThisMachineHasMemory) {
  const MemoryLimits limits = ReadMemoryLimits();
  EXPECT_GT(limits.machine_total, 100 * kMiB);
  EXPECT_GT(limits.Available(), 0);
  EXPECT_LE(limits.Available(), limits.Total());
  EXPECT_LE(limits.Total(), limits.machine_total);
}

// A folder that looks like the root of a machine with 16 GiB.
class FakeRoot {
 public:
  FakeRoot() { Write("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1024 kB\nMemAvailable:    8388608 kB\n"); }
  void Write(const std::string& path, const std::string& content) {
    ASSERT_TRUE(MakeFolders(ParentFolder(folder_ / path)).ok());
    ASSERT_TRUE(WriteFileAtomic(folder_ / path, content).ok());
  }
  MemoryLimits Read() const { return ReadMemoryLimits(folder_.path()); }

 private:
  TestFolder folder_;
};

TEST(MemoryLimitsTest, WithoutGroupsTheMachineCounts) {
  const FakeRoot root;
  EXPECT_EQ(root.Read().machine_total, 16384 * kMiB);
  EXPECT_EQ(root.Read().cgroup_limit, -1);
  EXPECT_EQ(root.Read().Available(), 8192 * kMiB);
  EXPECT_EQ(root.Read().Total(), 16384 * kMiB);
}

TEST(MemoryLimitsTest, Version2) {
  FakeRoot root;
  root.Write("proc/self/cgroup", "0::/user.slice/job\n");
  root.Write("sys/fs/cgroup/user.slice/job/memory.max", "4294967296\n");
  root.Write("sys/fs/cgroup/user.slice/job/memory.current", "2147483648\n");
  root.Write("sys/fs/cgroup/user.slice/job/memory.stat", "anon 1\nfile 2000\ninactive_file 1073741824\n");
  const MemoryLimits limits = root.Read();
  EXPECT_EQ(limits.cgroup_limit, 4096 * kMiB);
  EXPECT_EQ(limits.cgroup_used, 1024 * kMiB);  // the page cache can be dropped
  EXPECT_EQ(limits.Available(), 3072 * kMiB);
  EXPECT_EQ(limits.Total(), 4096 * kMiB);
}

TEST(MemoryLimitsTest, TheTightestGroupOnTheWayToTheRootCounts) {
  FakeRoot root;
  root.Write("proc/self/cgroup", "0::/a/b\n");
  root.Write("sys/fs/cgroup/a/b/memory.max", "max\n");
  root.Write("sys/fs/cgroup/a/memory.max", "1073741824\n");
  root.Write("sys/fs/cgroup/a/memory.current", "1000\n");
  root.Write("sys/fs/cgroup/memory.max", "2147483648\n");
  EXPECT_EQ(root.Read().cgroup_limit, 1024 * kMiB);
  EXPECT_EQ(root.Read().Available(), 1024 * kMiB - 1000);
}

TEST(MemoryLimitsTest, InAContainerOnlyTheRootOfTheGroupIsVisible) {
  FakeRoot root;
  root.Write("proc/self/cgroup", "0::/../../docker/123\n");
  root.Write("sys/fs/cgroup/memory.max", "1073741824\n");
  EXPECT_EQ(root.Read().cgroup_limit, 1024 * kMiB);
}

TEST(MemoryLimitsTest, Version1) {
  FakeRoot root;
  root.Write("proc/self/cgroup", "12:cpu,cpuacct:/x\n7:memory:/job\n0::/x\n");
  root.Write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "3221225472\n");
  root.Write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1073741824\n");
  root.Write("sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 536870912\n");
  root.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");  // version 1 for "none"
  EXPECT_EQ(root.Read().cgroup_limit, 3072 * kMiB);
  EXPECT_EQ(root.Read().Available(), 2560 * kMiB);
}

TEST(MemoryLimitsTest, AFullGroupLeavesNothing) {
  FakeRoot root;
  root.Write("proc/self/cgroup", "0::/\n");
  root.Write("sys/fs/cgroup/memory.max", "1000\n");
  root.Write("sys/fs/cgroup/memory.current", "2000\n");
  EXPECT_EQ(root.Read().Available(), 0);
}

}  // namespace
}  // namespace gfn
