# SPDX-License-Identifier: MIT
# A script that writes C: cmake -DOUTPUT=FILE.c -DLIST=NAME -P embed.cmake -- FILE...
# Each FILE becomes an entry of the list NAME[], as it is and compressed; see hark/embedded.h.

# Sets `variable` to a C array's content.
function(read_bytes file variable)
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  set(${variable} "{${bytes}0}" PARENT_SCOPE)
endfunction()

find_program(GZIP gzip REQUIRED)

set(arrays "")
set(entries "")
set(is_file OFF)
foreach(i RANGE 1 ${CMAKE_ARGC})
  set(file "${CMAKE_ARGV${i}}")
  if(is_file AND file)
    get_filename_component(name "${file}" NAME)
    string(MAKE_C_IDENTIFIER "file_${name}" array)
    # Without its name and time, so that the same file makes the same program.
    execute_process(COMMAND ${GZIP} -9 -n -c "${file}" OUTPUT_FILE "${OUTPUT}.gz"
                    COMMAND_ERROR_IS_FATAL ANY)
    read_bytes("${file}" plain)
    read_bytes("${OUTPUT}.gz" gzip)
    file(REMOVE "${OUTPUT}.gz")
    file(SHA256 "${file}" digest)
    string(SUBSTRING "${digest}" 0 16 digest)
    string(APPEND arrays "static const unsigned char ${array}[] = ${plain};\n"
                         "static const unsigned char ${array}_gzip[] = ${gzip};\n")
    string(APPEND entries "    {\"${name}\", ${array}, sizeof(${array}) - 1, ${array}_gzip, "
                          "sizeof(${array}_gzip) - 1, \"${digest}\"},\n")
  elseif(file STREQUAL "--")
    set(is_file ON)
  endif()
endforeach()

file(WRITE "${OUTPUT}" "#include \"hark/embedded.h\"\n\n${arrays}
const struct embedded_file ${LIST}[] = {\n${entries}    {NULL, NULL, 0, NULL, 0, NULL},\n};\n")
