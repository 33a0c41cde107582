// The thin executable: reads the command line, then loads the engine library beside it. It links no LibTorch, so that --help
// and usage errors answer at once.
#include <dlfcn.h>

#include <filesystem>
#include <iostream>

#include "app/command_line.h"

namespace {

// libgfn_engine.so stands beside the executable in a build folder, and in GFN_LIBRARY_FOLDER, seen from it, where both are
// installed.
int RunEngine(const gfn::Command& command) {
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  std::filesystem::path library = folder / "libgfn_engine.so";
  if (!std::filesystem::exists(library)) library = folder / GFN_LIBRARY_FOLDER / "libgfn_engine.so";
  void* engine = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (engine == nullptr) {
    std::cerr << "gfn: cannot load the engine: " << dlerror() << "\n  run tools/setup and tools/build again\n";
    return 1;
  }
  auto* entry = reinterpret_cast<decltype(&gfn_engine_run)>(dlsym(engine, kEngineEntry));
  if (entry == nullptr) {
    std::cerr << "gfn: " << library.string() << " is of another version: " << dlerror() << "\n";
    return 1;
  }
  return entry(&command);
}

}  // namespace

int main(int argc, char** argv) {
  gfn::OpenStandardStreams();
  int exit_code = 0;
  const auto command = gfn::ReadCommandLine(
      argc, argv, "gfn", "gfn turns language models into samplers of posteriors: it fine-tunes a LoRA adapter as a GFlowNet.",
      &exit_code);
  return command.has_value() ? RunEngine(*command) : exit_code;
}
