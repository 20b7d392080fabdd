# SPDX-License-Identifier: MIT
# A script that writes C: cmake -DOUTPUT=FILE.c -P embed.cmake -- FILE...
# Each FILE becomes an entry of embedded_files[], declared in daemon/cli/embedded.h.

set(arrays "")
set(entries "")
set(is_file OFF)
foreach(i RANGE 1 ${CMAKE_ARGC})
  set(file "${CMAKE_ARGV${i}}")
  if(is_file AND file)
    get_filename_component(name "${file}" NAME)
    string(MAKE_C_IDENTIFIER "${name}" array)
    file(READ "${file}" hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const unsigned char ${array}[] = {${bytes}0};\n")
    string(APPEND entries "    {\"${name}\", ${array}, sizeof ${array} - 1},\n")
  elseif(file STREQUAL "--")
    set(is_file ON)
  endif()
endforeach()

file(WRITE "${OUTPUT}" "#include \"embedded.h\"\n\n#include <stddef.h>\n\n${arrays}
const struct embedded_file embedded_files[] = {\n${entries}    {NULL, NULL, 0},\n};\n")
