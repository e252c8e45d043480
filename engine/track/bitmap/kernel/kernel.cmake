# changes.bpf.c -> changes.bpf.o -> changes.skel.h, for track/bitmap/kernel_program.cc.
get_target_property(track_sources blkrewind_track SOURCES)
if(NOT kernel_bitmap)
  list(FILTER track_sources EXCLUDE REGEX "/kernel_program\\.cc$")
  set_target_properties(blkrewind_track PROPERTIES SOURCES "${track_sources}")
  return()
endif()
list(FILTER track_sources EXCLUDE REGEX "/no_kernel_program\\.cc$")
set_target_properties(blkrewind_track PROPERTIES SOURCES "${track_sources}")

set(kernel_source ${CMAKE_CURRENT_SOURCE_DIR}/track/bitmap/kernel)
set(kernel_binary ${CMAKE_CURRENT_BINARY_DIR}/track/bitmap/kernel)
file(MAKE_DIRECTORY ${kernel_binary})
# As the kernel calls it, for bpf_tracing.h.
set(bpf_arch ${CMAKE_SYSTEM_PROCESSOR})
string(REGEX REPLACE "^(x86_64|amd64|i.86)$" "x86" bpf_arch "${bpf_arch}")
string(REGEX REPLACE "^(aarch64|arm64)$" "arm64" bpf_arch "${bpf_arch}")
string(REGEX REPLACE "^ppc.*" "powerpc" bpf_arch "${bpf_arch}")
string(REGEX REPLACE "^s390.*" "s390" bpf_arch "${bpf_arch}")
string(REGEX REPLACE "^riscv.*" "riscv" bpf_arch "${bpf_arch}")
set(bpf_includes "")
if(CMAKE_LIBRARY_ARCHITECTURE)  # Debian's place of <asm/types.h>
  set(bpf_includes -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
endif()
add_custom_command(OUTPUT ${kernel_binary}/changes.bpf.o
  COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Werror -D__TARGET_ARCH_${bpf_arch}
    ${bpf_includes} -c ${kernel_source}/changes.bpf.c -o ${kernel_binary}/changes.bpf.o
  DEPENDS ${kernel_source}/changes.bpf.c ${kernel_source}/changes_abi.h
  COMMENT "Compiling the tracking program for the kernel" VERBATIM)
# The skeleton names the types of the program; the program's come from the kernel's headers.
add_custom_command(OUTPUT ${kernel_binary}/changes.skel.h
  COMMAND sh -c "{ echo '#include <linux/types.h>'; echo 'typedef __u32 u32; typedef __u64 u64;'; \"$0\" gen skeleton \"$1\" name changes; } > \"$2\"" ${BPFTOOL}
    ${kernel_binary}/changes.bpf.o ${kernel_binary}/changes.skel.h
  DEPENDS ${kernel_binary}/changes.bpf.o
  COMMENT "Wrapping the tracking program" VERBATIM)
target_sources(blkrewind_track PRIVATE ${kernel_binary}/changes.skel.h)
target_include_directories(blkrewind_track SYSTEM PRIVATE ${kernel_binary})
target_link_libraries(blkrewind_track PUBLIC PkgConfig::LIBBPF)
