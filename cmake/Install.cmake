# SPDX-License-Identifier: MIT
# What is installed beside the program: manual pages, completion, units, documents.

set(doc_folder ${CMAKE_INSTALL_DATADIR}/doc/hark)
file(GLOB documents CONFIGURE_DEPENDS docs/*.md docs/openapi.yaml)
install(FILES ${documents} DESTINATION ${doc_folder}/docs)
install(FILES README.md DESTINATION ${doc_folder})
install(FILES config/hark.conf DESTINATION ${doc_folder}/examples)

install(FILES config/completion/hark.bash
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME hark)
install(FILES config/completion/_hark DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES config/completion/hark.fish
        DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

foreach(manager system user)
  configure_file(config/systemd/${manager}/hark.service.in systemd/${manager}/hark.service @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/systemd/${manager}/hark.service config/systemd/hark.socket
                config/systemd/hark-ui.socket
          DESTINATION lib/systemd/${manager})
endforeach()
install(FILES config/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME hark.conf)

# The pages are made out of the program's help, config/hark.conf and docs/.
if(HARK_MAN)
  file(GLOB man_sources CONFIGURE_DEPENDS docs/man/* docs/*.md config/hark.conf)
  set(man_pages)
  foreach(page hark.1 hark.conf.5 hark-filter.7 hark-schema.7)
    set(output ${CMAKE_BINARY_DIR}/man/${page})
    add_custom_command(
      OUTPUT ${output}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/man
      COMMAND ${PROJECT_SOURCE_DIR}/docs/man/page ${page} $<TARGET_FILE:hark> > ${output}.scd
      COMMAND ${SCDOC} < ${output}.scd > ${output}
      DEPENDS hark ${man_sources}
      VERBATIM)
    list(APPEND man_pages ${output})
    string(REGEX MATCH "[0-9]$" section ${page})
    install(FILES ${output} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
  endforeach()
  add_custom_target(man ALL DEPENDS ${man_pages})
endif()
