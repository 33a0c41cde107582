#include "tasks/world/idx_images.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

namespace gfn {
namespace {

struct CloseGzip {
  void operator()(gzFile file) const { gzclose(file); }
};
using GzipFile = std::unique_ptr<gzFile_s, CloseGzip>;

// Exactly `size` bytes.
Status ReadExactly(gzFile file, const std::string& path, void* into, size_t size) {
  const int read = gzread(file, into, static_cast<unsigned>(size));
  if (read == static_cast<int>(size)) return OkStatus();
  int code = 0;
  const char* reason = gzerror(file, &code);
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return DataLoss(path + ": damaged: " + std::string(reason));
  return DataLoss(path + ": ends early: " + std::to_string(std::max(read, 0)) + " of " + std::to_string(size) +
                  " bytes where they were expected");
}

int64_t BigEndian(const unsigned char* bytes) {
  return (int64_t{bytes[0]} << 24) | (int64_t{bytes[1]} << 16) | (int64_t{bytes[2]} << 8) | int64_t{bytes[3]};
}

}  // namespace

StatusOr<at::Tensor> ReadIdxImages(const std::string& path, int64_t most) {
  errno = 0;
  const GzipFile file(gzopen(path.c_str(), "rb"));
  if (file == nullptr) return NotFound(path + ": " + (errno != 0 ? std::strerror(errno) : "cannot be opened"));
  std::array<unsigned char, 16> header{};
  RETURN_IF_ERROR(ReadExactly(file.get(), path, header.data(), header.size()));
  if (BigEndian(header.data()) != 0x0803) {
    return InvalidArgument(path + ": expected an idx file of images (it begins with 00 00 08 03), found another kind of file");
  }
  const int64_t stored = BigEndian(header.data() + 4), rows = BigEndian(header.data() + 8),
                columns = BigEndian(header.data() + 12);
  constexpr int64_t kLargestSide = 4096;
  if (rows != columns || rows < 1 || rows > kLargestSide) {
    return InvalidArgument(path + ": expected square images of side 1 to " + std::to_string(kLargestSide) + ", found " +
                           std::to_string(rows) + " x " + std::to_string(columns));
  }
  const int64_t num = most > 0 ? std::min(most, stored) : stored;
  std::vector<unsigned char> pixels;
  std::vector<unsigned char> image(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < num; ++i) {
    if (const Status status = ReadExactly(file.get(), path, image.data(), image.size()); !status.ok())
      return Annotate(status, "image " + std::to_string(i) + " of " + std::to_string(stored));
    for (const unsigned char pixel : image) pixels.push_back(pixel >= 128 ? 1 : 0);
  }
  if (num == 0) return InvalidArgument(path + ": expected at least one image, found none");
  return at::from_blob(pixels.data(), {num, rows, columns}, at::kByte).clone();
}

}  // namespace gfn
