// What a bitwise repetition of a run depends on, as names and values for the checkpoint manifest.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

namespace gfn {

// binary (XXH64 of the file that holds this code), libtorch, cpu, device, threads. The caller adds what it knows
// (micro-batch size, commit).
std::map<std::string, std::string> DescribeEnvironment(at::Device device);

// "threads: 2 -> 4" for each difference.
std::vector<std::string> EnvironmentDifferences(const std::map<std::string, std::string>& before,
                                                const std::map<std::string, std::string>& after);

// Now, in UTC: "2025-01-31T12:00:00Z". For what people read; nothing that decides a step reads it.
std::string UtcNow();

}  // namespace gfn
