# cmake --install: the headers of gflownet/ and lvm/, one static library libgfn_core with all of it, and a package, so that a project of one's
# own says find_package(gfn) and links gfn::core (examples/own_world, examples/hidden_markov).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# Every library of gflownet/ and lvm/, and the objects that are compiled once for each instruction set.
set(_gfn_objects)
file(GLOB _gfn_folders LIST_DIRECTORIES true "${CMAKE_SOURCE_DIR}/gflownet/*")
foreach(folder ${_gfn_folders} "${CMAKE_SOURCE_DIR}/lvm")
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target ${targets})
    get_target_property(type ${target} TYPE)
    if(type MATCHES "^(STATIC|OBJECT)_LIBRARY$")
      list(APPEND _gfn_objects $<TARGET_OBJECTS:${target}>)
    endif()
  endforeach()
endforeach()
add_library(gfn_bundle STATIC ${_gfn_objects})
set_target_properties(gfn_bundle PROPERTIES OUTPUT_NAME gfn_core EXPORT_NAME core LINKER_LANGUAGE CXX
  ARCHIVE_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/package")
target_compile_features(gfn_bundle INTERFACE cxx_std_20)
target_include_directories(gfn_bundle INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
target_link_libraries(gfn_bundle INTERFACE
  absl::status absl::statusor yaml-cpp nlohmann_json::nlohmann_json Threads::Threads OpenMP::OpenMP_CXX LibTorch::cpu ${CMAKE_DL_LIBS})
# As the parts that it is made of (gflownet/base/CMakeLists.txt).
target_compile_options(gfn_bundle INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)

set(_gfn_package "${CMAKE_INSTALL_LIBDIR}/cmake/gfn")
configure_package_config_file(cmake/gfn-config.cmake.in "${CMAKE_BINARY_DIR}/package/gfn-config.cmake" INSTALL_DESTINATION "${_gfn_package}")
write_basic_package_version_file("${CMAKE_BINARY_DIR}/package/gfn-config-version.cmake" COMPATIBILITY SameMinorVersion)
install(TARGETS gfn_bundle EXPORT gfn-targets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT gfn-targets NAMESPACE gfn:: DESTINATION "${_gfn_package}")
install(FILES "${CMAKE_BINARY_DIR}/package/gfn-config.cmake" "${CMAKE_BINARY_DIR}/package/gfn-config-version.cmake" cmake/LibTorch.cmake
  DESTINATION "${_gfn_package}")
# Headers that only tests include (fixtures, builders) stay here.
install(DIRECTORY gflownet lvm DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h"
  PATTERN "*test*" EXCLUDE PATTERN "training_fixture.h" EXCLUDE PATTERN "toy_loop.h" EXCLUDE)
