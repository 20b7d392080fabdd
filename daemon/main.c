// SPDX-License-Identifier: MIT
// hark, a flight recorder for HTTP: libmicrohttpd accepts, libcurl forwards, SQLite remembers.
//
// The map of the tree. Each folder is a floor; a floor includes only itself and those above it
// in this list.
//
//   base/     errors, memory, buffers, body chunks, logs, clocks, addresses, the configuration
//   http/     header fields, request targets, content codings: functions of their arguments
//   store/    the recording: schema, writer, reader, the filter language; all of the SQLite code
//   proxy/    listeners, workers, exchanges, sources, the recorder: what moves the bytes
//   format/   an exchange or rows of values as text, JSON, tables: one walk, several writers
//   control/  the page and the API: status, health, metrics
//   cli/      the command table, and one file a command
//   main.c    this
//
// include/hark/ has what a floor offers to the others; each header says who owns what and which
// thread may call. A good first walk: cli/serve.c starts proxy/server.c, which gives connections
// to its workers; an exchange there fills a struct exchange_row (include/hark/row.h) that the
// recorder hands to store/.
#include "hark/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
