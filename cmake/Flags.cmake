# Warnings are errors with both compilers; a release is hardened, and keeps its asserts.

add_compile_options(
  -Wall -Wextra -Werror
  -Wformat=2 -Wimplicit-fallthrough -Wmissing-prototypes -Wold-style-definition
  -Wpointer-arith -Wshadow -Wstrict-prototypes -Wundef -Wvla -Wwrite-strings
  -fno-common -fno-omit-frame-pointer)

set(CMAKE_C_FLAGS_DEBUG "-Og -g3")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g")

if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
                      -fstack-clash-protection)
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()

add_compile_definitions(_GNU_SOURCE)
