# cmake --install: what tools/build has made (gfn and its engine library, which holds every library of the project), all public
# headers and a package, so that a project of one's own says find_package(gfn) and links gfn::core, gfn::llm or gfn::tasks
# (docs/guides/environment.md, examples/). Nothing is built for it, and what was not built is not asked for.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The headers lie in a folder of their own, since they are included by the paths that they have here ("gflownet/core/state.h").
set(_gfn_headers "${CMAKE_INSTALL_INCLUDEDIR}/gfn")
set(_gfn_package "${CMAKE_INSTALL_LIBDIR}/cmake/gfn")

target_compile_features(gfn_engine INTERFACE cxx_std_20)
target_include_directories(gfn_engine INTERFACE "$<INSTALL_INTERFACE:${_gfn_headers}>")
target_link_libraries(gfn_engine INTERFACE $<INSTALL_INTERFACE:absl::status> $<INSTALL_INTERFACE:absl::statusor>
  $<INSTALL_INTERFACE:nlohmann_json::nlohmann_json> $<INSTALL_INTERFACE:Threads::Threads> $<INSTALL_INTERFACE:LibTorch::cpu>)
# As the parts that it is made of (gflownet/base/CMakeLists.txt).
target_compile_options(gfn_engine INTERFACE $<INSTALL_INTERFACE:$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>>)
set_target_properties(gfn_engine PROPERTIES EXPORT_NAME engine)

configure_package_config_file(cmake/gfn-config.cmake.in "${CMAKE_BINARY_DIR}/package/gfn-config.cmake" INSTALL_DESTINATION "${_gfn_package}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/package/gfn-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(TARGETS gfn gfn_engine EXPORT gfn-targets RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT gfn-targets NAMESPACE gfn:: DESTINATION "${_gfn_package}")
install(FILES "${CMAKE_BINARY_DIR}/package/gfn-config.cmake" "${CMAKE_BINARY_DIR}/package/gfn-config-version.cmake" cmake/LibTorch.cmake
  DESTINATION "${_gfn_package}")
# Headers that only tests include (fixtures, builders) stay here.
install(DIRECTORY gflownet llm lvm tasks report app DESTINATION "${_gfn_headers}" FILES_MATCHING PATTERN "*.h"
  PATTERN "*test*" EXCLUDE PATTERN "training_fixture.h" EXCLUDE PATTERN "toy_loop.h" EXCLUDE)
