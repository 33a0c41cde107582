# Imported targets for LibTorch, made by hand: find_package(Torch) of the wheel fails on a machine without a CUDA toolkit.
#   LibTorch::cpu    ATen, autograd and the CPU kernels: all that gfn links
#   LibTorch::cuda   the CUDA kernels, only in the cuda preset
# GFN_LIBTORCH may point to any LibTorch >= 2.6 (a folder with include/ and lib/); tools/setup unpacks the wheel's into .deps.

set(GFN_LIBTORCH "${CMAKE_SOURCE_DIR}/.deps/libtorch" CACHE PATH "LibTorch: a folder with include/ and lib/")
if(NOT EXISTS "${GFN_LIBTORCH}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "No LibTorch in ${GFN_LIBTORCH} (looked for lib/libtorch_cpu.so). Run tools/setup, or give -DGFN_LIBTORCH=DIR.")
endif()

# One OpenMP runtime in a process: the wheel's own, where it brings one. Included before find_package(OpenMP).
if(EXISTS "${GFN_LIBTORCH}/lib/libgomp.so.1")
  set(OpenMP_gomp_LIBRARY "${GFN_LIBTORCH}/lib/libgomp.so.1" CACHE FILEPATH "OpenMP's runtime" FORCE)
endif()

function(_gfn_import_torch target library)
  add_library(${target} SHARED IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${GFN_LIBTORCH}/lib/${library}"
    IMPORTED_NO_SONAME TRUE)
  target_include_directories(${target} SYSTEM INTERFACE
    "${GFN_LIBTORCH}/include" "${GFN_LIBTORCH}/include/torch/csrc/api/include")
endfunction()

_gfn_import_torch(LibTorch::c10 libc10.so)
_gfn_import_torch(LibTorch::cpu libtorch_cpu.so)
target_link_libraries(LibTorch::cpu INTERFACE LibTorch::c10 OpenMP::OpenMP_CXX)
target_link_options(LibTorch::cpu INTERFACE "-Wl,-rpath,${GFN_LIBTORCH}/lib" "-Wl,-rpath-link,${GFN_LIBTORCH}/lib"
  # The CPU library names CUDA's runtime without needing its symbols at link time.
  "-Wl,--allow-shlib-undefined")

if(GFN_CUDA)
  _gfn_import_torch(LibTorch::cuda libtorch_cuda.so)
  _gfn_import_torch(LibTorch::c10_cuda libc10_cuda.so)
  target_link_libraries(LibTorch::cuda INTERFACE LibTorch::c10_cuda LibTorch::cpu)
endif()
