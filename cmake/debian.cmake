# SPDX-License-Identifier: MIT
# A script for cpack: what is installed anywhere else, as Debian wants it.

set(source ${CMAKE_CURRENT_LIST_DIR}/..)
set(root ${CPACK_TEMPORARY_DIRECTORY})
set(share ${root}/usr/share)

set(CMAKE_INSTALL_FULL_BINDIR /usr/bin)
foreach(manager system user)
  configure_file(${source}/config/systemd/${manager}/hark.service.in
                 ${root}/usr/lib/systemd/${manager}/hark.service @ONLY)
endforeach()

# An administrator's file: every key with its default, none of them set, so that an upgrade may
# change defaults and touches nothing that somebody has said.
file(READ ${source}/config/hark.conf settings)
string(REGEX REPLACE "\n([a-z_]+ =)" "\n#\\1" settings "${settings}")
file(WRITE ${root}/etc/hark/hark.conf "${settings}")
file(REMOVE_RECURSE ${share}/doc/hark/examples)

file(RENAME ${share}/zsh/site-functions ${share}/zsh/vendor-completions)
configure_file(${source}/config/debian/copyright ${share}/doc/hark/copyright COPYONLY)
configure_file(${source}/config/debian/lintian-overrides ${share}/lintian/overrides/hark COPYONLY)
configure_file(${source}/CHANGELOG.md ${share}/doc/hark/changelog COPYONLY)
configure_file(${source}/config/debian/changelog ${share}/doc/hark/changelog.Debian COPYONLY)

# Without names and times, so that the same source makes the same package.
file(GLOB pages ${share}/man/*/*)
execute_process(COMMAND gzip -9 -n ${pages} ${share}/doc/hark/changelog
                        ${share}/doc/hark/changelog.Debian
                COMMAND_ERROR_IS_FATAL ANY)
# Whatever the umask is.
execute_process(COMMAND chmod -R u=rwX,go=rX ${root} COMMAND_ERROR_IS_FATAL ANY)
